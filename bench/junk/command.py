"""A filter behind a command: how Signpost's own takes part, or anybody else's.

`COMMAND train STATE LIST` learns, `COMMAND classify STATE LIST` scores. STATE is a folder, empty
before the training, in which the filter keeps what it likes. LIST is a file with a JSON object a
line, in order of time:

    {"path": "/…/train-0007.eml", "label": "ham", "kind": …, "topic": …, "language": …,
     "facts": {"spf": "pass", "dkim": "none", "dmarc": "fail", "dmarc_policy": "none", …}}

`label`, `kind`, `topic` and `language` are there in training only; a list to classify has `path`
and `facts` (bench/junk/corpus/facts.py names them; empty where nothing else is known).
`classify` prints a line a message, in the order of the list: the score as a number, the higher the
more like spam, and behind a space `junk` or `inbox`, its verdict with its defaults. Standard error
goes to the terminal; a status other than 0 ends the run.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.junk.bogofilter import run_alone
from bench.junk.contender import Cost
from bench.junk.listed import Listed


class Command:
    """The filter behind one command line."""

    threshold = float("nan")  # its verdicts are its own

    def __init__(self, name: str, command: str, *, informed: bool = True) -> None:
        """informed: whether it gets the facts."""
        self.name = name if informed else f"{name}, given the text alone"
        self._informed = informed
        self._command = shlex.split(command)
        self._folder = Path()
        self.verdicts: list[bool] = []

    @contextmanager
    def session(self) -> Iterator[None]:
        with tempfile.TemporaryDirectory() as folder:
            self._folder = Path(folder)
            (self._folder / "state").mkdir()
            yield

    def train(self, lessons: Sequence[Listed]) -> None:
        subprocess.run(self._line("train", lessons), check=True)

    def score(self, messages: Sequence[Listed]) -> list[float]:
        line = self._line("classify", messages)
        done = subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True)
        pairs = [printed.split() for printed in done.stdout.splitlines()]
        if len(pairs) != len(messages):
            raise RuntimeError(
                f"{self.name}: {len(messages)} messages to classify and {len(pairs)} lines"
            )
        self.verdicts = [verdict == "junk" for _, verdict in pairs]
        return [float(score) for score, _ in pairs]

    def cost(self, lessons: Sequence[Listed], messages: Sequence[Listed]) -> Cost:
        stored = sum(
            path.stat().st_size for path in (self._folder / "state").rglob("*") if path.is_file()
        )
        verdict, judging = self._each("classify", messages)
        lesson, learning = self._each("train", lessons)
        return Cost(lesson, verdict, max(judging, learning), stored)

    def _each(self, verb: str, messages: Sequence[Listed]) -> tuple[float, int]:
        """Seconds for one more message, without the program's start; and the most memory."""
        first, _ = run_alone(self._line(verb, messages[:1]))
        seconds, memory = run_alone(self._line(verb, messages[1:]))
        return max(0.0, seconds - first) / max(1, len(messages) - 2), memory

    def _line(self, verb: str, messages: Sequence[Listed]) -> list[str]:
        listed = self._folder / f"{verb}.jsonl"
        shown = ("path", "facts") if verb == "classify" else None
        with listed.open("w", encoding="utf-8") as lines:
            for one in messages:
                record = json.loads(one.line)
                if not self._informed:
                    record["facts"] = {}
                if shown:
                    record = {name: record[name] for name in shown}
                lines.write(json.dumps(record, ensure_ascii=False) + "\n")
        return [*self._command, verb, str(self._folder / "state"), str(listed)]
