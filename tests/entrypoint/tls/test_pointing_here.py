"""Which names lead to an address of the host's, by DNS as a value; and who asks it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from entrypoint.config.environ import load
from entrypoint.config.settings import HostFacts
from entrypoint.tls.pointing_here import DnsQuestion, pointing_here
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
    found = asyncio.run(pointing_here(HOST, [NAME, HOST], StaticResolver(OURS | zone)))
    assert found.get(NAME) is expected


def asked(port: int, end: Callable[[], None] = lambda: None) -> Mapping[str, bool]:
    """What is known in the end; meanwhile other work goes on, a step of which is `end`."""
    environ = {"DOMAINS": "example.org", "ACCOUNTS": "alice@example.org:wonderland"}
    settings = load(environ | {"DNS_SERVERS": NOBODY}, host=HostFacts(ipv6=False))

    async def ask() -> Mapping[str, bool]:
        asking = DnsQuestion(settings, (NAME,), port)
        while (found := asking.poll()) is None:
            end()
            await asyncio.sleep(0)
        return found

    return asyncio.run(ask())


def test_nothing_is_known_where_nobody_can_be_asked() -> None:
    assert asked(53) == {}


def test_a_silent_name_server_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("entrypoint.tls.pointing_here._MOST_SECONDS", 0.5)
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((NOBODY, 0))
        assert asked(silent.getsockname()[1], step) == {}
    assert steps > 100
