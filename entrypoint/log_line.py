"""One event → one line of the container's log, as text or JSON.

Standard library only, and without `logging`: each logpipe has it in memory as long as the server
runs. What logs events of its own uses `entrypoint.log`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Literal, NamedTuple

from entrypoint.text import printable

Level = Literal["debug", "info", "warning", "error"]
LEVELS: tuple[Level, ...] = ("debug", "info", "warning", "error")


class LogLine(NamedTuple):
    """What is to be logged, for who decides what there is to say and does not log it himself."""

    level: Level
    text: str


Say = Callable[[LogLine], None]
# Of any program: level, program, message.
Event = tuple[str, str, str]


def log_line(
    form: str,
    level: str,
    program: str,
    message: str,
    now: float | None = None,
    fields: Mapping[str, str] | None = None,
) -> str:
    """`2026-11-25T03:29:27+0000 info smtpd: text`, or a JSON object; without line end.

    Control characters are escaped: a line is one event whoever wrote its text. fields: what the
    text says (entrypoint.log_fields), as further members of the object.
    """
    when = stamp(int(time.time() if now is None else now))
    if form == "json":
        event = {"time": when, "level": level, "program": program, "message": message}
        return json_object({**event, **fields} if fields else event)
    return f"{when} {level} {program}: {printable(message)}"


def json_object(members: Mapping[str, str]) -> str:
    """As `json.dumps` writes it, which takes twice the time. The names need no escapes."""
    written = [f'"{name}": {encode_basestring_ascii(text)}' for name, text in members.items()]
    return f"{{{', '.join(written)}}}"


@lru_cache(maxsize=2)  # the log and the journal are not always in the same second
def stamp(second: int) -> str:
    """A time as the log has it: `2026-11-25T03:29:27+0000`."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(second))
