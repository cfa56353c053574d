"""What JUNK_FILTER=yes costs: the image's own server with it and without, by turns.

    bench/junk/run --cost

Deliveries on port 25 with all that is verified, as bench.end_to_end has them, into mailboxes that
have learned from 200 spam and 400 ham; MOVE by IMAP to Junk and back; and memory, when what that
teaches is learned. The page goes to standard output.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Self

from bench.accounts import PASSWORD
from bench.end_to_end import cost, measure, scene
from bench.end_to_end.letters import Post
from bench.end_to_end.outside import OutsideMx
from bench.end_to_end.scene import ADDRESSES, OWNER
from bench.end_to_end.stacks import Signpost
from bench.end_to_end.traffic import INCOMING
from bench.imap import Imap
from bench.junk.corpus.make import part_of_corpus
from bench.markdown import table
from bench.messages import plain
from bench.server import RUN
from bench.stamp import stamp

SEED = 21  # of what is trained with; nobody's figures
WARM_UP, THROUGHPUT, SINGLE = 40, 200, 40
MOVES, MANY, MANY_MOVES = 40, 100, 10
IMAPS = 993
_PROGRAM = "entrypoint.junk"  # which judges and learns
_learned = RUN / "learned"


class Without(Signpost):
    """JUNK_FILTER=no."""

    title = "without"


class With(Signpost):
    """JUNK_FILTER=yes, and every account has learned."""

    title = "with"
    proof = (*Signpost.proof, r"^X-Signpost-Junk: (?:yes|no) score=")

    def __init__(self, tcp: bool) -> None:
        super().__init__(tcp)
        self._server.environment = {**self._server.environment, "JUNK_FILTER": "yes"}

    def __enter__(self) -> Self:
        super().__enter__()
        if not _learned.exists():
            shutil.copytree(self._train(), _learned)
        for home in map(self._home, ADDRESSES):
            shutil.rmtree(home / "junk", ignore_errors=True)
            shutil.copytree(_learned, home / "junk")
            for path in (home / "junk", *(home / "junk").rglob("*")):
                shutil.chown(path, OWNER, OWNER)
        return self

    def _train(self) -> Path:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            folder.chmod(0o755)
            for kind in ("spam", "ham"):
                (folder / kind).mkdir()
            for example in part_of_corpus(SEED, "train"):
                kind = "spam" if example.spam else "ham"
                (folder / kind / f"{example.name}.eml").write_bytes(example.message)
            for kind in ("spam", "ham"):
                train = ["signpost", "junk", "train", ADDRESSES[0], kind, str(folder / kind)]
                subprocess.run(train, check=True, stdout=sys.stderr)
        return self._home(ADDRESSES[0]) / "junk"

    def _home(self, address: str) -> Path:
        return self._server.maildir(address).parent


@dataclass
class Found:
    """A number a round, each the median of its round."""

    throughput: list[float] = field(default_factory=list)  # messages a second, in the mailbox
    delay: list[float] = field(default_factory=list)  # seconds from the dot to the file
    move: list[float] = field(default_factory=list)  # of one message
    move_many: list[float] = field(default_factory=list)  # of all of them
    memory: list[float] = field(default_factory=list)  # bytes: everything
    program: list[float] = field(default_factory=list)  # of that the program that judges and learns


def by_turns(rounds: int, post: Post) -> dict[str, Found]:
    """All rounds, by turns."""
    found = {stack.title: Found() for stack in (Without, With)}
    for number in range(rounds):
        for stack in (Without, With) if number % 2 else (With, Without):
            with stack(tcp=False) as running, OutsideMx():
                one = found[stack.title]
                _deliver(running, post, one)
                cost.wait_for_rest()
                _move(one)
                # What was moved has been learned.
                cost.wait_for_rest()
                memory = cost.memory()
                one.memory.append(sum(memory.values()))
                one.program.append(memory.get(_PROGRAM, 0))
            print(
                f"round {number + 1}/{rounds}, {stack.title}: {one.throughput[-1]:.0f}/s,"
                f" {1e3 * one.delay[-1]:.1f} ms, MOVE {1e3 * one.move[-1]:.1f} and"
                f" {1e3 * one.move_many[-1]:.1f} ms",
                file=sys.stderr,
                flush=True,
            )
    return found


def _deliver(stack: Signpost, post: Post, found: Found) -> None:
    measure.deliver(stack, INCOMING, post.incoming(WARM_UP))
    at_once = measure.Found()
    measure.throughput(stack, INCOMING, post, THROUGHPUT, at_once)
    found.throughput += at_once.arrived
    cost.wait_for_rest()
    delays = []
    for letter in post.incoming(SINGLE):
        sent, files = measure.deliver(stack, INCOMING, [letter])
        delays.append(files[letter.number].at - sent.dots[letter.number])
    found.delay.append(median(delays))


def _move(found: Found) -> None:
    with Imap.as_user(IMAPS, ADDRESSES[-1], PASSWORD) as session:
        session.say("CREATE Many")
        for number in range(MANY + MOVES):
            text = plain(4_096, f"moved{number}@example.net")
            session.say(f"APPEND Many {{{len(text)}}}", text)
        session.say("SELECT Many")
        found.move.append(median(session.timed("MOVE 1 Junk") for _ in range(MOVES)))
        taken = []
        for _ in range(MANY_MOVES):
            session.say("SELECT Many")
            taken.append(session.timed(f"MOVE 1:{MANY} Junk"))
            session.say("SELECT Junk")
            taken.append(session.timed(f"MOVE 1:{MANY} Many"))
        found.move_many.append(median(taken))


def page(found: dict[str, Found], circumstances: str) -> str:
    """A table of medians; a ratio or a difference is that of a round."""
    without, with_it = found["without"], found["with"]
    rows = [
        _row("Delivered, one at a time, ms", without.delay, with_it.delay, 1e3, _more, "30 more"),
        _row("Delivered a second, 10 at once", without.throughput, with_it.throughput, 1, _ratio),
        _row("`MOVE` of 1, ms", without.move, with_it.move, 1e3, _both, "1.3 x, 5 more"),
        _row(
            f"`MOVE` of {MANY}, ms",
            without.move_many,
            with_it.move_many,
            1e3,
            _both,
            "1.3 x, 5 more a message",
        ),
        _row("All processes at rest, MiB (PSS)", without.memory, with_it.memory, 2**-20, _more),
        _row("The program for it, MiB (PSS)", [0.0], with_it.program, 2**-20, _more),
    ]
    head = ["", "without", "with", "of a round", "at most"]
    return f"## JUNK_FILTER=yes\n\n{circumstances}\n\n{table(head, rows)}"


_Compare = Callable[[Sequence[float], Sequence[float], float], str]


def _row(
    what: str,
    without: Sequence[float],
    with_it: Sequence[float],
    unit: float,
    compare: _Compare,
    most: str = "",
) -> list[str]:
    before, after = (f"{median(values) * unit:.1f}" for values in (without, with_it))
    return [what, before, after, compare(without, with_it, unit), most]


def _more(without: Sequence[float], with_it: Sequence[float], unit: float) -> str:
    pairs = zip(without, with_it, strict=False)
    return f"{median((after - before) * unit for before, after in pairs):+.1f}"


def _ratio(without: Sequence[float], with_it: Sequence[float], unit: float) -> str:
    pairs = zip(without, with_it, strict=False)
    return f"{median(after / before for before, after in pairs):.2f} x"


def _both(without: Sequence[float], with_it: Sequence[float], unit: float) -> str:
    return f"{_ratio(without, with_it, unit)}, {_more(without, with_it, unit)}"


def main() -> None:
    parser = argparse.ArgumentParser("bench.junk_filter", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    began, line = time.monotonic(), stamp()
    key = scene.prepare()
    with scene.Names(key):
        found = by_turns(options.rounds, Post(key))
    minutes = (time.monotonic() - began) / 60
    circumstances = (
        f"{line} {os.cpu_count()} cores, {options.rounds} rounds in {minutes:.0f} minutes."
        f" {os.environ.get('BENCH_IMAGE', '')}"
    )
    print(page(found, circumstances.strip()), end="")


if __name__ == "__main__":
    main()
