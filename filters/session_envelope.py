"""What smtpd tells of a session, as the engine wants to know it."""

from __future__ import annotations

from filters.mailauth.envelope import Envelope
from filters.smtpd import Session


def envelope_of(session: Session, unknown_clients: frozenset[str]) -> Envelope:
    """The facts so far; at `unknown_clients` anyone may appear (a NAT)."""
    transaction = session.transaction
    return Envelope(
        client_address=session.client_address,
        helo=session.helo,
        sender=(transaction.sender if transaction is not None else None) or "",
        recipients=tuple(transaction.recipients) if transaction is not None else (),
        user=session.user,
        client_unknown=session.client_address in unknown_clients,
        client_name=session.rdns,
        reverse=session.fcrdns,
    )
