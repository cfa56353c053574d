"""How questions travel: which replies count, how many ports, who is asked, what is left behind.

The server here is on the loopback interface and deals in bytes; its answers are test_client.py's.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import dns.message
import dns.rrset
import pytest

from filters.mailauth.dns import wire as dns_wire
from filters.mailauth.dns.name_server import NameServer
from filters.mailauth.dns.resolver import Answer, DnsResolver, DnsTemporaryError

Datagrams = Callable[[bytes], list[bytes]]
NAMES = [f"n{number}.example" for number in range(200)]


def answer(query: bytes) -> bytes:
    """A reply to a query, with the text "yes"."""
    response = dns.message.make_response(dns.message.from_wire(query))
    name = response.question[0].name
    response.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", '"yes"'))
    return response.to_wire()


def silence(_query: bytes) -> list[bytes]:
    return []


def promptly(query: bytes) -> list[bytes]:
    return [answer(query)]


class Server(asyncio.DatagramProtocol):
    """A name server. asked: each query that arrived and the port that it came from."""

    def __init__(self, reply: Datagrams) -> None:
        self.reply = reply
        self.asked: list[tuple[bytes, int]] = []
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.asked.append((data, addr[1]))
        for reply in self.reply(data):
            self.transport.sendto(reply, addr)

    @property
    def ports(self) -> set[int]:
        return {port for _data, port in self.asked}

    async def heard(self, number: int) -> None:
        """Wait until so many queries are there."""
        async with asyncio.timeout(10):
            while len(self.asked) < number:
                await asyncio.sleep(0)


async def listen(reply: Datagrams, address: str = "127.0.0.1", port: int = 0) -> Server:
    server = Server(reply)
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: server, local_addr=(address, port))
    return server


def port_of(server: Server) -> int:
    number: int = server.transport.get_extra_info("sockname")[1]
    return number


def run(reply: Datagrams, body: Callable[[Server, NameServer], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        server = await listen(reply)
        try:
            return await body(server, NameServer("127.0.0.1", port_of(server)))
        finally:
            server.transport.close()

    return asyncio.run(main())


def asked(name: str, rdtype: str = "TXT") -> bytes:
    return dns_wire.question(tuple(name.encode().split(b".")), rdtype)


def changed(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


# What a forger, or a server that is confused, may send; made from the right reply.
WRONG: dict[str, Callable[[bytes], bytes]] = {
    "another id": lambda right: changed(right, 0, bytes([right[0] ^ 1])),
    "a query": lambda right: changed(right, 2, b"\x01"),
    "another operation": lambda right: changed(right, 2, b"\x90"),
    "another name": lambda right: right.replace(b"\x07example", b"\x07exbmple"),
    "another type": lambda right: changed(right, 12 + len(asked("a.example")) - 3, b"\x01"),
    "no question": lambda right: changed(right, 4, b"\x00\x00"),
    "two questions": lambda right: changed(right, 4, b"\x00\x02"),
    "an id alone": lambda right: right[:2],
    "a header cut short": lambda right: right[:11],
    "a question cut short": lambda right: right[: 11 + len(asked("a.example"))],
    "nothing": lambda _right: b"",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_reply_that_does_not_belong_is_passed_over(wrong: str) -> None:
    async def body(server: Server, name_server: NameServer) -> None:
        with pytest.raises(TimeoutError):
            await name_server.ask(asked("a.example"), 0.05)
        server.reply = lambda query: [WRONG[wrong](answer(query)), answer(query)]
        reply = await name_server.ask(asked("a.example"), 5)
        assert dns_wire.read(reply, "TXT")[1] == Answer((b"yes",))

    run(lambda query: [WRONG[wrong](answer(query))], body)


@pytest.mark.parametrize("wrong", [name for name in WRONG if name != "another id"])
def test_what_belongs_to_a_question(wrong: str) -> None:
    right = answer(dns_wire.query(b"ab", asked("a.example")))
    assert dns_wire.belongs(right, asked("a.example"))
    assert not dns_wire.belongs(WRONG[wrong](right), asked("a.example"))


def test_case_does_not_matter_in_a_reply() -> None:
    async def body(_server: Server, name_server: NameServer) -> None:
        await name_server.ask(asked("a.example"), 5)

    run(lambda query: [answer(query).replace(b"\x07example", b"\x07EXAMPLE")], body)


def test_a_reply_from_elsewhere_never_arrives() -> None:
    async def body(server: Server, name_server: NameServer) -> None:
        forger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        question = asyncio.create_task(name_server.ask(asked("a.example"), 0.1))
        await server.heard(1)
        query, port = server.asked[0]
        with forger:
            forger.sendto(answer(query), ("127.0.0.1", port))
        with pytest.raises(TimeoutError):
            await question

    run(silence, body)


def test_many_questions_share_a_few_ports_and_none_an_id() -> None:
    async def body(server: Server, name_server: NameServer) -> None:
        questions = [asyncio.create_task(name_server.ask(asked(name), 60)) for name in NAMES]
        await server.heard(len(NAMES))
        # 64 questions a port.
        assert len(server.ports) == 4
        assert len({(data[:2], port) for data, port in server.asked}) == len(NAMES)
        for question in questions:
            question.cancel()
        await asyncio.gather(*questions, return_exceptions=True)

    run(silence, body)


def test_a_port_that_heard_a_wrong_reply_takes_no_further_question() -> None:
    async def body(server: Server, name_server: NameServer) -> None:
        async def ask(name: str) -> asyncio.Task[bytes]:
            before = len(server.asked)
            task = asyncio.create_task(name_server.ask(asked(name), 60))
            await server.heard(before + 1)
            return task

        tasks = [await ask("a.example"), await ask("b.example")]
        assert len(server.ports) == 1
        server.reply = lambda query: [WRONG["another id"](answer(query)), answer(query)]
        answered = await ask("c.example")
        await answered
        server.reply = silence
        tasks.append(await ask("d.example"))
        assert [port for _data, port in server.asked[:3]] == [server.asked[0][1]] * 3
        assert server.asked[3][1] != server.asked[0][1]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(silence, body)


def test_ports_are_closed_when_nobody_waits() -> None:
    def descriptors() -> int:
        return len(list(Path("/dev/fd").iterdir()))

    async def body(server: Server, _name_server: NameServer) -> None:
        before = descriptors()
        resolver = DnsResolver(["127.0.0.1"], port=port_of(server), timeout=60, attempt_seconds=60)
        messages = [asyncio.create_task(resolver.query(name, "TXT")) for name in NAMES]
        await server.heard(len(NAMES))
        assert descriptors() > before
        for message in messages:
            message.cancel()
        await asyncio.gather(*messages, return_exceptions=True)
        # Others might have joined: a question goes on without those who asked it.
        assert descriptors() > before
        await resolver.close()
        assert descriptors() == before

        server.reply = promptly
        resolver = DnsResolver(["127.0.0.1"], port=port_of(server))
        await asyncio.gather(*(resolver.query(name, "TXT") for name in NAMES))
        assert descriptors() == before

    run(silence, body)


def test_a_silent_server_is_asked_twice_and_later_last() -> None:
    async def body(silent: Server, _name_server: NameServer) -> None:
        good = await listen(promptly, "127.0.0.2", port_of(silent))
        resolver = DnsResolver(
            ["127.0.0.1", "127.0.0.2"], port=port_of(silent), attempt_seconds=0.02
        )
        for name in NAMES[:10]:
            assert (await resolver.query(name, "TXT")).texts == (b"yes",)
        assert (len(silent.asked), len(good.asked)) == (4, 10)
        # One reply, and it is as good as the others.
        silent.reply, good.reply = promptly, silence
        assert (await resolver.query(NAMES[10], "TXT")).texts == (b"yes",)
        assert (await resolver.query(NAMES[11], "TXT")).texts == (b"yes",)
        assert (len(silent.asked), len(good.asked)) == (6, 11)
        silent.reply = silence
        with pytest.raises(DnsTemporaryError, match="timed out"):
            await resolver.query(NAMES[12], "TXT")
        assert (len(silent.asked), len(good.asked)) == (8, 13)
        good.transport.close()

    run(silence, body)


def test_where_nobody_listens_the_next_is_asked_at_once() -> None:
    async def body(server: Server, _name_server: NameServer) -> None:
        resolver = DnsResolver(
            ["127.0.0.2", "127.0.0.1"], port=port_of(server), attempt_seconds=60, timeout=60
        )
        assert (await resolver.query("a.example", "TXT")).texts == (b"yes",)
        server.transport.close()
        await asyncio.sleep(0)
        with pytest.raises(DnsTemporaryError, match="no name server could be reached"):
            await resolver.query("b.example", "TXT")

    run(promptly, body)


def test_a_reply_that_cannot_be_read_is_a_temporary_error() -> None:
    async def body(server: Server, _name_server: NameServer) -> None:
        resolver = DnsResolver(["127.0.0.1"], port=port_of(server))
        with pytest.raises(DnsTemporaryError, match="a DNS reply that cannot be used"):
            await resolver.query("a.example", "TXT")

    run(lambda query: [answer(query)[:-1]], body)
