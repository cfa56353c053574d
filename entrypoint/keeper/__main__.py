"""Keeps the running server up to date: changed files, DKIM keys, the certificate, MTA-STS.

    python -m entrypoint.keeper --format text --level info

It is root, and has what `signpost start` kept of the environment. One thread: some duties act as
another user for moments.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Mapping
from pathlib import Path

from entrypoint import environ, state
from entrypoint.keeper.disks import Ticker as Disks
from entrypoint.keeper.kept import kept
from entrypoint.keeper.live import go_live
from entrypoint.keeper.loop import Duty, Keeper
from entrypoint.keeper.reload import Log
from entrypoint.keys.ticker import Ticker as Keys
from entrypoint.logline import LEVELS, write_log
from entrypoint.mailboxes.store import Store
from entrypoint.probe.services import ALIVE
from entrypoint.settings import Settings
from entrypoint.tls.ticker import Ticker as Certificate
from entrypoint.web.ready_ticker import Ticker as MtaSts

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
        Duty("certificate", 2.0, Certificate(state.DATA).tick),
        Duty("MTA-STS", 5.0, MtaSts().tick),
    ]


def main() -> None:
    """Run until a signal."""
    parser = argparse.ArgumentParser("entrypoint.keeper")
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
