"""Build, measure, print the page: `python -m bench.test_target [--quick] [--name PREFIX]`.

Progress goes to standard error. What it starts has the prefix in its name and is removed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.test_target import measures
from bench.test_target.api import Api, is_ready
from bench.test_target.containers import Container, docker, running
from bench.test_target.report import Results, Rival, page
from bench.test_target.smtp import SmtpConnection, send
from bench.versions import processor

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
_start = time.monotonic()


@dataclass(frozen=True)
class Effort:
    """seconds: of the steady load. round_: of one round beside the others."""

    starts: int = 3
    rounds: int = 3
    round_: float = 8.0
    seconds: float = 60.0
    messages: int = 100_000
    waits: int = 100


QUICK = Effort(starts=1, rounds=1, round_=3.0, seconds=10.0, messages=5_000, waits=20)


def say(text: str) -> None:
    """One line of progress."""
    print(f"{time.monotonic() - _start:5.0f} s  {text}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser("bench.test_target", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="shorter and rougher")
    parser.add_argument("--name", default="signpost-bench", help="prefix of all that is made")
    options = parser.parse_args()
    effort, name = QUICK if options.quick else Effort(), options.name
    commit = _commit()
    _build(name)
    begin = time.monotonic()
    mail = measures.prepare_mail()
    say("starts")
    ready = []
    for _ in range(effort.starts):
        with target(name) as one:
            ready.append(one.ready)
    rivals = _beside(name, mail, effort)
    with target(name) as one:
        say(f"{measures.RATE} messages a second for {effort.seconds:g} s")
        steady = measures.steady(one, mail, effort.seconds)
        say("who waits")
        waits = measures.wait_times(one, effort.waits)
        say(f"{measures.RUNS} runs at once")
        runs = measures.parallel_runs(one)
    with filled(name, effort.messages) as one:
        say("list and searches")
        store = measures.full_store(one)
    facts = [
        ("date", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("command", f"`{os.environ.get('BENCH_COMMAND', 'python -m bench.test_target')}`"),
        ("commit", commit),
        ("took", f"{time.monotonic() - begin:.0f} s, and the images {begin - _start:.0f} s"),
        ("processor", processor()),
        ("where", "containers beside each other; clients on the same machine, by published ports"),
    ]
    print(page(facts, Results(ready, rivals, steady, waits, runs, store)), end="")


def _build(name: str) -> None:
    say("images")
    quiet = ("build", "--quiet", "--tag")
    docker(*quiet, f"{name}:base", str(ROOT))
    target_file = str(HERE / "target.Dockerfile")
    base = f"SIGNPOST={name}:base"
    docker(
        *(*quiet, f"{name}:target", "--file", target_file, "--build-arg", base),
        str(HERE.parent),
    )
    docker(*quiet, f"{name}:peers", "--file", str(HERE / "peers.Dockerfile"), str(HERE))


@contextmanager
def target(name: str, *more: str) -> Iterator[Container]:
    """The image, as `docker run -e MODE=test` starts it."""
    with running(
        *(f"{name}-target", f"{name}:target", ["--env=MODE=test", *more], (1025, 8025)),
        lambda ports: is_ready(ports[8025]),
    ) as container:
        yield container


@contextmanager
def filled(name: str, count: int) -> Iterator[Container]:
    """One that has so many messages. They are written before its start: it takes less time."""
    volume = f"{name}-store"
    mounted = f"--volume={volume}:/data"
    docker("volume", "create", volume)
    try:
        with target(name, mounted) as one:
            docker("stop", one.name)
        say(f"{count} messages")
        docker(
            *("run", "--rm", "--name", f"{name}-fill", mounted, "--entrypoint"),
            *("/opt/signpost/bin/python", f"{name}:target", "-m", "bench.test_target.fill"),
            *("/data/test/messages.sqlite", str(count)),
        )
        with target(name, mounted) as one:
            yield one
    finally:
        subprocess.run(["docker", "volume", "rm", "--force", volume], capture_output=True)


def _beside(name: str, mail: measures.Signed, effort: Effort) -> list[Rival]:
    """By turns, so that what else the machine does hits all of them."""
    with ExitStack() as stack:
        ours = stack.enter_context(target(name))
        Api(ours.ports[8025]).ask("PUT", "/api/v1/dns", mail.zone)
        others = {
            "MailDev 3.0.0": ("maildev", ["maildev", "--smtp", "1025", "--ip", "0.0.0.0"]),
            "aiosmtpd 1.4.6": ("aiosmtpd", ["python", "/peers/aiosmtpd_sink.py"]),
        }
        containers = {"Signpost, with verdicts": ours}
        for title, (short, command) in others.items():
            image = f"{name}:peers"
            containers[title] = stack.enter_context(
                running(f"{name}-{short}", image, ["--init"], (1025,), _greets, command)
            )
        rates: dict[str, list[float]] = {title: [] for title in containers}
        used = dict.fromkeys(containers, 0.0)
        sent = dict.fromkeys(containers, 0)
        for _ in range(effort.rounds):
            for title, one in containers.items():
                say(f"as fast as it goes: {title}")
                before = one.cpu()
                result = send(
                    *(one.ports[1025], mail.endless()),
                    connections=measures.CONNECTIONS,
                    seconds=effort.round_,
                )
                used[title] += one.cpu() - before
                sent[title] += len(result.times)
                rates[title].append(result.rate)
        return [
            Rival(title, rates[title], one.ready, one.pss(), used[title] / sent[title])
            for title, one in containers.items()
        ]


def _greets(ports: dict[int, int]) -> bool:
    try:
        SmtpConnection(ports[1025]).close()
    except OSError:
        return False
    return True


def _commit() -> str:
    result = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True
    )
    return result.stdout.strip() or "unknown"


if __name__ == "__main__":
    main()
