"""ARC sets of ours and of Mail::DKIM in one chain: each verifies what the other sealed.

RSA only: Mail::DKIM has no ARC with Ed25519.
"""

from __future__ import annotations

import asyncio

import pytest

from filters.mailauth.arc.seal import seal
from filters.mailauth.arc.verify import verify
from filters.mailauth.auth_results import MethodResult, format_field
from filters.mailauth.dkim.signing_key import SigningKey, load_signing_key, public_record
from filters.mailauth.dns.resolver import StaticResolver
from filters.mailauth.message import Message
from filters.mailauth.results import ArcResult

from .harness.messages import key_pair, letter
from .harness.shell import fresh
from .harness.world import World

DOMAIN = "outside.test"
BODIES = {
    "plain": b"Hello.  \r\n\r\n\r\n",
    "empty": b"",
    "8-bit": b"\xe4\xff\r\n.one dot\r\n",
    "no line end": b"bye",
}


class Hop:
    """Both sealers, with one key that is published."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.selector = fresh("arc")
        self.private, record = key_pair()
        name = f"{self.selector}._domainkey.{DOMAIN}"
        world.ns.publish(DOMAIN, f"{name}. 1 IN TXT {record}")
        self.key: SigningKey = load_signing_key(DOMAIN, self.selector, self.private)
        self.zone = StaticResolver({name: {"TXT": [public_record(self.key)]}})

    def check(self, message: bytes) -> ArcResult:
        """What we say of the message's chain."""
        return asyncio.run(verify(Message(message), self.zone))

    def ours(self, message: bytes) -> bytes:
        """The message with a set of ours in front."""
        arc_set = seal(
            Message(message),
            chain=self.check(message),
            authserv_id=DOMAIN,
            results=self.results(message),
            key=self.key,
        )
        return arc_set + message

    def theirs(self, message: bytes) -> bytes:
        """The message with a set of Mail::DKIM's in front."""
        found = format_field(DOMAIN, self.results(message))
        self.world.exec_client("sh", "-c", "cat > /tmp/arc.pem", stdin=self.private)
        command = ("arc-seal", DOMAIN, self.selector, "/tmp/arc.pem", self.check(message).result)
        return self.world.exec_client(*command, stdin=found + message).replace(found, b"", 1)

    def results(self, message: bytes) -> list[MethodResult]:
        """What the hop saw."""
        sender = (("smtp.mailfrom", f"someone@{DOMAIN}"),)
        return [
            MethodResult("spf", "pass", "with; a reason", "and a comment", sender),
            MethodResult("dkim", "pass", properties=(("header.b", "a/b+c="),)),
            MethodResult("arc", self.check(message).result),
        ]


@pytest.fixture(scope="module")
def hop(world: World) -> Hop:
    return Hop(world)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
@pytest.mark.parametrize("first", [Hop.ours, Hop.theirs], ids=["ours first", "theirs first"])
def test_a_chain_of_both_passes_for_both(
    world: World, hop: Hop, first: object, body: bytes
) -> None:
    message = letter(f"someone@{DOMAIN}", body=body)
    sealers = [Hop.ours, Hop.theirs] * 2
    for number, sealer in enumerate(sealers if first is Hop.ours else reversed(sealers), 1):
        message = sealer(hop, message)
        found = hop.check(message)
        assert (found.result, found.instances, found.reason) == ("pass", number, "")
        assert found.results[0].properties == (("smtp.mailfrom", f"someone@{DOMAIN}"),)
        assert world.verify_arc(message) == "pass"
    changed = message.replace(b"Subject: Hello", b"Subject: Hullo")
    assert hop.check(changed).result == "fail"
    assert world.verify_arc(changed) == "fail"


def test_a_chain_that_failed_is_failed_for_both_from_then_on(world: World, hop: Hop) -> None:
    message = hop.ours(letter(f"someone@{DOMAIN}")).replace(b"Hello.", b"Hullo.")
    message = hop.ours(message)
    assert hop.check(message).reason == "the newest ARC-Seal says cv=fail"
    assert world.verify_arc(message) == "fail"
    assert hop.ours(message) == message
