"""The orchestrator: one verdict, one field, and never an exception."""

import asyncio
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.mailauth.authenticate import Envelope, MessageResult, authenticate, stamp
from filters.mailauth.dns.resolver import Answer, Resolver, StaticResolver
from filters.mailauth.spf import check as spf_check

MESSAGE = b"From: a@example.org\r\n\r\nbody\r\n"
ZONE = {"example.org": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]}}
ENVELOPE = Envelope("192.0.2.1", "mail.example.org", "a@example.org")


def run(
    message: bytes = MESSAGE,
    envelope: Envelope = ENVELOPE,
    resolver: Resolver | None = None,
    spf: bool = True,
) -> MessageResult:
    return asyncio.run(authenticate(message, envelope, resolver or StaticResolver(ZONE), spf=spf))


def test_spf_can_be_left_out() -> None:
    verdict = run(spf=False)
    assert verdict.spf is None
    assert b"spf" not in stamp(MESSAGE, verdict, "mx.example.net")


def test_without_pyspf_everything_else_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spf", None)
    assert not spf_check.available()
    verdict = run()
    assert verdict.spf is None
    assert verdict.dkim == ()


def test_an_unknown_client_has_no_spf_result_but_a_reason() -> None:
    envelope = Envelope("192.0.2.1", "h.example.org", "a@example.org", client_unknown=True)
    spf = run(envelope=envelope).spf
    assert spf is not None
    assert (spf.result, spf.reason) == ("none", "the client is unknown behind a proxy")


def test_a_thousand_signatures_make_a_short_field() -> None:
    message = b"DKIM-Signature: x\r\n" * 900 + MESSAGE
    verdict = run(message)
    assert len(verdict.dkim) == 900
    field = stamp(message, verdict, "mx.example.net").partition(b"\r\nDKIM-Signature")[0]
    assert field.count(b"dkim=") == 6
    assert b"895 more signatures were not verified" in field


class Broken:
    async def query(self, name: str, rdtype: str) -> Answer:
        raise ZeroDivisionError


def test_a_broken_resolver_is_a_result(caplog: pytest.LogCaptureFixture) -> None:
    signature = b"DKIM-Signature: v=1; a=rsa-sha256; d=a.example; s=s; h=from; bh=AAAA; b=AAAA\r\n"
    verdict = run(signature + MESSAGE, resolver=Broken())
    assert verdict.spf is not None
    assert (verdict.spf.result, verdict.dkim[0].result) == ("permerror", "neutral")
    assert "ZeroDivisionError" in caplog.text


texts = st.text(max_size=40) | st.sampled_from(["a@example.org", "@", "<>", "a@b@c", "\0\r\n"])


@given(st.text(max_size=80), texts)
def test_no_record_makes_spf_raise(record: str, sender: str) -> None:
    zone = StaticResolver({"example.org": {"TXT": ["v=spf1 " + record]}})
    envelope = Envelope("192.0.2.1", "mail.example.org", sender.replace("@", "") + "@example.org")
    spf = run(envelope=envelope, resolver=zone).spf
    assert spf is not None
    assert spf.reason != "the SPF record could not be evaluated"


def test_only_our_field_is_added() -> None:
    assert (
        stamp(MESSAGE, run(), "mx.example.net")
        == (
            b"Authentication-Results: mx.example.net;\r\n"
            b'\tspf=pass reason="matched ip4:192.0.2.1" smtp.mailfrom=a@example.org;\r\n'
            b"\tdkim=none;\r\n"
            b'\tdmarc=none reason="no DMARC record" header.from=example.org\r\n'
        )
        + MESSAGE
    )
