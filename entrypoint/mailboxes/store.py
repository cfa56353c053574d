"""The file in /data/accounts, and its lock: each change is read, made and written under it.

It must not know what a change means, nor whether it fits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from entrypoint.lock_file import locked
from entrypoint.mailboxes.model import Stored
from entrypoint.mailboxes.store_file import as_text, read_stored
from entrypoint.ownership import own_folder
from entrypoint.problems import ConfigurationError
from entrypoint.render import write_file

DATA = Path("/data/accounts")
LOGINS = "logins"


@dataclass(frozen=True)
class Store:
    """folder: /data/accounts. root: who runs this. logins: who answers logins."""

    folder: Path = DATA
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
        """What is kept. Raises ConfigurationError where that cannot be read."""
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
        """Those of the accounts and aliases; None where they cannot be read, which `load` tells."""
        try:
            return self.load().addresses
        except ConfigurationError:
            return None

    def save(self, stored: Stored) -> None:
        """Replace the file, under the lock. Raises OSError."""
        for left in self.folder.glob(f".{self.path.name}.*"):  # by a process that was killed
            left.unlink()
        write_file(self.path, as_text(stored).encode(), self.root, self.root, 0o600)
