"""What the filter answers: to each message, and to each command while a test has faults.

A message is verified, handed over, and passed once it is stored. What goes back to smtpd is a few
bytes in its place: smtpd keeps none in this mode, and would look through them again.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import dataclasses
import logging
import re
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from filters.capture.received import reject_as_smtpd, without_received
from filters.capture.runs import candidates, run_field, run_of, sub_address
from filters.capture.target import TargetGoneError, TargetLink
from filters.capture.verdict import verdict_json
from filters.mailauth.message import Message, remove
from filters.smtpd import Disconnect, Reject, Report, Request, Session, Verdict
from filters.verifier import Verifier, refusal

log = logging.getLogger(__name__)

_STATE = "capture"
_GONE = Reject(
    451, "4.3.0 the process that stores messages does not answer, please try again later"
)
_BCC = re.compile(rb"^bcc:", re.IGNORECASE | re.MULTILINE)
_STORED = b"Subject: captured\r\n\r\n"


@dataclass
class Connected:
    """The client's port, and the listener's that it has reached."""

    port: int = 0
    listener: int = 0


@dataclass(frozen=True)
class CaptureRules:
    """enforce: whether a message that production refuses is refused. largest: bytes of one."""

    enforce: bool
    delimiter: str
    largest: int


class Capture:
    """The handlers of one filter process."""

    def __init__(self, verifier: Verifier, target: TargetLink, rules: CaptureRules) -> None:
        self._verifier = verifier
        self._target = target
        self._rules = rules

    def note_ports(self, session: Session, report: Report) -> None:
        """At link-connect."""
        if len(report.fields) == 4:
            session.state[_STATE] = Connected(_port(report.fields[2]), _port(report.fields[3]))

    # -- commands ----------------------------------------------------------------------------

    def command(self, session: Session, request: Request) -> Awaitable[Verdict | None] | None:
        """Of any phase before the message."""
        return self._command(session, request) if self._target.faults else None

    async def _command(self, session: Session, request: Request) -> Verdict | None:
        phase = "helo" if request.phase == "ehlo" else request.phase
        self._take_login(session)
        transaction = session.transaction
        sender = (transaction.sender if transaction is not None else None) or ""
        recipients = list(session.recipients)
        if phase == "mail-from":
            sender, recipients = request.address, []
        elif phase == "rcpt-to":
            recipients.append(request.address)
        login = login_of(request.text) if phase == "auth" else session.user or ""
        asked = {
            "command": phase,
            **self._client(session),
            "login": login,
            "sender": sender,
            # A fault for a recipient is for the one that the command names.
            "recipients": recipients[-1:] if phase == "rcpt-to" else recipients,
            "runs": self._runs("", recipients, sender),
        }
        try:
            answer = await self._target.ask(asked)
        except TargetGoneError:
            return None  # the message itself will be refused
        return await _carried_out(answer)

    def _runs(self, field: str, recipients: list[str], sender: str) -> list[str]:
        delimiter = self._rules.delimiter
        runs = candidates(field, recipients, delimiter)
        tag = sub_address(sender, delimiter)
        return [*runs, tag] if tag and tag not in runs else runs

    def _client(self, session: Session) -> dict[str, Any]:
        connected = session.state.get(_STATE) or Connected()
        return {
            "client": session.client_address or "",
            "port": connected.port,
            "listener": connected.listener,
            "session": session.id,
        }

    def _take_login(self, session: Session) -> tuple[str, str]:
        """The client's TLS version and cipher; its login becomes the session's."""
        connected = session.state.get(_STATE) or Connected()
        known = self._target.clients.get((session.client_address or "", connected.port))
        # To another port of ours, somebody else may come from the same one of the client's.
        if known is not None and connected.listener == self._target.front:
            session.user = known.login or None
            return known.tls, known.cipher
        version, _, rest = (session.tls or "").partition(":")
        return version, rest.partition(":")[0]

    # -- messages ----------------------------------------------------------------------------

    async def message(self, session: Session, message: bytes) -> bytes | Reject:
        """At the end of DATA."""
        try:
            # Before it is verified: by which DNS, the other end says.
            await self._target.connected()
            return await self._captured(session, message)
        except TargetGoneError:
            return _GONE

    async def _captured(self, session: Session, message: bytes) -> bytes | Reject:
        """Raises TargetGoneError."""
        tls, cipher = self._take_login(session)
        raw = without_received(message)
        refused = self._refused_unread(message, raw)
        if refused is not None:
            return self._refuse(refused)
        recipients = list(session.recipients)
        field = run_field(raw)
        runs = candidates(field, recipients, self._rules.delimiter)
        resolver = self._target.zones.resolver(runs)
        # As production would, which knows nothing of a login that was made here.
        stranger = dataclasses.replace(session, user=None)
        judged = await self._verifier.judge(stranger, message, resolver)
        if isinstance(judged, Reject):
            return self._refuse(judged)
        disposition = judged.decision.disposition
        if self._rules.enforce:
            refused = refusal(judged.verdict, judged.decision)
            if refused is not None:
                return self._refuse(refused)
        stamped = without_bcc(self._verifier.stamped(judged))
        head = stamped.removesuffix(raw)
        sender = judged.envelope.sender
        handed_over = {
            "message": len(raw),
            **self._client(session),
            "helo": session.helo,
            "login": session.user or "",
            "tls": [tls, cipher] if tls else None,
            "sender": sender,
            "recipients": recipients,
            "run": run_of(field, recipients, self._rules.delimiter),
            "runs": self._runs(field, recipients, sender),
            "junk": disposition == "quarantine",
            # The message itself stands below the head unless it was changed.
            "below": len(head) < len(stamped),
            "verdict": verdict_json(judged, resolver, stamped, enforced=self._rules.enforce),
        }
        answer = await self._target.ask(handed_over, raw + head)
        outcome = await _carried_out(answer)
        return _STORED if outcome is None else Reject(outcome.code, outcome.text)

    def _refused_unread(self, message: bytes, raw: bytes) -> Reject | None:
        if len(raw) > self._rules.largest:
            return Reject(554, "5.3.4 Transaction failed, message too big")
        return reject_as_smtpd(message)

    def _refuse(self, refused: Reject) -> Reject:
        self._target.tell({"refused": refused.reply})
        return refused


async def _carried_out(answer: dict[str, Any]) -> Reject | Disconnect | None:
    """What a fault's step says: wait, and refuse, or go on."""
    delay = answer.get("delay")
    if delay:
        await asyncio.sleep(delay)
    if answer.get("disconnect"):
        return Disconnect(421, "4.3.2 the connection ends here, as the test wants it")
    reply = answer.get("reply")
    if reply:
        code, _, text = reply.partition(" ")
        return Disconnect(421, text) if code == "421" else Reject(int(code), text)
    return None


def login_of(argument: str) -> str:
    """The login in AUTH's initial response, as smtpd hands it on; "" where there is none."""
    mechanism, _, encoded = argument.strip().partition(" ")
    try:
        decoded = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    if mechanism.upper() == "LOGIN":
        return decoded
    parts = decoded.split("\0")
    return parts[1] if len(parts) == 3 else ""


def without_bcc(message: bytes) -> bytes:
    """As smtpd delivers it."""
    if _BCC.search(message) is None:
        return message
    parsed = Message(message)
    return remove(message, [field for field in parsed.named(b"bcc") if len(field.name) == 3])


def _port(place: bytes) -> int:
    port = place.rpartition(b":")[2]
    return int(port) if port.isdigit() and len(port) <= 5 else 0
