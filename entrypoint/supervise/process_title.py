"""What `ps` and `docker top` show of this process: its command line, which is memory of its own."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Sequence
from pathlib import Path

_SELF = Path("/proc/self")
# Fields of proc(5)'s stat, counted from the one behind the name.
_ARGUMENTS, _ARGUMENTS_END, _ENVIRONMENT, _ENVIRONMENT_END = 45, 46, 47, 48
# What is longer leaves no room for the words behind it.
_LONGEST_WORD = 50


def title_of(command: Sequence[str]) -> str:
    """The words of a command, long ones cut."""
    return " ".join(
        word if len(word) <= _LONGEST_WORD else f"{word[: _LONGEST_WORD - 3]}..."
        for word in command
    )


def set_title(title: str) -> None:
    """Write it where the arguments stood, cut to the room that there is.

    That is the arguments' and, behind it, the environment's, so nothing may use that any more:
    os.environ has to be filled anew before. Never raises.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        stat = (_SELF / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        begin, end, environment, environment_end = (
            int(stat[field])
            for field in (_ARGUMENTS, _ARGUMENTS_END, _ENVIRONMENT, _ENVIRONMENT_END)
        )
        if end == environment:
            end = environment_end
        shown = (_SELF / "cmdline").read_bytes()
        # Only memory that holds what the kernel says is written to.
        if not shown or ctypes.string_at(begin, len(shown)) != shown:
            return
        room = end - begin
        ctypes.memmove(begin, title.encode("utf-8")[: room - 1].ljust(room, b"\0"), room)
