"""The real resolver against a name server on the loopback interface, and one message's bounds."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from filters.mailauth.dns.resolver import (
    Answer,
    DnsResolver,
    DnsTemporaryError,
    Lookup,
    StaticResolver,
)

SOA = "example. 300 IN SOA ns.example. a.example. 1 2 3 4 60"
Reply = Callable[[dns.message.Message, bool], dns.message.Message | None]


class NameServer(asyncio.DatagramProtocol):
    """A name server with one way to reply; asked: the questions that arrived."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.asked: list[str] = []
        self.transport: asyncio.DatagramTransport

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def answer(self, data: bytes, over_tcp: bool) -> bytes | None:
        question = dns.message.from_wire(data)
        self.asked.append(question.question[0].to_text() + (" TCP" if over_tcp else ""))
        response = self.reply(question, over_tcp)
        return None if response is None else response.to_wire()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        wire = self.answer(data, over_tcp=False)
        if wire is not None:
            self.transport.sendto(wire, addr)

    async def stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(2), "big")
        wire = self.answer(await reader.readexactly(size), over_tcp=True) or b""
        writer.write(len(wire).to_bytes(2, "big") + wire)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def serving(reply: Reply) -> AsyncIterator[tuple[NameServer, int]]:
    server = NameServer(reply)
    loop = asyncio.get_running_loop()
    tcp = await asyncio.start_server(server.stream, "127.0.0.1", 0)
    port = tcp.sockets[0].getsockname()[1]
    await loop.create_datagram_endpoint(lambda: server, local_addr=("127.0.0.1", port))
    try:
        yield server, port
    finally:
        server.transport.close()
        tcp.close()
        await tcp.wait_closed()


def records(*texts: str, rcode: int = dns.rcode.NOERROR, authority: str = "") -> Reply:
    """Reply with these records, each `name ttl IN type data`."""

    def reply(question: dns.message.Message, _over_tcp: bool) -> dns.message.Message:
        response = dns.message.make_response(question)
        response.set_rcode(dns.rcode.Rcode(rcode))
        for section, lines in ((response.answer, texts), (response.authority, (authority,))):
            for line in filter(None, lines):
                name, ttl, rdclass, rdtype, data = line.split(" ", 4)
                rrset = dns.rrset.from_text(name, int(ttl), rdclass, rdtype, data)
                same = [r for r in section if r.match(rrset.name, rrset.rdclass, rrset.rdtype, 0)]
                if same:
                    same[0].update(rrset)  # type: ignore[no-untyped-call]
                else:
                    section.append(rrset)
        return response

    return reply


def run(reply: Reply, body: Callable[[DnsResolver, NameServer], Coroutine[Any, Any, Any]]) -> Any:
    async def main() -> Any:
        async with serving(reply) as (server, port):
            resolver = DnsResolver(
                ["127.0.0.1"], port=port, timeout=5, attempt_seconds=0.2, cache_size=4
            )
            try:
                return await body(resolver, server)
            finally:
                await resolver.close()

    return asyncio.run(main())


def ask(reply: Reply, rdtype: str = "TXT", name: str = "a.example") -> Answer:
    async def body(resolver: DnsResolver, _server: NameServer) -> Answer:
        return await resolver.query(name, rdtype)

    answer: Answer = run(reply, body)
    return answer


@pytest.mark.parametrize(
    ("rdtype", "line", "record"),
    [
        ("TXT", r'a.example. 60 IN TXT "one " "two\255"', b"one two\xff"),
        ("A", "a.example. 60 IN A 192.0.2.1", "192.0.2.1"),
        ("AAAA", "a.example. 60 IN AAAA 2001:DB8::1", "2001:db8::1"),
        ("MX", "a.example. 60 IN MX 10 mx.example.", (10, "mx.example")),
        ("MX", "a.example. 60 IN MX 0 .", (0, "")),
        ("PTR", "a.example. 60 IN PTR host.example.", "host.example"),
    ],
)
def test_a_record_of_each_type(rdtype: str, line: str, record: object) -> None:
    assert ask(records(line), rdtype) == Answer((record,))  # type: ignore[arg-type]


def test_aliases_are_followed() -> None:
    reply = records("a.example. 60 IN CNAME b.example.", 'b.example. 60 IN TXT "x"')
    assert ask(reply).texts == (b"x",)


