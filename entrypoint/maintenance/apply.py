"""The configuration as it is now, read, merged and rendered: what is to be live.

It works with files and is called in a process of its own (entrypoint.processes); `reload` has live
what it finds. It must not know why it is called.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from entrypoint import data
from entrypoint.accounts.store import AccountStore
from entrypoint.config import environ
from entrypoint.config.problems import ConfigurationError
from entrypoint.config.settings import Settings
from entrypoint.disks import explained
from entrypoint.dkim_keys.store import KeyStore
from entrypoint.log_line import LogLine
from entrypoint.maintenance.known_hashes import KnownHashes
from entrypoint.maintenance.reload import Changes, changes
from entrypoint.maintenance.sessions import SessionsToEnd
from entrypoint.paths import DKIM_KEYS, RUN
from entrypoint.render import render

Lines = list[LogLine]


@dataclass(frozen=True)
class Prepared:
    """settings: completed. changes: what is not live yet. lines: for the log."""

    settings: Settings
    changes: Changes
    lines: Lines
    domains_changed: bool = False


def prepare(environment: Mapping[str, str], store: AccountStore, live: Settings | None) -> Prepared:
    """Read everything and find what is not live. Raises ConfigurationError.

    environment: the variables, as they were when the container started. live: the settings that
    are live.
    """
    lines: Lines = []
    try:
        stored = store.load()
        settings = environ.load(environment, kept=stored.addresses)
        other_domains = live is None or live.signing_domains != settings.signing_domains
        if other_domains:
            lines += _make_keys(settings, live)
        known = KnownHashes(salt_key=data.salt_key)
        whole = data.complete(
            settings,
            stored,
            say=lines.append,
            hash_of=known.hash_of,
        )
        known.remember()
        # The keys have their own lock and their own file for the signer.
        files = [file for file in render(whole) if file.path != RUN / DKIM_KEYS]
        SessionsToEnd().note(files)
        return Prepared(whole, changes(files), lines, other_domains)
    except OSError as error:
        raise ConfigurationError([explained(error)]) from None


def _make_keys(settings: Settings, live: Settings | None) -> Lines:
    """A new domain has its keys, and the signer knows them, before anybody sends mail from it.

    What has to wait for room on the disk is returned.
    """
    keys = KeyStore(settings)
    with keys.locked():
        keys.reconcile(int(time.time()))
        if live is None or set(settings.signing_domains) - set(live.signing_domains):
            keys.sync()
    return [LogLine("warning", text) for text in keys.undone]


def sync_keys(settings: Settings) -> None:
    """The signer forgets the keys of a domain when no mail comes from it any more."""
    keys = KeyStore(settings)
    with keys.locked():
        keys.sync()
