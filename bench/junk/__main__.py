"""`python -m bench.junk`: train each filter, score what is held out, print a page of Markdown.

It runs in the container of bench/junk/Dockerfile, without a network, which bench/junk/run builds
and starts.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.junk.bogofilter import Bogofilter
from bench.junk.command import Command
from bench.junk.contender import Contender, Cost
from bench.junk.corpus.files import write
from bench.junk.corpus.make import DIGESTS, SEEDS, digest, part_of_corpus
from bench.junk.curve import Scored
from bench.junk.listed import Listed
from bench.junk.public_corpus import write_public
from bench.junk.report import Result, page
from bench.junk.rspamd_server import Rspamd
from bench.stamp import stamp

SINGLE = 60  # messages that are timed one by one


def main(arguments: Sequence[str]) -> int:
    """Measure what the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m bench.junk", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--only", nargs="+", default=["bogofilter", "rspamd", "rspamd-informed"])
    parser.add_argument("--ours", metavar="COMMAND", help="see bench/junk/command.py")
    parser.add_argument("--public", type=Path, metavar="FOLDER", help="the public corpus's package")
    options = parser.parse_args(arguments)
    makers: dict[str, Callable[[], Contender]] = {
        "bogofilter": Bogofilter,
        "rspamd": lambda: Rspamd(informed=False),
        "rspamd-informed": lambda: Rspamd(informed=True),
    }
    contenders: list[Contender] = [makers[name]() for name in options.only]
    if options.ours:
        contenders.append(Command("Signpost", options.ours))
        contenders.append(Command("Signpost", options.ours, informed=False))
    # Where nothing is known but the text, these are no others.
    twins = [Rspamd(informed=True).name, Command("Signpost", "", informed=False).name]
    results = []
    began, line = time.monotonic(), stamp()
    with tempfile.TemporaryDirectory() as folder:
        for seed in options.seeds:
            corpora = {"generated": _generated(Path(folder) / f"generated-{seed}", seed)}
            if options.public:
                target = Path(folder) / f"public-{seed}"
                corpora["public"] = write_public(options.public, target, seed)
            for corpus, (train, test) in corpora.items():
                for contender in contenders:
                    if corpus != "public" or contender.name not in twins:
                        results.append(_measure(contender, corpus, seed, train, test))
    print(page(results, _circumstances(line, time.monotonic() - began)))
    return 0


def _circumstances(line: str, seconds: float) -> str:
    command = os.environ.get("BENCH_COMMAND", "python -m bench.junk")
    return f"By `{command}`: {line} {os.cpu_count()} cores, {seconds / 60:.0f} minutes."


def _generated(folder: Path, seed: int) -> tuple[list[Listed], list[Listed]]:
    train, test = (list(part_of_corpus(seed, part)) for part in ("train", "test"))
    if seed in DIGESTS and digest([*train, *test]) != DIGESTS[seed]:
        raise RuntimeError(f"the corpus of seed {seed} is not the one of the other figures")
    return Listed.read(write(folder, "train", train)), Listed.read(write(folder, "test", test))


def _measure(
    contender: Contender, corpus: str, seed: int, train: list[Listed], test: list[Listed]
) -> Result:
    began = time.monotonic()
    cost: Cost | None = None
    with contender.session():
        contender.train(train)
        scores = contender.score(test)
        if seed == 1:
            # Lessons that are new to it: one that it knows is done at once.
            cost = contender.cost(test[SINGLE : 2 * SINGLE], test[:SINGLE])
    scored = [Scored(one.spam, score, one.kind) for one, score in zip(test, scores, strict=True)]
    spent = time.monotonic() - began
    print(f"{contender.name}, {corpus} {seed}: {spent:.0f} s", file=sys.stderr)
    verdicts = contender.verdicts if isinstance(contender, Command) else None
    return Result(contender.name, corpus, seed, scored, contender.threshold, verdicts, cost)


sys.exit(main(sys.argv[1:]))
