"""A /data and a /run of one's own, whose keys belong to whoever runs the tests."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from entrypoint.config import environ
from entrypoint.config.settings import HostFacts, Settings
from entrypoint.dkim_keys.key_files import KeyFiles
from entrypoint.dkim_keys.store import KeyStore
from filters.keyring import KeyRing

DOMAIN = "example.org"
NOW = 1_764_000_000
ME = pwd.getpwuid(os.geteuid()).pw_name


def configured(**variables: str) -> Settings:
    given = {"DOMAINS": DOMAIN, "ACCOUNTS": f"alice@{DOMAIN}:secret"} | variables
    return environ.load(given, host=HostFacts(ipv6=False))


@dataclass(frozen=True)
class Places:
    """folder/data stands for /data/dkim, folder/run for /run/signpost."""

    folder: Path

    @classmethod
    def new(cls, folder: Path) -> Places:
        for name in ("data", "run"):
            (folder / name).mkdir(parents=True)
        return cls(folder)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def store(self, settings: Settings) -> KeyStore:
        return KeyStore(settings, self.data, self.folder / "run/dkim", KeyFiles(ME, ME))

    def start(self, settings: Settings, now: int = NOW) -> None:
        """What a start does to keys."""
        store = self.store(settings)
        with store.locked():
            store.reconcile(now)
            store.sync()

    def statuses(self, settings: Settings, domain: str = DOMAIN) -> dict[str, str]:
        """Selector → status."""
        keys = self.store(settings).load()[domain].keys
        return {key.selector: key.status for key in keys}

    def signers(self, domain: str = DOMAIN) -> list[str]:
        """The selectors that the signing filter finds, each with a key that loads."""
        ring = KeyRing([], self.folder / "run/dkim-keys")
        return [key.selector for key in ring.keys_for(domain)]

    def files(self, domain: str = DOMAIN) -> set[str]:
        """The selectors of the keys that are there."""
        return {path.stem for path in (self.data / domain).glob("[!.]*.pem")}
