"""What the servers of a zone say of a key: each alone, and all together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from entrypoint.dkim_keys.expected_key import ExpectedKey
from entrypoint.dkim_keys.model import Observation
from entrypoint.dkim_keys.publication import judge, observe
from entrypoint.dns_records import key_record
from entrypoint.probe import authoritative
from entrypoint.probe.authoritative import TxtReply
from filters.mailauth.dkim.signing_key import SigningKey
from filters.mailauth.dns.resolver import StaticResolver

from .name_servers import SERVERS, ZONE, AuthorityServer, serving

KEY = SigningKey(ZONE, "mail", "rsa-sha256", rsa.generate_private_key(65537, 2048))
EDWARDS = SigningKey(ZONE, "mail", "ed25519-sha256", ed25519.Ed25519PrivateKey.generate())
OTHER = SigningKey(ZONE, "mail", "rsa-sha256", rsa.generate_private_key(65537, 2048))
RECORD, OTHERS = key_record(KEY).value.encode(), key_record(OTHER).value.encode()
HERE, NONE = TxtReply((RECORD,)), TxtReply()
NAME = f"mail._domainkey.{ZONE}"

DNS: dict[str, object] = {
    ZONE: {"NS": list(SERVERS)},
    **{name: {"A": [address]} for name, address in SERVERS.items()},
    "provider.test": {"NS": ["ns.provider.test"]},
    "ns.provider.test": {"A": ["127.0.0.63"]},
}


def both(first: TxtReply, second: TxtReply = HERE) -> dict[tuple[str, str], TxtReply]:
    return {("127.0.0.61", NAME): first, ("127.0.0.62", NAME): second}


def look(
    said: Mapping[tuple[str, str], TxtReply],
    key: SigningKey = KEY,
    zone: Mapping[str, object] = DNS,
) -> tuple[str, str]:
    async def ask(address: str, name: str) -> TxtReply:
        return said.get((address, name), TxtReply(trouble="no answer"))

    seen = asyncio.run(observe(ExpectedKey.of(key), StaticResolver(zone), ask))
    return seen.answer, seen.detail


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        pytest.param(both(HERE), ("served", ""), id="right"),
        pytest.param(
            *(both(NONE, NONE), ("missing", "no name server of the zone has the record yet")),
            id="late",
        ),
        pytest.param(
            *(both(NONE), ("partial", "ns1.example.net has no such record")), id="partial"
        ),
        pytest.param(
            *(both(TxtReply((OTHERS,))), ("wrong", "ns1.example.net has another key")), id="wrong"
        ),
        pytest.param(
            both(TxtReply((RECORD, OTHERS)), NONE),
            (
                "wrong",
                "ns1.example.net has 2 records, and there must be one; "
                "ns2.example.net has no such record",
            ),
            id="wrong here, missing there",
        ),
        pytest.param(
            both(HERE, TxtReply(trouble="no answer")),
            ("unreachable", "ns2.example.net cannot be asked: no answer"),
            id="unreachable",
        ),
        pytest.param(
            both(TxtReply(trouble="no answer"), NONE),
            (
                "missing",
                "ns1.example.net cannot be asked: no answer; ns2.example.net has no such record",
            ),
            id="missing, as far as anybody answers",
        ),
        pytest.param(
            both(TxtReply(alias="k.provider.test"), TxtReply(alias="k.provider.test"))
            | {("127.0.0.63", "k.provider.test"): HERE},
            ("served", ""),
            id="an alias into another zone",
        ),
        pytest.param(
            both(TxtReply(alias="k.provider.test"))
            | {("127.0.0.63", "k.provider.test"): TxtReply((OTHERS,))},
            (
                "wrong",
                f"{NAME} is an alias of k.provider.test: ns.provider.test has another key",
            ),
            id="an alias to another key",
        ),
        pytest.param(
            both(TxtReply(referral=("ns.provider.test",)), TxtReply(referral=("ns.provider.test",)))
            | {("127.0.0.63", NAME): HERE},
            ("served", ""),
            id="a zone of its own below _domainkey",
        ),
    ],
)
def test_all_servers_together(
    said: Mapping[tuple[str, str], TxtReply], seen: tuple[str, str]
) -> None:
    assert look(said) == seen


def test_an_alias_to_itself_comes_to_an_end() -> None:
    asked = []

    async def ask(address: str, name: str) -> TxtReply:
        asked.append(name)
        return TxtReply(alias=NAME)

    seen = asyncio.run(observe(ExpectedKey.of(KEY), StaticResolver(DNS), ask))
    assert seen == Observation("wrong", f"{NAME} is in an alias loop")
    assert len(asked) == 12  # two servers, six times


@pytest.mark.parametrize(
    ("zone", "seen"),
    [
        ({}, ("unknown", f"no name server of {ZONE} is known")),
        ({ZONE: "SERVFAIL"}, ("unknown", f"SERVFAIL for NS of {ZONE}")),
        (
            {"org": {"NS": ["ns1.example.net"]}, "ns1.example.net": {"A": ["127.0.0.61"]}},
            ("served", ""),
        ),
        (
            {ZONE: {"NS": ["ns1.example.net", "gone.example.net"]}}
            | {"ns1.example.net": DNS["ns1.example.net"]},
            ("unreachable", "gone.example.net cannot be asked: it has no address"),
        ),
        # An address that cannot be reached from here is no server that fails.
        (
            {
                ZONE: {"NS": ["ns1.example.net"]},
                "ns1.example.net": {"A": ["127.0.0.61"], "AAAA": ["2001:db8::61"]},
            },
            ("served", ""),
        ),
    ],
)
def test_whom_to_ask(zone: Mapping[str, object], seen: tuple[str, str]) -> None:
    assert look(both(HERE), zone=zone) == seen


def test_the_resolver_is_not_asked_for_what_is_not_there_yet() -> None:
    """It would remember that, and verifiers use it, too."""
    resolver = StaticResolver(DNS)

    async def ask(address: str, name: str) -> TxtReply:
        return NONE

    asyncio.run(observe(ExpectedKey.of(KEY), resolver, ask))
    assert not [name for name, _ in resolver.asked if "_domainkey" in name]


@pytest.mark.parametrize(
    ("key", "texts", "seen"),
    [
        (KEY, [RECORD], Observation("served")),
        (KEY, [RECORD.replace(b"; ", b";")], Observation("served")),
        (KEY, [RECORD.replace(b"k=rsa; ", b"")], Observation("served")),
        (EDWARDS, [key_record(EDWARDS).value.encode()], Observation("served")),
        (KEY, [], Observation("missing", "has no such record")),
        (KEY, [OTHERS], Observation("wrong", "has another key")),
        (
            KEY,
            [b"v=DKIM1; p="],
            Observation("wrong", "has a record that is no use: the key is revoked"),
        ),
        (
            KEY,
            [RECORD[:255]],
            Observation(
                "wrong",
                "has a record that is no use: the key record's p= is no key "
                "(it was cut at 255 characters)",
            ),
        ),
        (
            EDWARDS,
            [RECORD],
            Observation(
                "wrong",
                "has a record that is no use: the key record's k= is not the kind of key of the "
                "signature's a=",
            ),
        ),
    ],
)
def test_one_server_s_records(key: SigningKey, texts: Sequence[bytes], seen: Observation) -> None:
    assert judge(texts, ExpectedKey.of(key)) == seen


class TestOneServer:
    """The question itself, over the network."""

    @pytest.fixture
    def server(self) -> Iterator[AuthorityServer]:
        with serving() as servers:
            yield servers["ns1.example.net"]

    def ask(self, server: AuthorityServer) -> TxtReply:
        return asyncio.run(authoritative.ask("127.0.0.61", NAME, port=server.port, seconds=0.2))

    def test_its_records(self, server: AuthorityServer) -> None:
        server.publish(key_record(KEY).zone_line(), f'{NAME}. IN TXT "a" "b"')
        assert set(self.ask(server).texts) == {RECORD, b"ab"}

    def test_none(self, server: AuthorityServer) -> None:
        server.publish(f"{ZONE}. IN NS ns1.example.net.")
        assert self.ask(server) == TxtReply()

    def test_an_alias_within_the_zone_is_followed(self, server: AuthorityServer) -> None:
        server.publish(f"{NAME}. IN CNAME k.{ZONE}.", f'k.{ZONE}. IN TXT "a"')
        assert self.ask(server) == TxtReply((b"a",))

    def test_an_alias_out_of_the_zone(self, server: AuthorityServer) -> None:
        server.publish(f"{NAME}. IN CNAME k.provider.test.")
        assert self.ask(server) == TxtReply(alias="k.provider.test")

    @pytest.mark.parametrize(
        ("manner", "trouble"),
        [
            ("refused", "it answers REFUSED"),
            ("lame", "it does not know the zone"),
            ("silent", "no answer"),
        ],
    )
    def test_no_answer(self, server: AuthorityServer, manner: str, trouble: str) -> None:
        server.publish(key_record(KEY).zone_line())
        server.manner = manner
        assert self.ask(server) == TxtReply(trouble=trouble)

    def test_a_referral(self, server: AuthorityServer) -> None:
        server.manner = "refers"
        assert self.ask(server) == TxtReply(referral=("ns2.example.net",))

    def test_nobody_there(self, server: AuthorityServer) -> None:
        reply = asyncio.run(authoritative.ask("127.0.0.64", NAME, port=server.port, seconds=0.2))
        assert reply.trouble
