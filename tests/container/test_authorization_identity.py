"""AUTH PLAIN names two identities (RFC 4616): whose password it is, and whom it shall act for.

smtpd ignores the second, whatever it is: only the `auth` phase would show it to a filter, beside
the password. So all that goes by a login goes by the first. Dovecot refuses another's.
"""

from __future__ import annotations

import base64
import imaplib
import re
import smtplib

import pytest

from .conftest import ALICE, BOB
from .harness.imap import any_certificate
from .harness.managesieve import ManageSieve, SieveError
from .harness.messages import letter
from .harness.shell import fresh
from .harness.signpost import Signpost

ANOTHERS = [BOB[0], "root", "MAILER-DAEMON@mail.example.org", "x" * 200]


def plain(authorization: str, login: str, password: str) -> str:
    return base64.b64encode("\0".join((authorization, login, password)).encode()).decode()


def connect(signpost: Signpost, port: int) -> smtplib.SMTP:
    session: smtplib.SMTP
    if port == 465:
        session = smtplib.SMTP_SSL(signpost.v4, port, timeout=30, context=any_certificate())
    else:
        session = smtplib.SMTP(signpost.v4, port, timeout=30)
        session.starttls(context=any_certificate())
    session.ehlo("client.test")
    return session


@pytest.mark.parametrize("port", [465, 587])
@pytest.mark.parametrize("authorization", ANOTHERS)
def test_smtp_acts_for_whose_password_it_is(
    signpost: Signpost, port: int, authorization: str
) -> None:
    with connect(signpost, port) as session:
        auth = session.docmd("AUTH", "PLAIN " + plain(authorization, *ALICE))
        assert auth[0] == 235
        refused = session.mail(BOB[0])
        assert (refused[0], b"is not an address of alice@example.org" in refused[1]) == (550, True)
        assert session.mail(ALICE[0])[0] == 250
        assert session.rcpt(ALICE[0])[0] == 250
        # Nor in the message itself.
        assert session.data(letter(BOB[0]))[0] == 550


def test_the_log_names_whose_password_it_is(signpost: Signpost) -> None:
    stranger = fresh("stranger")
    with connect(signpost, 465) as session:
        assert session.docmd("AUTH", "PLAIN " + plain(stranger, BOB[0], "wrong"))[0] == 535
        assert session.docmd("AUTH", "PLAIN " + plain(stranger, *BOB))[0] == 235
    failed = rf"([0-9a-f]+) smtp authentication user={re.escape(BOB[0])} result=permfail"
    sessions = [found[1] for found in re.finditer(failed, signpost.logs())]
    signpost.wait_for_log(rf"{sessions[-1]} smtp authentication user={re.escape(BOB[0])} result=ok")
    assert stranger not in signpost.logs()


def test_the_rate_is_that_of_whose_password_it_is(signpost: Signpost) -> None:
    with connect(signpost, 465) as session:
        session.docmd("AUTH", "PLAIN " + plain(BOB[0], *ALICE))
        session.mail(ALICE[0])
        said = [session.rcpt(f"r{number}@far.test") for number in range(301)]
        assert (said[-1][0], b"alice@example.org has sent too much" in said[-1][1]) == (451, True)
        with connect(signpost, 465) as other:
            other.docmd("AUTH", "PLAIN " + plain("", *BOB))
            other.mail(BOB[0])
            assert other.rcpt("r@far.test")[0] == 250


@pytest.mark.parametrize("authorization", ANOTHERS[:2])
def test_imap_and_managesieve_refuse_another(signpost: Signpost, authorization: str) -> None:
    with imaplib.IMAP4_SSL(signpost.v4, 993, ssl_context=any_certificate(), timeout=30) as session:
        message = "\0".join((authorization, *ALICE)).encode()
        with pytest.raises(imaplib.IMAP4.error):
            session.authenticate("PLAIN", lambda _: message)
        assert session.authenticate("PLAIN", lambda _: f"\0{ALICE[0]}\0{ALICE[1]}".encode())
    with ManageSieve(signpost.v4) as sieve:
        sieve.start_tls(any_certificate())
        with pytest.raises(SieveError):
            sieve.say(f'AUTHENTICATE "PLAIN" "{plain(authorization, *ALICE)}"'.encode())


def test_ones_own_is_no_other(signpost: Signpost) -> None:
    with imaplib.IMAP4_SSL(signpost.v4, 993, ssl_context=any_certificate(), timeout=30) as session:
        message = "\0".join((ALICE[0], *ALICE)).encode()
        assert session.authenticate("PLAIN", lambda _: message)[0] == "OK"
    with connect(signpost, 465) as session:
        assert session.docmd("AUTH", "PLAIN " + plain(ALICE[0], *ALICE))[0] == 235
