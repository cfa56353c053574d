"""Which errors of Dovecot's are news, and which it has said already.

One trouble makes many lines: at a start each error is written twice, and again at each retry; in a
session each layer adds one of its own about the same cause; a delivery that fails fails again.
What was said stays at its level, repetitions go to `debug`, for an hour. It must not know how the
lines get here. Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

_SECONDS = 3600.0
_MOST_TEXTS, _MOST_SESSIONS, _MOST_CAUSES = 1_000, 200, 20

# `lmtp(alice@example.org)<63><id>: text`
_SESSION = re.compile(r"([a-z0-9-]+\([^()<>\s]*\))(<\d+><[^<>\s]*>): ")
# What differs from one time to the next: the message, and the name of a Maildir's file.
_OF_ONE_TIME = re.compile(
    r"\bmsgid=(?:[0-9a-f]{8}|-) from=<[^<>\s]*> |: message-id=.*\Z|\b\d{9,}\.M\d+P\d+\.[^\s/)]*",
    re.DOTALL,
)
# `… failed: Permission denied (euid=… missing +x perm: PATH, …)`: the same for each thing tried.
_CAUSE = re.compile(r" failed: ([^(]*\(.*\))")
# Who passes on what another layer has said.
_LAYER = re.compile(r"(?:Mailbox .*?|sieve|maildir): ")
_ABORTED = re.compile(r"sieve: Execution of script '.*' was aborted due to temporary failure")


class RepeatedErrors:
    """clock: seconds that only go on, for all processes alike."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said: OrderedDict[str, float] = OrderedDict()
        self._sessions: OrderedDict[str, dict[str, float]] = OrderedDict()

    def level(self, level: str, message: str) -> str:
        """The level at which a line is written."""
        if level not in {"warning", "error"}:
            return level
        session = _SESSION.match(message)
        who, text = ("", message) if session is None else (session[1], message[session.end() :])
        text = _OF_ONE_TIME.sub("", text)
        # Asked in any case: both remember.
        again = self._in_session(session[2], text) if session is not None else False
        return "debug" if self._lately(f"{who} {text}") or again else level

    def _lately(self, key: str) -> bool:
        now = self._clock()
        if now - self._said.get(key, float("-inf")) < _SECONDS:
            return True
        self._said[key] = now
        self._said.move_to_end(key)
        while len(self._said) > _MOST_TEXTS:
            self._said.popitem(last=False)
        return False

    def _in_session(self, session: str, text: str) -> bool:
        """Whether the session has named the cause before."""
        now = self._clock()
        known = self._sessions.setdefault(session, {})
        causes = {cause: at for cause, at in known.items() if now - at < _SECONDS}
        self._sessions[session] = causes
        self._sessions.move_to_end(session)
        while len(self._sessions) > _MOST_SESSIONS:
            self._sessions.popitem(last=False)
        if causes and _ABORTED.match(text):
            return True
        if any(cause in text for cause in causes):
            return True
        if len(causes) < _MOST_CAUSES:
            match = _CAUSE.search(text)
            causes[match[1] if match else _LAYER.sub("", text, count=1)] = now
        return False

    def save(self, path: Path) -> None:
        """For the next process of the same supervisor."""
        with contextlib.suppress(OSError):
            path.write_text(json.dumps({"parent": _parent(), "said": self._said}), "utf-8")

    def load(self, path: Path) -> None:
        """What was saved by one that the same supervisor has started; else nothing."""
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
            found = json.loads(path.read_text("utf-8"))
            if found["parent"] == _parent():
                self._said.update({str(key): float(at) for key, at in found["said"].items()})


def _parent() -> str:
    """Another one has another number, or began at another time (proc(5), starttime)."""
    number = os.getppid()
    status = Path(f"/proc/{number}/stat").read_text("ascii", "replace")
    return f"{number} {status.rpartition(')')[2].split()[19]}"
