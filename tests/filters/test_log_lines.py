"""What strangers write stands in the log cut, quoted and last, and makes no line of its own."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from filters.addresses import AddressFile
from filters.inbound_access import GreylistAccess
from filters.keyring import KeyRing
from filters.mailauth.dns.resolver import StaticResolver
from filters.program import LONGEST_LINE, OneLineFormatter
from filters.quoting import quoted
from filters.signer import Signer
from filters.smtpd import Reject, Request, Rewrite, Session
from filters.smtpd.session import Transaction
from filters.verifier import InboundPolicy, Verifier

# Each pretends to be the end of its field, and what follows it.
FORGERIES = [
    "x@y> client=192.0.2.1 from=<ceo@bank.test> dmarc=pass disposition=none",
    'x@y" client=192.0.2.1 disposition="none',
    'x@y\\" client=192.0.2.1 disposition=none',
    'x@y\\\\" client=192.0.2.1 disposition=none',
    "x\r\nerror inbound: FORGED client=192.0.2.1 disposition=none",
    "x\x1b[31m\x9b\x85\u202e client=192.0.2.1 disposition=none",
    "x" * 8050 + "error inbound: FORGED client=192.0.2.1 disposition=none" + "x" * 60_000,
]


def written(record: logging.LogRecord) -> str:
    return OneLineFormatter("%(message)s").format(record)


def true_part(line: str) -> str:
    """What is not a stranger's: all before the first quotation; nothing else follows it."""
    quotation = r'"(?:[^"\\]|\\.)*"(?:\.\.\.)?'
    found = re.fullmatch(rf'([^"]*?)(?: [a-z-]+=| |=){quotation}(?: [a-z-]+={quotation})*', line)
    assert found, line
    return found[1]


@pytest.mark.parametrize("text", [*FORGERIES, "", "plain", '"', "\\", "\udcff"])
def test_a_quotation_ends_where_it_ends(text: str) -> None:
    result = quoted(text)
    assert re.fullmatch(r'"(?:[ !#-\[\]-~]|\\[ -~])*"(?:\.\.\.)?', result), result
    assert result.endswith("...") == (len(text) > 200)
    assert len(result) < 3000


def escaped(text: str) -> str:
    ascii_only = text.encode("ascii", "backslashreplace").decode("ascii")
    return "".join(char if " " <= char <= "~" else f"\\x{ord(char):02x}" for char in ascii_only)


@given(st.text(st.sampled_from('ab "\\\r\n\t\x00\x1b\x7f\x80\xa0\xad\u2028\udcff\U0001f600')))
@example("plain text")
@example("\x7f")
def test_printable_text_takes_no_other_form_than_the_rest(text: str) -> None:
    quotable = text.replace("\\", "\\\\").replace('"', '\\"')
    assert quoted(text) == f'"{escaped(quotable)}"'
    record = logging.LogRecord("x", logging.INFO, "", 0, "%s", (text,), None)
    assert written(record) == "info: " + escaped(text.replace("\n", " | "))


@pytest.mark.parametrize("forgery", FORGERIES)
@pytest.mark.parametrize("place", ["message-id", "sender", "both"])
def test_what_is_known_of_a_message_stands_before_what_it_says(
    forgery: str, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    sender = forgery if place in {"sender", "both"} else "a@far.test"
    field = forgery.replace("\r\n", "\r\n ") if place in {"message-id", "both"} else "<a@b>"
    session = Session(
        "s",
        client_address="198.51.100.7",
        hostname="mail.example.org",
        transaction=Transaction("01234567", sender, ["alice@example.org"]),
    )
    message = b"From: a@far.test\r\nMessage-ID: " + field.encode() + b"\r\n\r\nx\r\n"
    verifier = Verifier("mail.example.org", StaticResolver({}), InboundPolicy(spf=False))
    with caplog.at_level("INFO"):
        asyncio.run(verifier.verify(session, message))
    (record,) = caplog.records
    line = written(record)
    known = true_part(line)
    assert "192.0.2.1" not in known
    assert "ceo@bank" not in known
    for part in ("client=198.51.100.7", "author=far.test", "dmarc=none", "disposition=none"):
        assert part in known
    assert len(line) < LONGEST_LINE


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    path = tmp_path / "addresses.json"
    path.write_text(json.dumps({"domains": ["example.org"], "owners": {ALICE: [ALICE]}}))
    return Signer(KeyRing([]), AddressFile(path), required=False)


ALICE = "alice@example.org"


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_login_that_writes_as_another_logs_a_short_line(
    signer: Signer, forgery: str, caplog: pytest.LogCaptureFixture
) -> None:
    session = Session("s", client_address="198.51.100.7", user=ALICE)
    asked = Request((0, 7), "mail-from", "s", "t", forgery.encode("utf-8"))
    assert isinstance(signer.reject_sender_login_mismatch(session, asked), Reject)
    (record,) = caplog.records
    line = written(record)
    assert true_part(line) == f"warning: login={ALICE} may not send as"
    assert len(line) < 1000


def test_a_greylisted_client_logs_its_address_first(caplog: pytest.LogCaptureFixture) -> None:
    class Always:
        async def wait(self, *about: object) -> int:
            return 60

    session = Session(
        "s", client_address="8.8.8.8", transaction=Transaction("01234567", FORGERIES[0], [])
    )
    asked = Request((0, 7), "rcpt-to", "s", "t", FORGERIES[1].encode())
    access = GreylistAccess(Always(), StaticResolver({}))  # type: ignore[arg-type]
    with caplog.at_level("INFO"):
        assert isinstance(asyncio.run(access.defer_new_client(session, asked)), Reject)
    assert true_part(written(caplog.records[0])) == "info: client=8.8.8.8 greylisted"


def _raise(text: str) -> None:
    raise ValueError(text)


@pytest.mark.parametrize(
    "log",
    [
        lambda log, text: log.error("%s", text),
        lambda log, text: log.error("%s", text.encode()),
    ],
)
@pytest.mark.parametrize("forgery", FORGERIES)
def test_no_line_is_longer_than_smtpd_writes_in_one(
    log: Callable[[logging.Logger, str], None], forgery: str, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("test")
    log(logger, forgery * 3)
    try:
        _raise(forgery)
    except ValueError:
        logger.exception("it failed")
    for record in caplog.records:
        line = written(record)
        assert len(line) <= LONGEST_LINE
        assert re.fullmatch(r"error: [ -~]*", line)
    # The place of the mistake is not cut away.
    assert "_raise" in written(caplog.records[-1])


def test_a_reply_ends_where_smtpd_ends_its_quotation() -> None:
    reject = Reject(550, '5.7.1 <"x\\" result=\\"250 ok"@y> is not yours')
    assert reject.text == "5.7.1 <'x\\' result=\\'250 ok'@y> is not yours"
    # What is an address for smtpd stays one.
    assert Rewrite('"a b"@example.org').parameter == '"a b"@example.org'