def test_nothing_there_and_no_such_name_differ() -> None:
    assert ask(records(authority=SOA)) == Answer()
    assert ask(records(authority=SOA, rcode=dns.rcode.NXDOMAIN)) == Answer(nxdomain=True)


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED])
def test_a_server_that_fails_is_a_temporary_error(rcode: dns.rcode.Rcode) -> None:
    with pytest.raises(DnsTemporaryError, match=f"{rcode.name} for TXT of a.example"):
        ask(records(rcode=rcode))


def test_silence_is_a_temporary_error_after_two_questions() -> None:
    async def body(resolver: DnsResolver, server: NameServer) -> None:
        with pytest.raises(DnsTemporaryError, match="timed out for TXT of a"):
            await resolver.query("a.example", "TXT")
        assert len(server.asked) == 2

    run(lambda _question, _tcp: None, body)


def test_a_truncated_reply_is_asked_again_over_tcp() -> None:
    long = records('a.example. 60 IN TXT "long"')

    def reply(question: dns.message.Message, over_tcp: bool) -> dns.message.Message | None:
        if over_tcp:
            return long(question, over_tcp)
        response = dns.message.make_response(question)
        response.flags |= dns.flags.TC
        return response

    assert ask(reply).texts == (b"long",)


def test_a_server_that_knows_no_edns_is_asked_without() -> None:
    plain = records('a.example. 60 IN TXT "x"')

    def reply(question: dns.message.Message, over_tcp: bool) -> dns.message.Message | None:
        if question.edns < 0:
            return plain(question, over_tcp)
        response = dns.message.make_response(question)
        response.set_rcode(dns.rcode.FORMERR)
        return response

    assert ask(reply).texts == (b"x",)


def test_names_are_absolute_and_bytes() -> None:
    """P3 and P4: no search list, and a backslash escapes nothing."""

    async def body(resolver: DnsResolver, server: NameServer) -> list[str]:
        assert await resolver.query("nospf", "TXT") == Answer(nxdomain=True)
        assert await resolver.query(r"a\300", "TXT") == Answer(nxdomain=True)
        for name in ("a..example", "", ".", "x" * 64, "x." * 127 + "xx"):
            assert await resolver.query(name, "TXT") == Answer(nxdomain=True)
        return server.asked

    asked = run(records(rcode=dns.rcode.NXDOMAIN), body)
    assert asked == ["nospf. IN TXT", r"a\\300. IN TXT"]


@pytest.mark.parametrize(
    ("reply", "questions"),
    [
        (records('a.example. 60 IN TXT "x"'), 1),
        (records('a.example. 0 IN TXT "x"'), 2),
        (records(authority=SOA), 1),
        (records(), 2),
    ],
    ids=["positive", "no time to live", "negative", "negative without SOA"],
)
def test_the_cache_keeps_what_it_may(reply: Reply, questions: int) -> None:
    async def body(resolver: DnsResolver, server: NameServer) -> int:
        first = await resolver.query("a.example", "TXT")
        assert await resolver.query("A.Example.", "TXT") == first
        return len(server.asked)

    assert run(reply, body) == questions


def test_the_cache_keeps_failures_and_is_bounded() -> None:
    async def body(resolver: DnsResolver, server: NameServer) -> None:
        for name in ("a", "a", "b", "c", "d", "e", "a"):
            with pytest.raises(DnsTemporaryError):
                await resolver.query(name, "TXT")
        assert [asked[0] for asked in server.asked[::2]] == ["a", "b", "c", "d", "e", "a"]

    run(records(rcode=dns.rcode.SERVFAIL), body)


def test_the_same_question_at_once_is_asked_once() -> None:
    async def body(resolver: DnsResolver, server: NameServer) -> None:
        questions = [resolver.query("a.example", "TXT") for _ in range(5)]
        assert len(set(await asyncio.gather(*questions))) == 1
        assert len(server.asked) == 1

    run(records('a.example. 60 IN TXT "x"'), body)


def test_one_impatient_message_does_not_take_the_answer_from_another() -> None:
    held: list[Any] = []

    async def body(resolver: DnsResolver, server: NameServer) -> None:
        arrived = asyncio.Event()

        def reply(question: dns.message.Message, _over_tcp: bool) -> None:
            held.append(question)
            arrived.set()

        server.reply = reply
        impatient = asyncio.create_task(Lookup(resolver, seconds=5).query("a.example", "TXT"))
        patient = asyncio.create_task(resolver.query("a.example", "TXT"))
        await arrived.wait()
        impatient.cancel()
        server.reply = records('a.example. 60 IN TXT "x"')
        assert (await patient).texts == (b"x",)
        with pytest.raises(asyncio.CancelledError):
            await impatient

    run(lambda _question, _tcp: None, body)


