"""Whose password counts no longer keeps no mailbox open: IMAP, POP3 and ManageSieve.

Dovecot asks for the password once, and a session may last for weeks. Those of an account end when
one of its passwords is gone, whichever they came with: Dovecot does not know which that was, and
a mail program that may still log in does so by itself.

`doveadm kick` cannot do it here: Dovecot's anvil is root without the right to signal the processes
of vmail, and as vmail it dies of an assertion (2.4.1). It knows them, though, and whoever acts as
vmail may end them. SIGTERM lets a session say BYE; what a client was told is stored stays so.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import TypeAdapter

from entrypoint.files import acting_as, write_file
from entrypoint.json_model import read_json
from entrypoint.paths import LOGINS, RUN
from entrypoint.processes import in_child, run_program
from entrypoint.render import RenderedFile
from filters.credentials import LoginTable

_NAME = "sessions-to-end.json"
_LOGINS = TypeAdapter(set[str])
_OWNER = "vmail"
# By the names of Dovecot's services, which are those of their processes, too. LMTP is none of them:
# it brings mail.
_SERVICES = ("imap", "pop3", "managesieve")
# Whose password was looked at just before it changed is not in Dovecot's list yet.
_STRAGGLERS = 0.5  # seconds
_EVERY = 0.1  # seconds
_TIMEOUT = 10.0  # seconds
_DOVEADM_SECONDS = 10.0
_TIMED_OUT = 137  # timeout(1) with --signal KILL: 128 + 9


@dataclass(frozen=True)
class OpenSession:
    """An open session: whose it is, and the process that serves it and nobody else."""

    login: str
    service: str
    process: int


class SessionsToEnd:
    """What is to end outlasts whoever notes it: the next one ends it. root: who runs this.

    look: the sessions that are open. terminate: ends some.
    """

    def __init__(
        self,
        run: Path = RUN,
        root: str = "root",
        look: Callable[[], Awaitable[Sequence[OpenSession]]] | None = None,
        terminate: Callable[[Collection[OpenSession]], Awaitable[None]] | None = None,
    ) -> None:
        self._run, self._path, self._root = run, run / _NAME, root
        self._look, self._terminate = look or open_sessions, terminate or end_sessions

    def note(self, files: Collection[RenderedFile]) -> None:
        """Note who loses a password with these files, before they are written. Raises OSError."""
        rendered = {file.path: file.content for file in files}
        if RUN / "dovecot/users" not in rendered:  # ENABLE_IMAP=no
            return
        pending = self.pending()
        if losers := losing(_text(self._run / LOGINS), rendered[RUN / LOGINS]) - pending:
            content = json.dumps(sorted(pending | losers)).encode("ascii")
            write_file(self._path, content, self._root, self._root, 0o600)

    async def end(self) -> dict[str, int]:
        """End the sessions of all who were noted; how many, by the logins that had any.

        Raises OSError where some are still open, or TimeoutError where Dovecot does not answer;
        then they are ended the next time.
        """
        pending = self.pending()
        if not pending:
            return {}
        ended: set[OpenSession] = set()
        begin = time.monotonic()
        while time.monotonic() - begin < _STRAGGLERS:
            if found := await self._of(pending) - ended:
                await self._terminate(found)
                ended |= found
            await asyncio.sleep(_EVERY)
        # Who came since has logged in with what counts.
        while left := await self._of(pending) & ended:
            if time.monotonic() - begin > _TIMEOUT:
                names = ", ".join(sorted(f"{each.login} ({each.service})" for each in left))
                raise OSError(f"open sessions do not end: {names}")
            await asyncio.sleep(_EVERY)
        self._path.unlink(missing_ok=True)
        return dict(Counter(each.login for each in ended))

    async def _of(self, logins: Collection[str]) -> set[OpenSession]:
        return {session for session in await self._look() if session.login in logins}

    def pending(self) -> set[str]:
        """The logins whose sessions are to end. Raises OSError."""
        try:
            return read_json(_LOGINS, self._path.read_text("ascii"))
        except FileNotFoundError:
            return set()
        except ValueError as error:
            raise OSError(f"{self._path}: {error}") from None


def forget_sessions(run: Path = RUN) -> None:
    """Dovecot is about to start, and nobody has a session."""
    (run / _NAME).unlink(missing_ok=True)


def losing(before: str, after: str) -> set[str]:
    """The logins that have a password in the table before and no longer in the one after."""
    old, new = LoginTable.from_json(before).logins, LoginTable.from_json(after).logins
    return {
        login.decode()
        for login, passwords in old.items()
        if {each.hash for each in passwords} - {each.hash for each in new.get(login, ())}
    }


async def open_sessions() -> list[OpenSession]:
    """The sessions that Dovecot knows. Raises OSError or TimeoutError."""
    # It ends by itself where Dovecot does not answer: without CAP_KILL nobody but vmail, whose its
    # socket is, may end it.
    bounded = ["timeout", "--signal", "KILL", f"{_DOVEADM_SECONDS:g}"]
    command = [*bounded, "doveadm", "-f", "tab", "who", "-1"]
    done = await run_program(command, _DOVEADM_SECONDS + 1, user=_OWNER)
    if done.status in (_TIMED_OUT, -signal.SIGKILL):
        raise TimeoutError
    if done.status:
        said = " ".join(done.errors.decode("utf-8", "backslashreplace").split())
        raise OSError(f"Dovecot does not say whose sessions are open: {said}")
    lines = done.output.decode("utf-8", "backslashreplace").splitlines()
    heads, *rows = [line.split("\t") for line in lines] or [[]]
    found = (dict(zip(heads, row, strict=True)) for row in rows)
    return [
        OpenSession(each["username"].lower(), each["service"], int(each["pid"]))
        for each in found
        if each["service"] in _SERVICES
    ]


async def end_sessions(sessions: Collection[OpenSession]) -> None:
    """Ask their processes to end, in a process that acts as their owner. Raises OSError."""
    await in_child(partial(_end, sessions), _TIMEOUT)


def _end(sessions: Collection[OpenSession]) -> None:
    for session in sessions:
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            name = Path(f"/proc/{session.process}/comm").read_text("ascii").strip()
            # Unless it has ended, and another has its number.
            if name == session.service:
                with acting_as(_OWNER):
                    os.kill(session.process, signal.SIGTERM)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:  # nothing runs yet
        return '{"logins": {}}'
