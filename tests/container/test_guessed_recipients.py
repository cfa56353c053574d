"""Who names unknown recipients to learn which addresses there are."""

from __future__ import annotations

import smtplib
import socket

from .conftest import ALICE, BOB
from .harness.messages import letter
from .harness.shell import fresh
from .harness.signpost import Signpost
from .harness.world import World

GUESSES = [f"guess{number}@example.org" for number in range(300)]
KNOWN = [f"{name}@example.org" for name in ("alice", "info", "away", "lost", "both")]


def test_a_session_that_guesses_ends(signpost: Signpost) -> None:
    said = []
    with smtplib.SMTP(signpost.v4, 25, timeout=30) as session:
        session.ehlo("client.test")
        for number, guess in enumerate(GUESSES[:19]):
            # Neither another transaction nor one known recipient makes it anew.
            session.mail(f"a{number}@far.test")
            assert session.rcpt(ALICE[0])[0] == 250
            said.append(session.rcpt(guess)[0])
            session.rset()
        session.mail("a@far.test")
        said += [session.rcpt(guess)[0] for guess in GUESSES[19:23]]
        assert session.sock.recv(1) == b""
    assert said == [550] * 22 + [421]
    signpost.wait_for_log(r"refused: it named 22 unknown recipients")


def test_all_of_them_at_once_are_not_answered(signpost: Signpost) -> None:
    """smtpd takes no pipelining. Where this fails, the limit has to be met in the middle of it."""
    named = b"".join(f"RCPT TO:<{guess}>\r\n".encode() for guess in GUESSES)
    with socket.create_connection((signpost.v4, 25), 30) as link:
        lines = link.makefile("rb")
        for command in (b"", b"HELO client.test\r\n", b"MAIL FROM:<a@far.test>\r\n"):
            link.sendall(command)
            assert lines.readline()[:1] == b"2"
        link.sendall(named)
        assert lines.readline()[:3] == b"500"


def test_a_list_with_known_and_unknown_recipients_is_delivered(
    world: World, signpost: Signpost
) -> None:
    token = fresh("list")
    with smtplib.SMTP(signpost.v4, 25, timeout=30) as session:
        session.ehlo("client.test")
        session.mail("list@far.test")
        answers = [session.rcpt(known)[0] for known in KNOWN]
        answers += [session.rcpt(guess)[0] for guess in GUESSES[:29]]
        # A catch-all knows everybody.
        answers += [session.rcpt(f"{number}@example.net")[0] for number in range(50)]
        assert answers == [250] * len(KNOWN) + [550] * 29 + [250] * 50
        assert session.data(letter("list@far.test", token=token))[0] == 250
    signpost.wait_for_mail(ALICE[0], token)
    signpost.wait_for_mail(BOB[0], token)
