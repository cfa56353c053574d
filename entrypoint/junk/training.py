"""Old mail as lessons: every message of the files that are named, one after another.

Each lesson is on the disk before the next one is read, and none is taken twice; so what is cut off
can be given again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from entrypoint.junk.account_state import MessageClass
from entrypoint.junk.teacher import Teacher, TeachingError
from entrypoint.junk.training_source import NoLetter, letters

# What fails so often in a row is not the messages' fault.
_MOST_FAILURES = 3


@dataclass
class Training:
    """learned: messages that count now. known: those that did before. left_out: why, a line each.

    failed: why nothing more can be learned; "" if it can.
    """

    learned: int = 0
    known: int = 0
    left_out: list[str] = field(default_factory=list)
    failed: str = ""


def train(
    training: Training,
    home: Path,
    cls: MessageClass,
    files: Iterable[str],
    stdin: BinaryIO,
    progress: Callable[[Training], None],
) -> None:
    """Learn all; how far it came stands in `training`, however this ends. Raises OSError."""
    failures = 0
    with Teacher(home, cls) as teacher:
        for name in files:
            for each in letters(name, stdin):
                if isinstance(each, NoLetter):
                    training.left_out.append(each.text)
                    continue
                try:
                    if teacher.learned(each.content):
                        training.learned += 1
                    else:
                        training.known += 1
                except TeachingError as error:
                    training.left_out.append(f"{each.place}: {error}")
                    failures += 1
                    if failures == _MOST_FAILURES:
                        training.failed = str(error)
                        return
                else:
                    failures = 0
                progress(training)
