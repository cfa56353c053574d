"""Who becomes one that an account has written to: only whom its owner has."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from filters.addresses import AddressFile
from filters.correspondence import Correspondence
from filters.smtpd import Reject, Report, Session, Transaction
from filters.written_to import WrittenTo, decode_written_to

ALICE, BOB = "alice@example.org", "bob@far.example"
SENT = Report((0, 7), "smtp-in", "tx-commit", "s", (b"01234567", b"100"))
BOOK = {
    "domains": ["example.org"],
    "delimiter": "+",
    "owners": {
        ALICE: [ALICE],
        "carol@example.org": ["carol@example.org"],
        "team@example.org": [ALICE, "carol@example.org"],
        # An account whose mail goes elsewhere, and that has another address.
        "dave@example.org": [],
        "sales@example.org": ["dave@example.org"],
    },
}


@pytest.fixture
def taker(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as bound:
        bound.bind(str(tmp_path / "written-to"))
        yield bound


@pytest.fixture
def sending(tmp_path: Path) -> Iterator[Correspondence]:
    (tmp_path / "addresses.json").write_text(json.dumps(BOOK))
    found = Correspondence(tmp_path / "written-to", AddressFile(tmp_path / "addresses.json"))
    yield found
    found.finish()


def session(*recipients: str, sender: str = ALICE, **changed: Any) -> Session:
    transaction = Transaction("01234567", sender, list(recipients or [BOB]))
    fields = {"client_address": "203.0.113.20", "user": ALICE, "transaction": transaction}
    return Session("s", **{**fields, **changed})


def letter(*fields: str) -> bytes:
    lines = ["Received: from home", "From: alice@example.org", *fields, "", "Resent-From: x"]
    return "".join(f"{line}\r\n" for line in lines).encode()


def send(
    sending: Correspondence, sender: Session, message: bytes, answer: bytes | Reject = b""
) -> None:
    handle = sending.noting(lambda session, message: answer)
    assert handle(sender, message) == answer
    sending.note_sent(sender, SENT)


def taken(taker: socket.socket) -> WrittenTo | None:
    try:
        return decode_written_to(taker.recv(100_000))
    except BlockingIOError:
        return None


@pytest.mark.parametrize(
    ("sender", "fields", "recipients"),
    [
        (session(), (), [BOB]),
        (session(BOB, "X@Far.example"), (), [BOB, "x@far.example"]),
        (session(user="ALICE@example.org"), (), [BOB]),
        (session("carol@example.org"), (), ["carol@example.org"]),
        (session(), ("Auto-Submitted: no",), [BOB]),
        (session(), ("Auto-Submitted: NO (I wrote it)",), [BOB]),
        (session(), ("Content-Type: multipart/mixed",), [BOB]),
        (session(), ("Content-Type: message/rfc822",), [BOB]),
        (session(), ("Precedence: first-class",), [BOB]),
        (session(), ("Subject: Auto-Submitted: multipart/report, resent-to",), [BOB]),
        (session(), ("Subject: how do I unsubscribe",), [BOB]),
        (session(), ("Content-Type: text/calendar; method=REQUEST",), [BOB]),
        (session(), ("Content-Type: text/plain; method=replying",), [BOB]),
        (session(user="dave@example.org", sender="sales@example.org"), (), [BOB]),
        # What is alice's own is nobody she writes to.
        (session(ALICE, "alice+x@example.org", "team@example.org", BOB), (), [BOB]),
    ],
)
def test_whom_the_owner_writes_to(
    sender: Session,
    fields: tuple[str, ...],
    recipients: list[str],
    sending: Correspondence,
    taker: socket.socket,
) -> None:
    assert sender.user is not None
    send(sending, sender, letter(*fields))
    assert taken(taker) == WrittenTo(sender.user.lower(), tuple(recipients))
    assert taken(taker) is None


@pytest.mark.parametrize(
    ("sender", "fields"),
    [
        # Sieve's vacation and redirects, and bounces, come by the socket.
        (session(user=None, client_address=None, local=True), ()),
        (session(user=None), ()),
        (session(local=True), ()),
        # A client's receipt or an answer of its own; a forward of somebody else's mail.
        (session(sender=""), ()),
        (session(), ("Auto-Submitted: auto-replied (vacation)",)),
        (session(), ("auto-submitted:\r\n auto-generated",)),
        (session(), ("Auto-Submitted: nothing",)),
        (session(), ("Auto-Submitted:",)),
        (session(), ("Auto-Submitted: no", "Auto-Submitted: auto-replied")),
        (session(), ('Content-Type: multipart/report; report-type="disposition-notification"',)),
        (session(), ("content-type:\r\n\tMULTIPART/Report",)),
        (session(), ("Content-Type: message/disposition-notification",)),
        (session(), ("Resent-From: alice@example.org",)),
        (session(), ("RESENT-Date : now",)),
        (session(), ("Precedence: bulk",)),
        (session(), ("X-Autoreply: yes",)),
        # At a click on a stranger's button.
        (session(), ("Subject: UNSUBSCRIBE",)),
        (session(), ("Subject: Unsubscribe:4711",)),
        (session(), ("Subject: unsubscribe alice@example.org from offers",)),
        (session(), ("Content-Type: text/calendar; charset=utf-8; METHOD=REPLY",)),
        (session(), ("", "--b", "Content-Type: text/calendar; method=REPLY")),
        (session(), ("", "--b", 'Content-Type: text/calendar;\r\n\tMETHOD = "reply"')),
        (session(), ("X: x\r\n" * 10_000 + "Precedence: x",)),
        (session(user="probe@example.org"), ()),
        (session(ALICE), ()),
        (session(transaction=None), ()),
    ],
)
def test_whom_nobody_writes_to(
    sender: Session, fields: tuple[str, ...], sending: Correspondence, taker: socket.socket
) -> None:
    send(sending, sender, letter(*fields))
    assert taken(taker) is None


def test_nobody_is_written_to_by_what_is_refused_or_never_sent(
    sending: Correspondence, taker: socket.socket
) -> None:
    alice = session()
    send(sending, alice, letter(), Reject(550, "5.7.1 no"))
    # A message that was ready and is not committed; then a receipt in the same session.
    sending.noting(lambda session, message: message)(alice, letter())
    alice.transaction = Transaction("01234568", "", ["spammer@far.example"])
    send(sending, alice, letter("Auto-Submitted: auto-replied"))
    sending.note_sent(alice, SENT)
    assert taken(taker) is None


def test_who_does_not_take_it_holds_up_nobody_and_is_complained_of_once(
    sending: Correspondence, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    alice, lost = session(), "nobody takes down whom accounts write to"
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            send(sending, alice, letter())
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}/written-to: {lost}: No such file or directory"
    ]
    caplog.clear()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as full:
        full.bind(str(tmp_path / "written-to"))
        with caplog.at_level(logging.WARNING):
            for _ in range(3000):
                send(sending, alice, letter())
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}/written-to: {lost}: Resource temporarily unavailable"
    ]
