"""Run the measurements that were asked for, inside the container; the page goes to stdout.

Progress goes to standard error, a line at a time.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from bench import dns_stub, known_results, latency, mailboxes, memory, throughput
from bench.listeners import ALL, DKIMSIGN, SIGN_RSA, VERIFY
from bench.load import LOADS, Load
from bench.report import results
from bench.stamp import stamp, stamped
from bench.testbed import PLAIN, SIGNED, name_server, prepare
from bench.throughput import GROUPS, Group, Plan
from bench.versions import processor, versions

AS_DEBIAN = "Throughput, with smtpd as Debian starts it"
AS_IMAGE = (
    "Throughput, with smtpd as the image starts it (libevent's list of changes; open_files.so)"
)
MAILBOXES = "mailboxes"
DNS = "dns"
# What --only can name beside filters, and the others.
SUBJECTS = (MAILBOXES, DNS)
PARTS = ("throughput", "stuck", "memory", *SUBJECTS)
# Large messages at once, and messages that are stuck.
AT_ONCE = 40
STUCK = 1_000
CYCLES = 5
DNS_ROUNDS = 3  # its ratios are far from one
# The loads that have targets; --load names others.
DECIDING = ("4k-10",)

_start = time.monotonic()


def say(text: str) -> None:
    """One line of progress."""
    print(f"{time.monotonic() - _start:5.0f} s  {text}", file=sys.stderr, flush=True)


def main() -> None:
    options = _options()
    loads = [load for load in LOADS if load.name in (options.load or DECIDING)]
    rounds, seconds = (2, 0.4) if options.quick else (5, 1.0)
    rounds = options.rounds or rounds

    def plan(some: Sequence[Load], *, plain: bool) -> Plan:
        # A message of 10 MB takes a second: fewer rounds.
        each = {load.name: rounds if load.size < 1_000_000 else (rounds + 1) // 2 for load in some}
        return Plan(some, each, options.seconds or seconds, _groups(options.only), plain=plain)

    sizes = {load.size for load in loads} | {memory.SMALL, latency.SIZE, mailboxes.SIZE}
    if "memory" not in options.skip:
        sizes.add(memory.LARGE)
    say("keys, messages, a name server")
    rates, waited, footprints, outcome, resolvers = [], None, [], None, None
    known = ""
    stamps: dict[str, str] = {}
    key = prepare(sorted(sizes))
    with name_server(key):
        if "throughput" not in options.skip:
            say("smtpd as Debian starts it")
            stamps[AS_DEBIAN] = stamp()
            rates.append((AS_DEBIAN, throughput.measure(plan(loads, plain=True), say)))
            say("smtpd as the image starts it")
            stamps[AS_IMAGE] = stamp()
            rates.append((AS_IMAGE, throughput.measure(plan(loads, plain=False), say)))
            if not options.only or VERIFY.name in options.only:
                stamps["known"] = stamp()
                known = known_results.section(
                    known_results.measure(rounds, options.seconds or seconds, say)
                )
        if "stuck" not in options.skip:
            stamps["stuck"] = stamp()
            waited = latency.measure(STUCK, 1 if options.quick else CYCLES, say)
        if "memory" not in options.skip:
            stamps["memory"] = stamp()
            at_once = 4 if options.quick else AT_ONCE
            # The others' memory has no target, and 40 messages take them minutes.
            for listener, mail in ((DKIMSIGN, PLAIN), (SIGN_RSA, PLAIN), (VERIFY, SIGNED)):
                if listener.name not in (options.only or [SIGN_RSA.name, VERIFY.name]):
                    continue
                say(f"memory: {at_once} messages of 25 MB through {listener.title}")
                footprints.append(memory.measure(listener, mail, at_once))
        if DNS not in options.skip:
            stamps[DNS] = stamp()
            lookups = 10 if options.quick else 40
            resolvers = dns_stub.measure(
                key, min(rounds, DNS_ROUNDS), options.seconds or seconds, lookups, say
            )
        if MAILBOXES not in options.skip:
            stamps[MAILBOXES] = stamp()
            effort = mailboxes.QUICK if options.quick else mailboxes.Effort()
            outcome = mailboxes.measure(effort, say)
    facts = [
        ("date", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("command", f"`{os.environ.get('BENCH_COMMAND', 'python -m bench')}`"),
        ("commit", os.environ.get("BENCH_COMMIT", "unknown")),
        ("took", f"{time.monotonic() - _start:.0f} s"),
        ("processor", processor()),
        ("where", "one container without a network, all on loopback; smtpd's queue on tmpfs"),
    ]
    print(results(facts, versions(), rates, waited, footprints, resolvers, outcome, stamps), end="")
    if known:
        print(stamped(known, stamps["known"]), end="")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("bench", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    names = [listener.name for listener in ALL]
    parser.add_argument(
        "--only",
        action="append",
        choices=[*names, *SUBJECTS],
        help="these filters only, or the mailboxes, or the look-ups in DNS",
    )
    loads = [load.name for load in LOADS]
    parser.add_argument("--load", action="append", choices=loads, help="these loads only")
    parser.add_argument("--skip", action="append", choices=PARTS, default=[])
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="that one measurement should take")
    options = parser.parse_args()
    if options.only:
        filters = [name for name in options.only if name not in SUBJECTS]
        options.skip += [name for name in SUBJECTS if name not in options.only]
        if not filters:
            options.skip += [part for part in PARTS if part not in SUBJECTS]
        options.only = filters
    return options


def _groups(only: list[str] | None) -> list[Group]:
    groups = []
    for group in GROUPS:
        kept = tuple(listener for listener in group.listeners if not only or listener.name in only)
        if kept:
            groups.append(Group(group.title, group.mail, kept))
    return groups


if __name__ == "__main__":
    main()
