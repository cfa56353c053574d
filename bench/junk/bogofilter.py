"""Bare bogofilter: Debian's program and its defaults."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.junk.contender import Cost
from bench.junk.listed import Listed

# Linux counts what a process had before its exec as its own peak: a small process has to start it.
_LAUNCH = """
import os, sys, time
began = time.perf_counter()
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
usage = os.wait4(pid, 0)[2]
print(time.perf_counter() - began, usage.ru_maxrss)
"""


def run_alone(command: Sequence[str]) -> tuple[float, int]:
    """Run a program; how long it took, and the most memory that it had, from some 9 MiB up."""
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCH, *command]
    done = subprocess.run(launcher, check=True, stdout=subprocess.PIPE, text=True)
    seconds, kibibytes = done.stdout.split()
    return float(seconds), int(kibibytes) * 1024


class Bogofilter:
    """One database, as an account would have."""

    name = "bogofilter"
    threshold = 0.99  # its spam_cutoff

    def __init__(self) -> None:
        self._folder = Path()

    @contextmanager
    def session(self) -> Iterator[None]:
        with tempfile.TemporaryDirectory() as folder:
            self._folder = Path(folder)
            yield

    def train(self, lessons: Sequence[Listed]) -> None:
        for spam, how in ((True, "-s"), (False, "-n")):
            paths = [str(one.path) for one in lessons if one.spam == spam]
            subprocess.run([*self._program(), how, "-B", *paths], check=True)

    def score(self, messages: Sequence[Listed]) -> list[float]:
        command = [*self._program(), "-TT", "-B", *(str(one.path) for one in messages)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode > 2:  # spam, ham and unsure have a status each
            raise RuntimeError(f"bogofilter: {done.stderr}")
        scores = dict(line.rsplit(" ", 1) for line in done.stdout.splitlines())
        return [float(scores[str(one.path)]) for one in messages]

    def cost(self, lessons: Sequence[Listed], messages: Sequence[Listed]) -> Cost:
        stored = sum(path.stat().st_size for path in self._folder.iterdir())
        verdicts = [run_alone([*self._program(), "-T", "-I", str(one.path)]) for one in messages]
        with tempfile.TemporaryDirectory() as copy:
            shutil.copytree(self._folder, copy, dirs_exist_ok=True)
            taught = [
                run_alone(
                    ["bogofilter", "-d", copy, "-s" if one.spam else "-n", "-I", str(one.path)]
                )
                for one in lessons
            ]
        memory = max(peak for _, peak in (*verdicts, *taught))
        return Cost(
            statistics.median(seconds for seconds, _ in taught),
            statistics.median(seconds for seconds, _ in verdicts),
            memory,
            stored,
        )

    def _program(self) -> list[str]:
        return ["bogofilter", "-d", str(self._folder)]
