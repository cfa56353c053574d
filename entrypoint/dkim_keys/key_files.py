"""The files of private keys: made, brought, claimed for their owner, read.

Each write is atomic and durable. It must not know which key is for what.
"""

from __future__ import annotations

import pwd
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from entrypoint.config.certificate import pem
from entrypoint.config.settings import KeyType
from entrypoint.files import acting_as, own_folder, write_file
from filters.watched_file import Stamp, file_stamp

_RSA_BITS = 2048  # RFC 8301 §3.2


@dataclass(frozen=True)
class KeyFiles:
    """The key files of one user, each in a folder that is the user's alone. root: who runs this."""

    owner: str
    root: str = "root"

    def exists(self, path: Path) -> bool:
        """Is the key there?"""
        with acting_as(self.owner):
            return path.exists()

    def read(self, path: Path) -> bytes:
        """The PEM. Raises OSError."""
        with acting_as(self.owner):
            return path.read_bytes()

    def folder(self, folder: Path) -> None:
        """Make a folder of keys."""
        own_folder(folder, self.owner, self.owner, 0o700)

    def keys_in(self, folder: Path) -> list[Path]:
        """The keys in a folder, whosever they are."""
        with acting_as(self.owner):
            return list(folder.glob("*.pem"))

    def make(self, path: Path, kind: KeyType) -> None:
        """Make a key where there is none."""
        if self.exists(path):
            return
        key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
        if kind == "rsa":
            key = rsa.generate_private_key(65537, _RSA_BITS)
        else:
            key = ed25519.Ed25519PrivateKey.generate()
        self.write(path, pem(key))

    def write(self, path: Path, content: bytes) -> None:
        """Replace a key."""
        with acting_as(self.owner):
            # What a process left that was killed while it wrote.
            for left in path.parent.glob(f".{path.name}.*"):
                left.unlink()
            write_file(path, content, self.owner, self.owner, 0o600)

    def stamp(self, path: Path) -> Stamp | None:
        """What differs once the content does; None where there is no key."""
        with acting_as(self.owner):
            return file_stamp(path)

    def remove(self, path: Path) -> None:
        """Remove a key, if it is there."""
        with acting_as(self.owner):
            path.unlink(missing_ok=True)

    def claim(self, path: Path) -> None:
        """Give a key that was brought to its owner, and to nobody else."""
        account = pwd.getpwnam(self.owner)
        with acting_as(self.owner):
            try:
                status = path.lstat()
            except FileNotFoundError:
                return
        wanted = account.pw_uid, account.pw_gid, 0o600
        if (
            stat.S_ISLNK(status.st_mode)
            or (status.st_uid, status.st_gid, status.st_mode & 0o777) == wanted
        ):
            return
        # Root without DAC_OVERRIDE may not enter the owner's directory: it is root's for a moment.
        shutil.chown(path.parent, self.root, self.root)
        try:
            shutil.chown(path, self.owner, self.owner)
            path.chmod(0o600)
        finally:
            shutil.chown(path.parent, self.owner, self.owner)
