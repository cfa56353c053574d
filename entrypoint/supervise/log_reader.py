"""What a program prints → events of the log, as many at a time as it has written.

A line of its own is an event at once. It must not know where the events go.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import BufferedIOBase
from typing import TYPE_CHECKING

from entrypoint.probe.quiet_log import QuietLog
from entrypoint.supervise import dovecot_log, smtpd_log
from entrypoint.supervise.denied_mail import denied, note_denied
from entrypoint.text import counted

if TYPE_CHECKING:
    from entrypoint.log_line import Event
    from entrypoint.supervise.repeated_errors import RepeatedErrors

LONGEST = 8192  # bytes of one event; what is longer goes on in the next, which is so marked
CONTINUED = "(continued) "
_AT_A_TIME = 65_536  # bytes
_READ_WITHIN = 2.0  # what it wrote last


def classify(program: str, line: str) -> tuple[str, str, str]:
    """(level, program, message) of a line that the program wrote."""
    if program == "dovecot":
        level, message = dovecot_log.classify(line)
        return level, program, message
    return smtpd_log.classify(program, line)


class LogReader:
    """Has logged what the program writes, and remembers what may be the cause of its end."""

    def __init__(
        self,
        name: str,
        output: BufferedIOBase,
        write: Callable[[Sequence[Event]], None],
        repeated: RepeatedErrors | None = None,
        dropped: re.Pattern[str] | None = None,
    ) -> None:
        """repeated: what was said before, of a program whose errors are many for one cause.

        dropped: which whole messages say nothing, if any do.
        """
        self._dropped = dropped
        self.last = ""
        self._repeated = repeated
        self._name, self._output, self._write = name, output, write
        self._quiet = QuietLog(None)
        # Level and program of a line that has not ended yet. What comes of it is not looked at:
        # its writer may have had a stranger choose where the piece begins.
        self._goes_on: tuple[str, str] | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait until all is read, or nobody knows who might still write."""
        self._thread.join(_READ_WITHIN)

    def _read(self) -> None:
        self._quiet = QuietLog.started()
        for lines in in_lines(iter(lambda: self._output.read1(_AT_A_TIME), b"")):
            try:
                events = [event for raw in lines for event in self._events(raw)]
                if events:
                    self._write(events)
            except Exception as error:  # a fault of ours: who writes would wait for us for ever
                text = f"{counted(len(lines), 'line')} cannot be logged: {type(error).__name__}"
                self._write([("error", self._name, text)])
                self._goes_on = None if lines[-1].endswith(b"\n") else ("error", self._name)
        if rest := self._quiet.rest():
            self._write(rest)

    def _events(self, raw: bytes) -> Iterable[Event]:
        """What is to be logged for a line, or for a part of one that does not fit."""
        line = raw.decode("utf-8", "backslashreplace").rstrip("\r\n")
        if self._goes_on is not None:
            level, program = self._goes_on
            found = [(level, program, f"{CONTINUED}{line}")] if line else []
        else:
            level, program, message = classify(self._name, line)
            if self._name == "dovecot" and (account := denied(line)):
                note_denied(account)
            found = []
            if line and not (self._dropped and self._dropped.fullmatch(message)):
                self._note(level, message)
                if self._repeated is not None:
                    level = self._repeated.level(level, message)
                found = self._quiet.sort((level, program, message))
        self._goes_on = None if raw.endswith(b"\n") else (level, program)
        return found

    def _note(self, level: str, message: str) -> None:
        if level in {"warning", "error"} or not self.last:
            self.last = message


def in_lines(parts: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The lines that end in each part, with their ends; a piece of `LONGEST` bytes stands for one
    that is longer. What has no end comes last.
    """
    rest = b""
    for part in parts:
        rest += part
        found, begin = [], 0
        while True:
            end = rest.find(b"\n", begin, begin + LONGEST) + 1
            if not end:
                end = begin + LONGEST
                if end > len(rest):
                    break
            found.append(rest[begin:end])
            begin = end
        rest = rest[begin:]
        yield found
    if rest:
        yield [rest]
