"""python -m tests.soak: see `make soak`."""

from __future__ import annotations

import argparse
import secrets
import signal
import sys
from pathlib import Path
from types import FrameType

from ..container.harness.world import World
from .scenario import Run
from .table import markdown

# What follows the last fault is bounded, too: what is left to send, the queue, the comparison.
AFTERWARDS = 20 * 60


def main() -> int:
    """0 where nothing is wrong."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--minutes", type=float, default=60, help="begin no fault after these")
    parser.add_argument("--short", action="store_true", help="each fault once, and briefly")
    parser.add_argument("--output", type=Path, help="write the table into this file, too")
    given = parser.parse_args()
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(int(given.minutes * 60) + AFTERWARDS)
    print(f"{given.messages:,} messages, seed {seed}", flush=True)
    try:
        with World() as world:
            world.build_image()
            run = Run(world, "soak" + secrets.token_hex(3), given.messages, seed, short=given.short)
            report = run.carry_out(given.minutes * 60)
    except KeyboardInterrupt:
        print("interrupted: all that was started is gone", file=sys.stderr)
        return 130
    table = markdown(report)
    print(table)
    if given.output:
        given.output.write_text(table)
    return 1 if report.problems() else 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _too_long(number: int, frame: FrameType | None) -> None:
    raise TimeoutError("the soak takes longer than it may")


if __name__ == "__main__":
    sys.exit(main())
