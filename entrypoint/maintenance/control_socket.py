"""The UNIX socket of the maintenance process: commands ask it to apply what they have written.

It is root's alone (0600). One line of JSON is asked and one is answered, then the connection ends:

    {"request": "ping"}     at once: {"ok": true}. Are you there? For health probes.
    {"request": "apply"}    accounts and aliases: answered when what stands in the files is live, or
                            when it is known that it is not, or not soon, and why
    {"request": "keys"}     the DKIM keys: the same

    {"ok": false, "reasons": ["why it is not live"], "lines": [["warning", "for the person"]]}

What could not go live is tried again without being asked for. This is who asks; `control_server`
answers. Standard library only here and no asyncio, so that a command is quick.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from entrypoint.paths import MAINTENANCE_SOCKET

SOCKET = MAINTENANCE_SOCKET
Request = Literal["ping", "apply", "keys"]
# The server answers within these seconds, in whatever state things are.
ANSWERED_WITHIN = 10.0
# supervisor starts the process again, which takes about a second.
_STARTS_WITHIN = 5.0
_LONGEST = 1 << 20  # bytes of a line


@dataclass(frozen=True)
class Outcome:
    """ok: is it live? reasons: why it is not. lines: level and text, as in the log."""

    ok: bool = True
    reasons: tuple[str, ...] = ()
    lines: tuple[tuple[str, str], ...] = ()


def ask(request: Request, path: Path = SOCKET, starts_within: float = _STARTS_WITHIN) -> Outcome:
    """What the maintenance process answers; never later than its deadline, and nothing is raised.

    starts_within: how long a process that is not there is given to be started.
    """
    end = time.monotonic() + starts_within
    while True:
        try:
            return _answer(request, path)
        except TimeoutError:
            return Outcome(False, ("the maintenance process does not answer",))
        except (OSError, ValueError) as error:
            if time.monotonic() > end:
                why = (isinstance(error, OSError) and error.strerror) or error
                return Outcome(False, (f"the maintenance process cannot be asked ({why})",))
            time.sleep(0.05)


def _answer(request: Request, path: Path) -> Outcome:
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as link:
        link.settimeout(ANSWERED_WITHIN + 2)
        link.connect(str(path))
        link.sendall(json.dumps({"request": request}).encode("ascii") + b"\n")
        with link.makefile("rb") as answers:
            content = json.loads(answers.readline(_LONGEST))
    lines = tuple((str(level), str(text)) for level, text in content["lines"])
    return Outcome(bool(content["ok"]), tuple(map(str, content["reasons"])), lines)
