"""What clients read that a blocklist has, or that are not known to the greylist yet."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from filters.guard.blocklists import Blocklists
from filters.guard.greylisting import Greylisting
from filters.inbound_access import BlocklistAccess, GreylistAccess
from filters.mailauth.dns.resolver import StaticResolver
from filters.smtpd import Disconnect, Reject, Request, Session, Transaction, Verdict

ALICE, PUBLIC = "alice@example.org", "192.31.196.25"
NAT = frozenset({"192.31.196.27"})
GREETED = Request((0, 7), "connect", "s", "t", b"")
NAMED = Request((0, 7), "rcpt-to", "s", "t", ALICE.encode())


def arriving(client: str | None, sender: str) -> Session:
    transaction = Transaction("01234567", sender, [])
    return Session("s", client_address=client, helo="h.test", transaction=transaction)


class TestInbound:
    LISTED = StaticResolver(
        {
            "25.196.31.192.bl.test": {"A": ["127.0.0.2"], "TXT": ["spam\r\n250 ok"]},
            "27.196.31.192.bl.test": {"A": ["127.0.0.2"]},
            "far.test": {"TXT": ["v=spf1 ip4:192.31.196.0/24 -all"]},
        }
    )

    def greet(self, address: str | None) -> Verdict | None:
        access = BlocklistAccess(Blocklists(["bl.test"], self.LISTED), NAT)
        session = Session("s", client_address=address)
        return asyncio.run(access.reject_listed_client(session, GREETED))

    def test_a_listed_client_is_told_by_whom_and_why(self) -> None:
        verdict = self.greet(PUBLIC)
        assert isinstance(verdict, Disconnect)
        assert verdict.reply == f"554 5.7.1 {PUBLIC} is listed by bl.test: spam?250 ok"

    @pytest.mark.parametrize("client", ["192.31.196.27", "192.31.196.26", "10.0.0.1", None])
    def test_anybody_else_goes_on(self, client: str | None) -> None:
        assert self.greet(client) is None

    @pytest.mark.parametrize(
        ("client", "sender", "waits"),
        [
            (PUBLIC, "a@far.test", True),
            (PUBLIC, "", True),
            ("192.31.196.27", "a@far.test", False),
            ("10.0.0.1", "a@far.test", False),
            (None, "a@far.test", False),
        ],
    )
    def test_who_is_new_waits(
        self, tmp_path: Path, client: str | None, sender: str, waits: bool
    ) -> None:
        async def ask() -> Verdict | None:
            greylisting = Greylisting(tmp_path / "g.sqlite")
            access = GreylistAccess(greylisting, self.LISTED, unknown_clients=NAT)
            verdict = await access.defer_new_client(arriving(client, sender), NAMED)
            greylisting.finish()
            return verdict

        verdict = asyncio.run(ask())
        assert isinstance(verdict, Reject) == waits
        if isinstance(verdict, Reject):
            assert verdict.reply.startswith("451 4.7.1 greylisted")

    def test_spf_vouches_for_a_sender_with_many_hosts(self, tmp_path: Path) -> None:
        pytest.importorskip("spf")

        async def ask() -> None:
            now = 1_795_000_000.0
            greylisting = Greylisting(tmp_path / "g.sqlite", clock=lambda: now)
            zone = {"far.test": {"TXT": ["v=spf1 ip4:192.31.0.0/16 -all"]}}
            access = GreylistAccess(greylisting, StaticResolver(zone))
            for address, waits in (("192.31.1.1", True), ("192.31.2.2", False), (PUBLIC, False)):
                verdict = await access.defer_new_client(arriving(address, "a@far.test"), NAMED)
                assert isinstance(verdict, Reject) == waits
                now += 60
            forged = await access.defer_new_client(arriving("93.184.216.34", "a@far.test"), NAMED)
            assert isinstance(forged, Reject)
            greylisting.finish()

        asyncio.run(ask())
