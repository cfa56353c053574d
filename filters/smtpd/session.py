"""Folds report events into what a filter wants to know of a client: Session and Transaction.

Pure state; knows no I/O and no handlers. Text from the client is kept as printable-safe ASCII
(`\\xNN` for other bytes), because filters put it into logs, replies and header fields.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from filters.smtpd.path import address_of
from filters.smtpd.wire import Report

NO_MESSAGE = "00000000"


@dataclass(slots=True)
class Transaction:
    """One MAIL command and what followed. Addresses are bare; the null sender is ``""``."""

    msgid: str
    sender: str | None = None
    recipients: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Session:
    """One SMTP session, from link-connect to link-disconnect.

    `client_address` is an IP address, or None for a client on the local socket (`local`).
    `state` is the handlers' own, freed with the session. `rewritten` has, by phase, what the client
    wrote and what this filter has made of it: smtpd goes on with that, and reports the other.
    """

    id: str
    client_address: str | None = None
    local: bool = False
    rdns: str | None = None
    fcrdns: str = "error"
    hostname: str = ""
    helo: str = ""
    tls: str | None = None
    user: str | None = None
    transaction: Transaction | None = None
    state: dict[str, Any] = field(default_factory=dict)
    rewritten: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def recipients(self) -> Sequence[str]:
        """Those of the transaction so far; none where there is no transaction."""
        return self.transaction.recipients if self.transaction is not None else ()

    def apply(self, report: Report) -> None:
        """Take in one event; an unknown one, or one with too few fields, changes nothing."""
        fold = _FOLDS.get(report.event)
        if fold is not None:
            fold(self, [part.decode("ascii", "backslashreplace") for part in report.fields])


def _connect(session: Session, fields: list[str]) -> None:
    if len(fields) != 4:
        return
    rdns, session.fcrdns, source, _ = fields
    session.rdns = None if rdns in {"", "<unknown>"} else rdns
    session.client_address = _ip(source)
    session.local = source == "local" or source.startswith("unix:")


def _ip(source: str) -> str | None:
    """`192.0.2.1:25` and `[2001:db8::1]:25` → the address; None for a socket's path."""
    host = source.rpartition(":")[0].strip("[]")
    if host.lower().startswith("ipv6:"):
        host = host[5:]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    # ::ffff:192.0.2.1 is an IPv4 client on an IPv6 socket (RFC 4291 §2.5.5.2).
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _greeting(session: Session, fields: list[str]) -> None:
    if fields:
        session.hostname = fields[0]


def _identify(session: Session, fields: list[str]) -> None:
    if fields:
        session.helo = fields[-1]


def _tls(session: Session, fields: list[str]) -> None:
    session.tls = fields[0] if fields else ""


def _auth(session: Session, fields: list[str]) -> None:
    if len(fields) == 2 and fields[0] == "pass":
        session.user = fields[1]


def _begin(session: Session, fields: list[str]) -> None:
    if fields:
        session.transaction = Transaction(fields[0])


def _mail(session: Session, fields: list[str]) -> None:
    # A refused MAIL may come with no transaction at all (msgid 00000000).
    address = _address(session, "mail-from", fields)
    if address is not None and fields[0] != NO_MESSAGE:
        if session.transaction is None or session.transaction.msgid != fields[0]:
            session.transaction = Transaction(fields[0])
        session.transaction.sender = address


def _rcpt(session: Session, fields: list[str]) -> None:
    address = _address(session, "rcpt-to", fields)
    if address is not None and session.transaction is not None:
        session.transaction.recipients.append(address)


def _address(session: Session, phase: str, fields: list[str]) -> str | None:
    """The address that smtpd goes on with; None if it was refused."""
    if len(fields) != 3:
        return None
    address = address_of(fields[2])
    # Another filter may have ended the phase of a later command before this one was asked.
    written, made = session.rewritten.pop(phase, (address, address))
    if fields[1] != "ok":
        return None
    return made if written == address else address


def _reset(session: Session, fields: list[str]) -> None:
    session.transaction = None


_FOLDS = {
    "link-connect": _connect,
    "link-greeting": _greeting,
    "link-identify": _identify,
    "link-tls": _tls,
    "link-auth": _auth,
    "tx-begin": _begin,
    "tx-mail": _mail,
    "tx-rcpt": _rcpt,
    "tx-reset": _reset,
    "tx-rollback": _reset,
}

# What has to be registered so that a Session is complete; tx-mail says again what tx-begin says.
REPORTS = (*(event for event in _FOLDS if event != "tx-begin"), "link-disconnect")
