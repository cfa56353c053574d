"""Keeps the running server up to date: changed files, DKIM keys, the certificate, MTA-STS.

    python -m entrypoint.maintenance --format text --level info

It is root, and has what `signpost start` kept of the environment. One thread: some duties act as
another user for moments.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Mapping
from pathlib import Path

from entrypoint import paths
from entrypoint.accounts.store import Store
from entrypoint.config import environ
from entrypoint.config.settings import Settings
from entrypoint.dkim_keys.ticker import Ticker as Keys
from entrypoint.log import LEVELS, write_log
from entrypoint.maintenance.apply import go_live
from entrypoint.maintenance.disks import Ticker as Disks
from entrypoint.maintenance.environment import kept
from entrypoint.maintenance.loop import Duty, Keeper
from entrypoint.maintenance.mta_sts import Ticker as MtaSts
from entrypoint.maintenance.reload import Log
from entrypoint.probe.services import ALIVE
from entrypoint.tls.ticker import Ticker as Certificate

EVERY = 2.0  # seconds
_FILES = ("ACCOUNTS_FILE", "ALIASES_FILE", "DOMAINS_FILE")


def watched(environment: Mapping[str, str], store: Store) -> list[Path]:
    """The files that a person or a command changes while the server runs."""
    named = (environment.get(name, "").strip() for name in _FILES)
    return [store.path, *(Path(name) for name in named if name)]


def duties() -> list[Duty]:
    """What else there is to do."""
    return [
        Duty("disks", 5.0, Disks().tick),
        Duty("DKIM keys", 60.0, Keys().tick),
        Duty("certificate", 2.0, Certificate(paths.DATA).tick),
        Duty("MTA-STS", 5.0, MtaSts().tick),
    ]


def main() -> None:
    """Run until a signal."""
    parser = argparse.ArgumentParser("entrypoint.maintenance")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument("--level", choices=LEVELS, default="info")
    options = parser.parse_args()
    least = LEVELS.index(options.level)

    def log(level: str, text: str) -> None:
        if LEVELS.index(level) >= least:
            write_log(options.format, level, "keeper", text)

    store, environment = Store(), kept()

    def refresh(log: Log) -> Settings:
        with store.locked():
            return go_live(environ.load(environment, kept=store.addresses()), log)

    keeper = Keeper(watched(environment, store), refresh, duties(), log)
    while True:
        with contextlib.suppress(OSError):
            ALIVE.touch(mode=0o600)
        keeper.step(time.monotonic())
        time.sleep(EVERY)


if __name__ == "__main__":
    main()
