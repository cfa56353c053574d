"""Which names lead to an address of the host's, by DNS as a value; and the process that asks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from entrypoint.config.environ import load
from entrypoint.config.settings import HostFacts
from entrypoint.tls.pointing_here import Asking, leading
from filters.mailauth.dns.resolver import StaticResolver

HOST, NAME = "mail.example.org", "autoconfig.example.org"
NOBODY = "127.0.0.97"  # no name server is at this address
OURS = {HOST: {"A": ["203.0.113.25"], "AAAA": ["2001:db8::25"]}}


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ({NAME: {"A": ["203.0.113.25"]}}, True),
        ({NAME: {"AAAA": ["2001:db8::25"]}}, True),
        ({NAME: {"A": ["203.0.113.99", "203.0.113.25"]}}, True),
        ({NAME: {"CNAME": HOST}}, True),
        ({NAME: {"CNAME": "a.example.net"}, "a.example.net": {"CNAME": HOST}}, True),
        ({NAME: {"CNAME": "gone.example.net"}}, False),
        ({NAME: {"A": ["203.0.113.99"]}}, False),
        ({}, False),
        ({NAME: "NODATA"}, False),
        # Half of an answer is enough for a yes, and not for a no.
        ({NAME: {"A": ["203.0.113.25"], "AAAA": "TIMEOUT"}}, True),
        ({NAME: {"A": ["203.0.113.99"], "AAAA": "TIMEOUT"}}, None),
        ({NAME: "SERVFAIL"}, None),
        ({NAME: {"A": ["203.0.113.99"]}, HOST: "SERVFAIL"}, None),
        ({NAME: {"A": ["203.0.113.25"]}, HOST: {"A": ["203.0.113.25"], "AAAA": "TIMEOUT"}}, True),
        # A host that is nowhere: nothing can be said of what leads to it.
        ({NAME: {"A": ["203.0.113.25"]}, HOST: {}}, None),
    ],
)
def test_a_name(zone: dict[str, Any], expected: bool | None) -> None:
    found = asyncio.run(leading(HOST, [NAME, HOST], StaticResolver(OURS | zone)))
    assert found.get(NAME) is expected


def test_the_process_says_nothing_of_what_it_cannot_ask() -> None:
    environ = {"DOMAINS": "example.org", "ACCOUNTS": "alice@example.org:wonderland"}
    settings = load(environ | {"DNS_SERVERS": NOBODY}, host=HostFacts(ipv6=False))
    asking = Asking(settings, (NAME,))
    while (found := asking.poll()) is None:
        asking._process.wait()
    assert asking._process.returncode == 0
    assert found == {}
