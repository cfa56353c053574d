"""Old mail as lessons: every message of the files that are named, one after another.

Each lesson is on the disk before the next one is read, and none is taken twice; so what is cut off
can be given again.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from entrypoint.junk.account_state import MessageClass
from entrypoint.junk.training_program import TrainingError, TrainingProgram
from entrypoint.junk.training_source import Letter, NoLetter, letters

# What fails so often in a row is not the messages' fault.
_MOST_FAILURES = 3
# A file may hold millions of what is no mail.
_MOST_NAMED = 20


@dataclass
class Training:
    """learned: messages that count now. known: those that did before. left_out: how many others.

    named: why the first of those were left out, a line each.
    failed: why nothing more can be learned; "" if it can.
    """

    learned: int = 0
    known: int = 0
    left_out: int = 0
    named: list[str] = field(default_factory=list)
    failed: str = ""

    def leave_out(self, why: str) -> None:
        """Count one more."""
        self.left_out += 1
        if len(self.named) < _MOST_NAMED:
            self.named.append(why)


def train(
    training: Training,
    home: Path,
    cls: MessageClass,
    files: Iterable[str],
    stdin: BinaryIO,
    progress: Callable[[], None],
) -> None:
    """Learn all; how far it came stands in `training`, however this ends. Raises OSError.

    progress: called after each message.
    """
    failures = 0
    with TrainingProgram(home, cls) as program:
        for name in files:
            for each in letters(name, stdin):
                if isinstance(each, NoLetter):
                    training.leave_out(each.text)
                    continue
                with _uninterrupted():
                    why = _learn(training, program, each)
                failures = failures + 1 if why else 0
                if failures == _MOST_FAILURES:
                    training.failed = why
                    return
                progress()


def _learn(training: Training, program: TrainingProgram, letter: Letter) -> str:
    """Why it could not be learned; "" if it was."""
    try:
        if program.learned(letter.content):
            training.learned += 1
        else:
            training.known += 1
    except TrainingError as error:
        training.leave_out(f"{letter.place}: {error}")
        return str(error)
    return ""


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """A Ctrl+C waits, so that what was learned is counted."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
