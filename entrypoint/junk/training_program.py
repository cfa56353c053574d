"""Learns one old message after another: `python -m entrypoint.junk.training_program HOME CLASS`.

A program of its own, as vmail: who reads the files that are learned from may be root, and what
takes messages apart is not. Standard input has messages, each behind its length in 8 octets; after
each comes a line: `learned`, `known`, or `failed` and why.
"""

from __future__ import annotations

import contextlib
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO, Self

from entrypoint.disks import VMAIL, explained
from entrypoint.files import is_at
from entrypoint.junk.account_state import MessageClass, StateError
from entrypoint.junk.lessons import teach
from entrypoint.junk.moves import TRAINED
from entrypoint.junk.words import WordsError
from entrypoint.text import printable

_LENGTH = struct.Struct(">Q")
# The lesson that is being taken, when no more are to come.
_ENDED_WITHIN = 30.0  # seconds
_ANOTHERS = "it was removed since this began, and may be another account's by now"
_FOLDER = "/"  # where modules of the same names are not found


class TrainingError(Exception):
    """A message could not be learned; where, why and the cure."""


class TrainingProgram:
    """The program, started; to be left with `with`. A Ctrl-C on the terminal does not reach it."""

    def __init__(self, home: Path, cls: MessageClass) -> None:
        """Raises OSError."""
        user = VMAIL if os.geteuid() == 0 else None
        # What is open keeps its number: a home that is made anew has another one.
        self._home, self._begun = home, os.open(home, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._process = subprocess.Popen(  # noqa: S603 -- ours
            [sys.executable, "-m", "entrypoint.junk.training_program", str(home), cls],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
            cwd=_FOLDER,
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._begun)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # it has ended, with something in our buffer
                    stream.close()
        try:
            self._process.wait(_ENDED_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def learned(self, message: bytes) -> bool:
        """Have it learned; False where it was before. Raises TrainingError."""
        asked, answers = self._process.stdin, self._process.stdout
        assert asked is not None  # noqa: S101 -- PIPE above
        assert answers is not None  # noqa: S101
        if not is_at(self._home, self._begun):
            raise TrainingError(f"{self._home}: {_ANOTHERS}")
        try:
            asked.write(_LENGTH.pack(len(message)))
            asked.write(message)
            asked.flush()
        except BrokenPipeError:
            pass
        word, _, why = answers.readline().decode("utf-8", "replace").strip().partition(" ")
        if word not in ("learned", "known"):
            raise TrainingError(why or "the program that learns has ended")
        return word == "learned"


def _answer(home: Path, cls: MessageClass, message: bytes) -> str:
    try:
        return "learned" if teach(home, message, cls, TRAINED) else "known"
    except (StateError, WordsError) as error:
        return f"failed {printable(str(error))}"
    except OSError as error:
        return f"failed {explained(error)}"


def _serve(home: Path, cls: MessageClass, asked: BinaryIO, answers: BinaryIO) -> None:
    while len(head := asked.read(_LENGTH.size)) == _LENGTH.size:
        (length,) = _LENGTH.unpack(head)
        message = asked.read(length)
        if len(message) < length:  # who asks was killed in the middle
            return
        answers.write(_answer(home, cls, message).encode() + b"\n")
        answers.flush()


def main() -> None:
    """Learn until the end of standard input."""
    home, cls = sys.argv[1:]
    assert cls in ("spam", "ham")  # noqa: S101 -- by TrainingProgram
    try:
        _serve(Path(home), cls, sys.stdin.buffer, sys.stdout.buffer)  # type: ignore[arg-type]
    except BrokenPipeError:  # nobody waits for the answer any more
        os._exit(0)


if __name__ == "__main__":
    main()
