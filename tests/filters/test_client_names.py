"""What the name of an address and the name in HELO say, as words of closed sets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from filters.client_names import helo_word, is_generic, rdns_word
from filters.mailauth.envelope import Envelope

PUBLIC, PUBLIC6 = "192.31.196.25", "2001:4860:4864:20::1a"
OURS = frozenset({"mail.example.org", "example.org"})
FAR = Envelope(PUBLIC, "mx.far.example", "", client_name="mx.far.example", reverse="pass")


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("192-31-196-25.isp.example", PUBLIC),
        ("25.196.31.192.isp.example", PUBLIC),
        ("host25.196.31.isp.example", PUBLIC),
        ("HOST-31-196-25.ISP.example.", PUBLIC),
        ("static.25.196.31.192.clients.host.example", PUBLIC),
        ("25.196.31.192.in-addr.arpa", PUBLIC),
        ("ip192031196025.isp.example", PUBLIC),
        ("pc01fc419.dip0.isp.example", PUBLIC),  # c0 1f c4 19
        ("192-31-196-25.net", PUBLIC),
        ("dhcp12.campus.example", PUBLIC),
        ("pool-3.isp.example", PUBLIC),
        ("x7.adsl.isp.example", PUBLIC),
        ("cpe-1.dyn.isp.example", PUBLIC),
        ("2001-4860-4864-20--1a.isp.example", PUBLIC6),
        ("2001-4860-4864-20-0-0-0-1a.isp.example", PUBLIC6),
        ("200148604864002000000000.isp.example", PUBLIC6),
        (".".join("a100000000000000") + ".isp.example", PUBLIC6),
    ],
)
def test_a_name_that_a_provider_made(name: str, address: str) -> None:
    assert is_generic(name, address)


@pytest.mark.parametrize(
    "name",
    [
        "mail.far.example",
        "mx1.far.example",
        "far.example",
        "web25.far.example",
        "h-196-25.far.example",  # two of its numbers may be by chance
        "a8-31.smtp-out.amazonses.com",
        "192-31-196-25.mail-mail.facebook.com",
        "mail-ed1-f25.google.com",
        "mxphxpool2001.ebay.com",
        "sonic301-20.consmr.mail.ne1.yahoo.com",
        "pool.far.example",
        "dynamics365.far.example",
        "cable.example",
        "dsl1.example",  # its own domain
        "",
        ".",
        "x" * 300 + "-192-31-196-25.isp.example",
        "\\xff\\x0d\\x0a.far.example",
    ],
)
def test_a_name_that_somebody_gave(name: str) -> None:
    assert not is_generic(name, PUBLIC)


@pytest.mark.parametrize("name", ["v6.far.example", "2001.far.example", "1a.far.example"])
def test_a_name_that_somebody_gave_an_ipv6_address(name: str) -> None:
    assert not is_generic(name, PUBLIC6)


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({}, "ok"),
        ({"client_name": "25.196.31.192.isp.example"}, "generic"),
        # A name that does not lead back is nobody's word for the address.
        ({"reverse": "fail"}, "missing"),
        ({"client_name": None, "reverse": "fail"}, "missing"),
        ({"client_name": None, "reverse": "error"}, "unknown"),
        ({"reverse": "error"}, "unknown"),
        ({"client_name": None, "reverse": None}, "unknown"),
        ({"client_unknown": True}, "unknown"),
        ({"client_address": None}, "unknown"),
        ({"client_address": "10.1.2.3", "client_name": None, "reverse": "fail"}, "unknown"),
        ({"client_address": "fd00::1", "client_name": None, "reverse": "fail"}, "unknown"),
    ],
)
def test_the_name_of_the_address(changed: dict[str, str], word: str) -> None:
    assert rdns_word(replace(FAR, **changed)) == word  # type: ignore[arg-type]


def test_no_name_is_nothing_against_a_client_while_dns_fails() -> None:
    envelope = replace(FAR, client_name=None, reverse="fail")
    assert rdns_word(envelope, dns_fails=True) == "unknown"
    assert rdns_word(FAR, dns_fails=True) == "ok"


@pytest.mark.parametrize(
    ("helo", "word"),
    [
        ("mx.far.example", "ok"),
        ("MX.far.example.", "ok"),
        ("other.example", "ok"),
        ("www.example.org", "ok"),  # a web server of our own domain may send mail here
        ("mail.example.org", "lies"),
        ("MAIL.example.org", "lies"),
        ("example.org.", "lies"),
        (f"[{PUBLIC}]", "literal"),
        (PUBLIC, "literal"),
        (f"[::ffff:{PUBLIC}]", "literal"),
        (f"[IPv6:::ffff:{PUBLIC}]", "literal"),
        ("[192.31.196.26]", "lies"),
        ("192.31.196.26", "lies"),
        ("[127.0.0.1]", "lies"),
        ("[IPv6:2001:db8::1]", "lies"),
        ("localhost", "unknown"),
        ("WIN-7Q2", "unknown"),
        ("", "unknown"),
        ("[]", "unknown"),
        ("[IPv6:]", "unknown"),
        ("b\\xc3\\xbccher.example", "unknown"),
        ("a b dmarc=pass", "unknown"),
        ("x" * 5000, "unknown"),
    ],
)
def test_helo(helo: str, word: str) -> None:
    assert helo_word(replace(FAR, helo=helo), OURS.__contains__) == word


@pytest.mark.parametrize(
    ("changed", "vouched", "word"),
    [
        # A host of ours that is no mail server: its name leads back, or our SPF record has it.
        ({"client_name": "example.org"}, False, "ok"),
        ({"client_name": "EXAMPLE.org."}, False, "ok"),
        ({"client_name": "example.org", "reverse": "fail"}, False, "lies"),
        ({}, True, "ok"),
        ({"client_unknown": True}, False, "unknown"),
        ({"client_address": None}, False, "unknown"),
    ],
)
def test_who_says_our_name(changed: dict[str, str], vouched: bool, word: str) -> None:
    envelope = replace(FAR, helo="example.org", **changed)  # type: ignore[arg-type]
    assert helo_word(envelope, OURS.__contains__, vouched=vouched) == word
