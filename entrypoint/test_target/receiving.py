"""What the filter hands over → what is stored, and what a test's faults make of it."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from entrypoint.test_target.dsn import notification
from entrypoint.test_target.fault_table import FaultTable
from entrypoint.test_target.faults import Command, DsnStep, FaultStep, Phase
from entrypoint.test_target.front_session import FrontSession, Sessions
from entrypoint.test_target.messages.received import Extra, ReceivedMessage, TlsSession
from entrypoint.test_target.store.adding import StoreFullError
from entrypoint.test_target.storing import Storing

log = logging.getLogger(__name__)

_MOST_NOTIFICATIONS = 10_000  # that wait for their time
_CLOSING = "421 4.3.2 the connection ends here, as the test wants it"


class Receiving:
    """sessions: those of the front; refused: called for each refused message.

    backend, front: the ports of smtpd's listener behind the front, and of the front.
    """

    def __init__(
        self,
        storing: Storing,
        faults: FaultTable,
        sessions: Sessions,
        refused: Callable[[], None],
        *,
        hostname: str,
        backend: int,
        front: int,
    ) -> None:
        self._storing = storing
        self._faults = faults
        self._sessions = sessions
        self._refused = refused
        self._hostname = hostname
        self._backend, self._front = backend, front
        self._notifications: set[asyncio.Task[None]] = set()

    async def answer(self, header: dict[str, Any], body: bytes) -> Mapping[str, Any] | None:
        """What the filter is told; None where it does not wait."""
        if "message" in header:
            return await self._message(header, body)
        if "command" in header:
            return self._command(header)
        if "refused" in header:
            self._refused()
        return None

    def close(self) -> None:
        """Notifications that wait are not sent any more."""
        for task in self._notifications:
            task.cancel()

    # -- commands ----------------------------------------------------------------------------

    def _command(self, header: dict[str, Any]) -> Mapping[str, Any]:
        step = self._step(header["command"], header)
        if step is None:
            return {}
        session = self._front_session(header)
        if step.disconnect and session is not None:
            if header["command"] == "data":
                session.cuts_data = True
                return {"delay": step.delay}
            session.cut_after(step.delay)
        return {"delay": step.delay, "reply": step.reply, "disconnect": step.disconnect}

    def _front_session(self, header: dict[str, Any]) -> FrontSession | None:
        if header["listener"] != self._backend:
            return None
        return self._sessions.get((header["client"], header["port"]))

    def _step(self, phase: str, header: dict[str, Any]) -> FaultStep | None:
        if not self._faults.present:
            return None
        command = Command(
            phase=cast(Phase, phase),
            client=header["client"],
            login=header["login"],
            sender=header["sender"],
            recipients=tuple(header["recipients"]),
            runs=frozenset(header["runs"]),
        )
        return self._faults.step_for(command, time.monotonic())

    # -- messages ----------------------------------------------------------------------------

    async def _message(self, header: dict[str, Any], body: bytes) -> Mapping[str, Any]:
        session = self._front_session(header)
        step = self._step("message", header)
        if step is not None:
            await asyncio.sleep(step.delay)
            if step.reply is not None:
                return self._refuse(step.reply)
            if step.disconnect:
                if session is not None:
                    session.cut()
                return self._refuse(_CLOSING)
        raw, head = body[: header["message"]], body[header["message"] :]
        received = datetime.now(UTC)
        stamped = head + raw if header["below"] else head
        message = ReceivedMessage(
            raw, self._extra(header, received), delivered=stamped, junk=header["junk"]
        )
        try:
            identity = await self._storing.store(message)
        except StoreFullError as error:
            return self._refuse(f"452 4.3.1 {error}")
        except sqlite3.Error as error:
            log.error("a message cannot be stored: %s", error)
            return self._refuse("451 4.3.0 the message cannot be stored, please try again later")
        if isinstance(step, DsnStep) and header["sender"]:
            self._notify(step, header, raw)
        return await self._accepted(identity, header)

    async def _accepted(self, identity: str, header: dict[str, Any]) -> Mapping[str, Any]:
        """It is stored; what becomes of the reply."""
        step = self._step("accepted", header)
        if step is None:
            return {"stored": identity}
        await asyncio.sleep(step.delay)
        session = self._front_session(header)
        if step.disconnect and session is not None:
            session.cut()
        return {"stored": identity, "disconnect": step.disconnect}

    def _refuse(self, reply: str) -> Mapping[str, Any]:
        self._refused()
        return {"reply": reply}

    def _extra(self, header: dict[str, Any], received: datetime) -> Extra:
        port, tls = header["listener"], header["tls"]
        return Extra(
            sender=header["sender"],
            recipients=tuple(header["recipients"]),
            client=header["client"],
            helo=header["helo"],
            port=self._front if port == self._backend else port,
            received=received,
            login=header["login"],
            tls=TlsSession(*tls) if tls else None,
            run=header["run"],
            verdict=header["verdict"],
        )

    # -- notifications -----------------------------------------------------------------------

    def _notify(self, step: DsnStep, header: dict[str, Any], raw: bytes) -> None:
        if len(self._notifications) >= _MOST_NOTIFICATIONS:
            log.warning("%d notifications wait already; one is left out", _MOST_NOTIFICATIONS)
            return
        task = asyncio.get_running_loop().create_task(self._notified(step, header, raw))
        self._notifications.add(task)
        task.add_done_callback(self._notifications.discard)

    async def _notified(self, step: DsnStep, header: dict[str, Any], raw: bytes) -> None:
        await asyncio.sleep(step.dsn_after)
        now = datetime.now(UTC)
        sender = header["sender"]
        text = notification(self._hostname, sender, step.recipients, step.dsn or "5.0.0", raw, now)
        extra = Extra(
            sender="",
            recipients=(sender,),
            client="127.0.0.1",
            helo=self._hostname,
            port=0,
            received=now,
            run=header["run"],
        )
        try:
            await self._storing.store(ReceivedMessage(text, extra, delivered=text))
        except (StoreFullError, sqlite3.Error) as error:
            log.warning("a notification cannot be stored: %s", error)
