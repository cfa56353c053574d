"""The file in /data/accounts, and its lock: each change is read, made and written under it.

Beside it, when each password was last used, which filters.logins writes. It must not know what a
change means, nor whether it fits.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from entrypoint.accounts.stored import Stored, StoredAccount, StoredPassword
from entrypoint.config.problems import ConfigurationError
from entrypoint.files import acting_as, locked, own_folder, write_file
from entrypoint.paths import DATA_ACCOUNTS
from entrypoint.text import minute
from filters.last_used import read_last_used

_VERSION = 1


def as_text(stored: Stored) -> str:
    """The JSON."""
    content: dict[str, object] = {
        "version": _VERSION,
        "accounts": {
            address: {"hash": account.hash, "quota": account.quota}
            for address, account in stored.accounts.items()
        },
        "aliases": {address: list(targets) for address, targets in stored.aliases.items()},
        "app_passwords": {
            address: [
                {"name": each.name, "hash": each.hash, "created": each.created}
                for each in passwords
            ]
            for address, passwords in stored.app_passwords.items()
        },
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def read_stored(text: str) -> Stored:
    """The opposite. Raises ValueError, whose text holds no hash."""
    try:
        content = json.loads(text)
        if content["version"] != _VERSION:
            raise ValueError(f"version {content['version']!r}, not {_VERSION}")
        return Stored(
            {address: _account(each) for address, each in content["accounts"].items()},
            {
                address: tuple(_text(target) for target in targets)
                for address, targets in content["aliases"].items()
            },
            {
                address: tuple(_password(each) for each in passwords)
                for address, passwords in content["app_passwords"].items()
            },
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None


def _account(content: Mapping[str, Any]) -> StoredAccount:
    quota = content["quota"]
    if quota is not None and (type(quota) is not int or quota < 0):
        raise ValueError("a quota that is no number of bytes")
    return StoredAccount(_text(content["hash"]), quota)


def _password(content: Mapping[str, Any]) -> StoredPassword:
    return StoredPassword(_text(content["name"]), _text(content["hash"]), _text(content["created"]))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"a {type(value).__name__} in the place of a text")
    return value


LOGINS = "logins"


@dataclass(frozen=True)
class Store:
    """folder: /data/accounts. root: who runs this. logins: who answers logins."""

    folder: Path = DATA_ACCOUNTS
    root: str = "root"
    logins: str = LOGINS

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / "accounts.json"

    @property
    def last_used(self) -> Path:
        """Where `filters.logins` writes when each password was last used.

        Its folder is that program's alone: who may replace a file there must not reach the other.
        """
        return self.folder / "logins" / "last-used.json"

    def prepare(self) -> None:
        """Make the folders. Raises OSError."""
        for folder, owner, mode in (
            (self.folder, self.root, 0o755),
            (self.last_used.parent, self.logins, 0o700),
        ):
            own_folder(folder, owner, owner, mode)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process from changing anything. The system ends it with this process."""
        self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        with locked(self.folder / ".lock"):
            yield

    def load(self) -> Stored:
        """What is stored. Raises ConfigurationError where that cannot be read."""
        try:
            return read_stored(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return Stored()
        except ValueError as error:
            problem = f"it cannot be used ({error})"
        except OSError as error:
            problem = str(error.strerror)
        raise ConfigurationError([f"{self.path}: {problem}; restore it from a copy of /data"])

    def addresses(self) -> frozenset[str] | None:
        """Those of the accounts and aliases; None where they cannot be read: `load` says why."""
        try:
            return self.load().addresses
        except ConfigurationError:
            return None

    def save(self, stored: Stored) -> None:
        """Replace the file, under the lock. Raises OSError."""
        for left in self.folder.glob(f".{self.path.name}.*"):  # by a process that was killed
            left.unlink()
        write_file(self.path, as_text(stored).encode(), self.root, self.root, 0o600)


Times = Mapping[str, Mapping[str, int]]


def last_uses(store: Store) -> Times:
    """Unix times by address and by the password's name; empty where they cannot be read."""
    try:
        with acting_as(store.logins):
            return read_last_used(store.last_used)
    except (OSError, ValueError, KeyError):  # no server has run yet, or not in this image
        return {}


def last_use_text(when: int | None) -> str:
    """`2026-11-25 08:20 UTC`, or `never`."""
    return "never" if when is None else f"{minute(when)} UTC"
