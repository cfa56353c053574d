"""A line of the journal, or of the container's log in either form → an event."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import NamedTuple

from entrypoint.log_fields.of_line import fields_of

# `docker compose logs` writes the service's name in front.
_TEXT = re.compile(
    r"(?:\S+ +\| )?(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}) "
    r"(?P<level>debug|info|warning|error) (?P<program>[\w-]+): (?P<message>.*)"
)
_PREFIX = re.compile(r"\S+ +\| (?=\{)")
_OUTER = frozenset({"time", "level", "program", "message"})
_LONGEST = 65_536  # characters: no program of ours writes more


class LoggedEvent(NamedTuple):
    """time: as it was written. fields: `event` is always among them."""

    time: str
    program: str
    fields: dict[str, str]

    @property
    def moment(self) -> float:
        """The time as seconds; 0 of what is no time."""
        try:
            return datetime.fromisoformat(self.time).timestamp()
        except ValueError:
            return 0.0

    def of(self, name: str) -> str:
        """A field, "" where there is none."""
        return self.fields.get(name, "")


def read_event(line: str) -> LoggedEvent | None:
    """None of a line of another form, of one that is torn, and of what says nothing of mail."""
    line = line.strip("\r\n")
    if len(line) > _LONGEST:
        return None
    if prefix := _PREFIX.match(line):
        line = line[prefix.end() :]
    if line.startswith("{"):
        return _of_object(line)
    match = _TEXT.fullmatch(line)
    if match is None:
        return None
    return _event(match["time"], match["program"], fields_of(match["program"], match["message"]))


def _of_object(line: str) -> LoggedEvent | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
        return None
    fields = {name: value for name, value in found.items() if name not in _OUTER}
    if "event" not in fields:
        fields = fields_of(found.get("program", ""), found.get("message", ""))
    return _event(found.get("time", ""), found.get("program", ""), fields)


def _event(time: str, program: str, fields: dict[str, str]) -> LoggedEvent | None:
    if not fields.get("event"):
        return None
    return LoggedEvent(time, program, fields)
