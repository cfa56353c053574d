"""Bare bogofilter: Debian's program and its defaults."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.junk.contender import Cost
from bench.junk.listed import Listed


def run_alone(command: Sequence[str]) -> tuple[float, int]:
    """Run a program; how long it took, and the most memory that it had."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return time.perf_counter() - began, usage.ru_maxrss * 1024


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
