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
from typing import Literal

from pydantic import NonNegativeInt

from entrypoint.accounts.stored import Stored, StoredAccount, StoredPassword
from entrypoint.config.problems import ConfigurationError
from entrypoint.files import acting_as, locked, own_folder, write_file
from entrypoint.json_model import JsonModel, read_json
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


class _Account(JsonModel):
    hash: str
    quota: NonNegativeInt | None


class _AppPassword(JsonModel):
    name: str
    hash: str
    created: str


class _File(JsonModel):
    version: Literal[1]
    accounts: dict[str, _Account]
    aliases: dict[str, tuple[str, ...]]
    app_passwords: dict[str, tuple[_AppPassword, ...]]


def read_stored(text: str) -> Stored:
    """The opposite. Raises ValueError, whose text holds no hash."""
    found = read_json(_File, text)
    return Stored(
        {address: StoredAccount(each.hash, each.quota) for address, each in found.accounts.items()},
        found.aliases,
        {
            address: tuple(StoredPassword(each.name, each.hash, each.created) for each in passwords)
            for address, passwords in found.app_passwords.items()
        },
    )


LOGINS = "logins"


@dataclass(frozen=True)
class AccountStore:
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


def last_uses(store: AccountStore) -> Times:
    """Unix times by address and by the password's name; empty where they cannot be read."""
    try:
        with acting_as(store.logins):
            return read_last_used(store.last_used)
    except (OSError, ValueError, KeyError):  # no server has run yet, or not in this image
        return {}


def last_use_text(when: int | None) -> str:
    """`2026-11-25 08:20 UTC`, or `never`."""
    return "never" if when is None else f"{minute(when)} UTC"
