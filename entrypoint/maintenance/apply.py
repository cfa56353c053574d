"""The configuration as it is now goes live: completed, rendered, and whom it concerns told.

Whoever calls it holds the lock of /data/accounts, so that what is older never comes last. It must
not know why it is called.
"""

from __future__ import annotations

import subprocess
from importlib.metadata import version

from entrypoint import data as state
from entrypoint.config.problems import ConfigurationError
from entrypoint.config.settings import Settings
from entrypoint.disks import explained
from entrypoint.dkim_keys.store import Store as Keys
from entrypoint.maintenance.known_hashes import KnownHashes
from entrypoint.maintenance.reload import Log, reload
from entrypoint.maintenance.sessions import Sessions
from entrypoint.paths import DKIM_KEYS, RUN
from entrypoint.render import render


def go_live(settings: Settings, log: Log) -> Settings:
    """Have these settings, as the environment says them, live; they are returned completed.

    log takes a level and a line. Raises ConfigurationError where something cannot be used, written
    or told; what can then stays as it was.
    """
    try:
        known = KnownHashes()
        whole = state.ensure(settings, version("signpost"), say=log, hash_of=known.hash_of)
        known.remember()
        # The keys have their own lock and their own way to the signer.
        files = [file for file in render(whole) if file.path != RUN / DKIM_KEYS]
        sessions = Sessions()
        sessions.note(files)
        try:
            reload(files, log)
        finally:
            # The new passwords count, whether smtpd takes its tables or not.
            for login, number in sessions.end().items():
                log("info", f"{login}: {number} open session(s) ended: a password counts no longer")
        keys = Keys(whole)
        with keys.locked():
            keys.sync()
    except subprocess.TimeoutExpired:
        raise ConfigurationError(["smtpd does not answer in time"]) from None
    except OSError as error:
        raise ConfigurationError([told(error)]) from None
    return whole


def told(error: OSError) -> str:
    """An OSError for a person."""
    return explained(error)
