"""The target process: what a test target is besides smtpd and Dovecot.

python -m entrypoint.test_target /run/signpost/target.json
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from entrypoint.test_target.process import TargetProcess
from entrypoint.test_target.settings import TargetSettings, read_settings
from entrypoint.test_target.store.schema import StoreVersionError
from filters.program import refuse_to_start, start_logging


def main(arguments: Sequence[str] | None = None) -> None:
    """Run it until SIGTERM; exit 2 with the error where it cannot."""
    start_logging()
    # Its own lines at start and end are no events of ours.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    parser = argparse.ArgumentParser("entrypoint.test_target")
    parser.add_argument("settings", type=Path, help="how it is to run (JSON)")
    options = parser.parse_args(arguments)
    try:
        settings = read_settings(options.settings)
    except (OSError, ValueError) as error:
        refuse_to_start([f"{options.settings}: {error}"])
    try:
        asyncio.run(_run(settings))
    except (OSError, ValueError, StoreVersionError, sqlite3.Error) as error:
        refuse_to_start([str(error)])


async def _run(settings: TargetSettings) -> None:
    await TargetProcess(settings).run()


if __name__ == "__main__":
    main()
