"""Runs one program and turns what it prints into the container's log, a line an event.

    python -m entrypoint.logpipe --format text --level info smtpd /usr/sbin/smtpd -dF -f FILE

smtpd writes no time stamps, and prefixes its filters' lines with `NAME:` or `warn: NAME:`.
SIGTERM goes on to the program; its exit status becomes ours, and the cause is kept for
`entrypoint.supervise`.
Standard library only: it is in memory as long as the server runs.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from entrypoint import dovecot_log
from entrypoint.acting import acting_as
from entrypoint.logline import LEVELS, write_log
from entrypoint.probe.quiet_log import QuietLog

CAUSES = Path("/run/signpost")
_LONGEST = 8192  # bytes of one event; what is longer goes on in the next

# smtpd's words for a level, and those of filters.program.
_LEVEL = {
    "debug": "debug",
    "info": "info",
    "warn": "warning",
    "warning": "warning",
    "error": "error",
    "critical": "error",
    "fatal": "error",
}
_PREFIX = re.compile(r"(debug|info|warn|warning|error|critical|fatal): +")
_FILTER = re.compile(r"((?:extra-)?(?:inbound|submission)(?:-\d+)?): +")


def classify(program: str, line: str) -> tuple[str, str, str]:
    """(level, program, message) of a line that smtpd, one of its filters or Dovecot wrote."""
    if program == "dovecot":
        level, message = dovecot_log.classify(line)
        return level, program, message
    level = "info"
    if match := _PREFIX.match(line):
        level, line = _LEVEL[match[1]], line[match.end() :]
    if of_filter := _FILTER.match(line):
        # What a filter writes is its own event; what has no level was not written on purpose
        # (a traceback, the shell), and that is worth a warning.
        program, level, line = of_filter[1], "warning", line[of_filter.end() :]
        if inner := _PREFIX.match(line):
            level, line = _LEVEL[inner[1]], line[inner.end() :]
    return level, program, line


def main() -> None:
    """Run the program until it ends."""
    parser = argparse.ArgumentParser("entrypoint.logpipe")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument("--level", choices=LEVELS, default="info")
    parser.add_argument("--user", help="who runs the program; its group has the same name")
    parser.add_argument("name")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    threshold = LEVELS.index(options.level)

    def emit(level: str, program: str, message: str) -> None:
        if LEVELS.index(level) >= threshold:
            write_log(options.format, level, program, message)

    cause = CAUSES / f"{options.name}.cause"
    cause.unlink(missing_ok=True)
    process = subprocess.Popen(  # noqa: S603 -- the command is the rendered configuration's
        options.command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        user=options.user,
        group=options.user,
        extra_groups=[] if options.user else None,
    )
    stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        # Root without KILL may signal nobody else's process.
        with acting_as(options.user) if options.user else contextlib.nullcontext():
            process.terminate()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    last = ""
    quiet = QuietLog.started()
    assert process.stdout is not None  # noqa: S101 -- PIPE above
    while raw := process.stdout.readline(_LONGEST):
        line = raw.decode("utf-8", "backslashreplace").rstrip("\r\n")
        if line:
            level, program, message = classify(options.name, line)
            if level in {"warning", "error"} or not last:
                last = message
            for each in quiet.sort((level, program, message)):
                emit(*each)
    for each in quiet.rest():
        emit(*each)
    status = process.wait()
    if stopping:
        sys.exit(0)
    how = f"killed by signal {-status}" if status < 0 else f"exited with status {status}"
    told = f"{how}; the last it said: {last}" if last else how
    cause.write_text(told + "\n", "utf-8")
    emit("error", options.name, told)
    sys.exit(status if status > 0 else 1)


if __name__ == "__main__":
    main()
