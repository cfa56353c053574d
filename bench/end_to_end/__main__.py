"""Measure the whole way of a message, in one container, on the disks that it was given.

    bench/run --end-to-end [--quick]      as `make bench` does

The page goes to standard output, progress to standard error.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import replace

from bench.end_to_end import measure, report, scene
from bench.end_to_end.letters import Post
from bench.end_to_end.stacks import STACKS

MEMORY = "tmpfs"

_start = time.monotonic()


def say(text: str) -> None:
    """One line of progress."""
    print(f"{time.monotonic() - _start:5.0f} s  {text}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser("bench.end_to_end", description=__doc__.splitlines()[0])
    parser.add_argument("--disk", default="disk", help="what queue and mail lie on, for the title")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--messages", type=int, help="of each kind, in each round")
    parser.add_argument("--seconds", type=float, help="at the fixed rate, in each round")
    parser.add_argument(
        "--tcp", action="store_true", help="milters over TCP, as docker-mailserver and Mailu do"
    )
    names = [stack.name for stack in STACKS]
    parser.add_argument("--only", action="append", choices=names, help="these stacks only")
    options = parser.parse_args()
    effort = measure.QUICK if options.quick else measure.Effort()
    effort = replace(
        effort,
        rounds=options.rounds or effort.rounds,
        messages=options.messages or effort.messages,
        seconds=options.seconds or effort.seconds,
        tcp=options.tcp,
    )
    stacks = [stack for stack in STACKS if not options.only or stack.name in options.only]
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    key = scene.prepare()
    with scene.Names(key):
        # Memory is no disk: what is synced there is the same, and so is who waits for a login.
        thorough = options.disk != MEMORY
        found = measure.measure(stacks, Post(key), effort, thorough, say)
    print(report.section(options.disk, load, stacks, effort, found), end="")


if __name__ == "__main__":
    main()
