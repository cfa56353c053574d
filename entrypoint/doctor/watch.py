"""Has the doctor look every now and then (DOCTOR_EVERY), and logs what has changed.

    python -m entrypoint.doctor.watch --every 3600 --format text --level info SETTINGS

Each look is a process of its own, so that this one stays small and nothing in a look can end or
stop it. Standard library only: it is in memory as long as the server runs.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from entrypoint.log import start_logging, write_lines
from entrypoint.log_line import LEVELS, Level, LogLine

log = logging.getLogger(__name__)

# smtpd needs a moment; and what dies five times within a minute ends the container.
_FIRST_AFTER = 15.0  # seconds
_LOOK_WITHIN = 120.0
_LEVEL: Mapping[str, Level] = {
    "ok": "info",
    "skipped": "info",
    "warn": "warning",
    "fail": "error",
}
_QUIET = ("ok", "skipped")  # nothing to tell, unless it was worse before

_Finding = Mapping[str, Any]
_Key = tuple[str, str | None, int]


class LastFindings:
    """Remembers the last look."""

    def __init__(self) -> None:
        self._last: dict[_Key, _Finding] | None = None

    def since_last(self, findings: Sequence[_Finding]) -> Iterator[LogLine]:
        """What is new; of the first look, whatever is not well, and how many checks there were.

        Numbers change from look to look, so they alone are no change.
        """
        now, last = _by_key(findings), self._last
        self._last = now
        before = last or {}
        for key, finding in now.items():
            old = before.get(key)
            if finding["status"] in _QUIET and (old is None or old["status"] in _QUIET):
                continue
            if old is None or _essence(old) != _essence(finding):
                yield LogLine(_LEVEL[finding["status"]], _line(finding))
        for key, old in before.items():
            if key not in now and old["status"] not in _QUIET:
                yield LogLine("info", f"{_name(old)}: no longer checked")
        if last is None:
            count = Counter(finding["status"] for finding in now.values())
            made = len(now) - count["skipped"]
            left_out = f", {count['skipped']} skipped" if count["skipped"] else ""
            yield LogLine("info", f"{count['ok']} of {made} checks are ok{left_out}")


def _by_key(findings: Sequence[_Finding]) -> dict[_Key, _Finding]:
    """By check, domain and place: several ports or addresses come in the same order each time."""
    seen: Counter[tuple[str, str | None]] = Counter()
    found: dict[_Key, _Finding] = {}
    for finding in findings:
        key = finding["check"], finding["domain"]
        found[(*key, seen[key])] = finding
        seen[key] += 1
    return found


def _essence(finding: _Finding) -> tuple[str, str]:
    return finding["status"], re.sub(r"\d+", "0", finding["detail"])


def _name(finding: _Finding) -> str:
    return f"{finding['check']} of {finding['domain']}" if finding["domain"] else finding["check"]


def _line(finding: _Finding) -> str:
    well = {"ok": "recovered: ", "skipped": "skipped: "}.get(finding["status"], "")
    cure = f"; {finding['cure']}" if finding["cure"] else ""
    return f"{_name(finding)}: {well}{finding['detail']}{cure}"


def look(command: Sequence[str]) -> list[_Finding]:
    """The findings that a command prints as JSON. Raises OSError or ValueError."""
    try:
        done = subprocess.run(  # noqa: S603 -- ourselves
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LOOK_WITHIN, check=True
        )
    except subprocess.TimeoutExpired:
        raise OSError(f"no end within {_LOOK_WITHIN:g} s") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode("utf-8", "backslashreplace").strip().splitlines()
        raise OSError(said[-1] if said else f"exit status {error.returncode}") from None
    findings = json.loads(done.stdout)
    if not isinstance(findings, list):
        raise ValueError("no list of findings")
    return findings


def main() -> None:
    """Run until a signal."""
    parser = argparse.ArgumentParser("entrypoint.doctor.watch")
    parser.add_argument("--every", type=float, required=True, metavar="SECONDS")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument("--level", choices=LEVELS, default="info")
    parser.add_argument("settings")
    options = parser.parse_args()
    command = [sys.executable, "-m", "entrypoint.doctor", options.settings]
    start_logging("doctor", options.format, options.level)
    changes = LastFindings()
    time.sleep(_FIRST_AFTER)
    while True:
        begin = time.monotonic()
        try:
            messages = list(changes.since_last(look(command)))
        except (OSError, ValueError, KeyError, TypeError) as error:
            messages = [LogLine("error", f"the doctor failed: {error}")]
        write_lines(log, messages)
        time.sleep(max(1.0, options.every - (time.monotonic() - begin)))


if __name__ == "__main__":
    main()