def test_name_servers_must_be_addresses() -> None:
    with pytest.raises(ValueError, match="IP addresses"):
        DnsResolver(["ns.example"])


def test_what_is_in_the_cache_is_known_at_once() -> None:
    async def body(resolver: DnsResolver, _server: NameServer) -> None:
        assert resolver.cached("a.example", "TXT") is None
        assert resolver.cached("a..example", "TXT") == Answer(nxdomain=True)
        answer = await resolver.query("a.example", "TXT")
        assert resolver.cached("A.Example.", "TXT") is answer
        assert resolver.cached("a.example", "A") is None

    run(records('a.example. 60 IN TXT "x"'), body)


def test_a_failure_in_the_cache_is_known_too() -> None:
    async def body(resolver: DnsResolver, _server: NameServer) -> None:
        with pytest.raises(DnsTemporaryError):
            await resolver.query("a.example", "TXT")
        known = resolver.cached("a.example", "TXT")
        assert isinstance(known, DnsTemporaryError)
        assert known.reason == "SERVFAIL for TXT of a.example"

    run(records(rcode=dns.rcode.SERVFAIL), body)


def test_a_letter_outside_ascii_is_no_other_case_of_one_inside() -> None:
    kelvin = "\u212a.example"

    async def main() -> None:
        lookup = Lookup(StaticResolver({"k.example": {"TXT": ["x"]}}))
        assert (await lookup.query("K.example", "TXT")).texts == (b"x",)
        assert lookup.cached("k.example", "TXT") is not None
        assert lookup.cached(kelvin, "TXT") is None

    asyncio.run(main())


class Silent:
    """A resolver that never answers."""

    def __init__(self) -> None:
        self.asked = 0

    async def query(self, name: str, rdtype: str) -> Answer:
        self.asked += 1
        await asyncio.get_running_loop().create_future()
        raise AssertionError


def test_one_deadline_holds_over_all_questions() -> None:
    """P1: what waits counts too, and afterwards nothing is asked any more."""

    async def main() -> None:
        silent = Silent()
        lookup = Lookup(silent, seconds=0.05)
        loop = asyncio.get_running_loop()
        started = loop.time()
        for name in ("a", "b", "c", "d"):
            with pytest.raises(DnsTemporaryError, match=r"within the message's 0\.05 s"):
                await lookup.query(name, "TXT")
        assert loop.time() - started < 2
        assert silent.asked == 1

    asyncio.run(main())


def test_the_budget_counts_different_questions() -> None:
    async def main() -> None:
        zone = StaticResolver({"a": {"TXT": ["x"]}})
        lookup = Lookup(zone, queries=2)
        for name in ("a", "A.", "a", "b"):
            await lookup.query(name, "TXT")
        with pytest.raises(DnsTemporaryError, match="more DNS look-ups"):
            await lookup.query("c", "TXT")
        assert (await lookup.query("a", "TXT")).texts == (b"x",)
        assert zone.asked == [("a", "TXT"), ("b", "TXT")]

    asyncio.run(main())


class Knowing:
    """A resolver that knows every answer."""

    def cached(self, name: str, rdtype: str) -> Answer:
        return Answer((b"x",))

    async def query(self, name: str, rdtype: str) -> Answer:
        raise AssertionError


def test_the_budget_counts_what_others_have_asked_before() -> None:
    """What becomes of a message must not depend on the mail before it."""

    async def main() -> None:
        lookup = Lookup(Knowing(), queries=2)
        for name in ("a", "A.", "a", "b"):
            assert (await lookup.query(name, "TXT")).texts == (b"x",)
        assert isinstance(lookup.cached("c", "TXT"), DnsTemporaryError)
        with pytest.raises(DnsTemporaryError, match="more DNS look-ups"):
            await lookup.query("c", "TXT")
        assert (await lookup.query("a", "TXT")).texts == (b"x",)

    asyncio.run(main())


def test_what_failed_once_fails_again_at_once() -> None:
    async def main() -> None:
        zone = StaticResolver({"a": "TIMEOUT"})
        lookup = Lookup(zone)
        for _ in range(2):
            with pytest.raises(DnsTemporaryError, match="timed out"):
                await lookup.query("a", "TXT")
        assert len(zone.asked) == 1

    asyncio.run(main())


@pytest.mark.parametrize(
    "zone",
    [{"a": 1}, {"a": "NXDOMAIN"}, {"a": {"SOA": []}}, {"a": {"MX": ["x"]}}, {"a": {"TXT": [1]}}],
)
def test_a_zone_that_is_none_is_refused(zone: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="zone: "):
        StaticResolver(zone)
