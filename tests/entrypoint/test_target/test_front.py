"""Port 1025, between a client and an smtpd that records what it is told."""

import asyncio
import base64
import smtplib
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from entrypoint.test_target.front import Front, proxy_header
from entrypoint.test_target.front_session import FrontRules, FrontSession
from tests.entrypoint.certificates import Authority

PLAIN = base64.b64encode(b"\0me\0pw").decode()


class RecordingSmtpd:
    """said: what came, without the PROXY header.

    early: what it says at a line that begins with a dot, and closes; None: it waits for the end.
    """

    def __init__(self) -> None:
        self.headers: list[bytes] = []
        self.said: list[bytes] = []
        self.early: bytes | None = None
        self.message_reply = b"250 2.0.0 stored\r\n"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._converse(reader, writer)
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readexactly(16)
        self.headers.append(head + await reader.readexactly(int.from_bytes(head[14:], "big")))
        writer.write(b"220-mail.example.org\r\n220 ready\r\n")
        while line := await reader.readline():
            self.said.append(line)
            verb = line.strip().upper()
            if verb.startswith(b"EHLO"):
                writer.write(b"250-mail.example.org\r\n250-8BITMIME\r\n250 HELP\r\n")
            elif verb == b"DATA":
                writer.write(b"354 go\r\n")
                while self.said[-1] not in (b".\r\n", b""):
                    part = await reader.readline()
                    self.said.append(part)
                    if self.early is not None and part.startswith(b"."):
                        writer.write(self.early)
                        return
                writer.write(self.message_reply)
            elif verb == b"QUIT":
                writer.write(b"221 bye\r\n")
            else:
                writer.write(b"250 ok\r\n")


class RunningFront:
    """In a thread of its own."""

    def __init__(self, folder: Path, *, needs_tls: bool = False, needs_login: bool = False) -> None:
        self._needs_tls, self._needs_login = needs_tls, needs_login
        self.smtpd = RecordingSmtpd()
        self.changes: list[tuple[str, str, str]] = []
        self.ended = 0
        self.fault: str | None = None
        self.front: Front
        self.loop = asyncio.new_event_loop()
        self._started = threading.Event()
        authority = Authority.make(folder)
        self.trust = authority.trust()
        self._context = authority.server("localhost", datetime.now(UTC) + timedelta(days=1))
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "RunningFront":
        self._thread.start()
        assert self._started.wait(20)
        return self

    def __exit__(self, *error: object) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._serve())
        self.loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        smtpd = await asyncio.start_server(self.smtpd.serve, "127.0.0.1", 0)
        rules = FrontRules(
            accepts=self._accepts,
            tls=self._context,
            changed=self._changed,
            ended=self._ended,
            auth_fault=self._fault,
            needs_tls=self._needs_tls,
            needs_login=self._needs_login,
        )
        place: tuple[str, int] = smtpd.sockets[0].getsockname()
        self.front = Front(place, rules)
        listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = listener.getsockname()[1]
        server = await self.front.start(listener)
        self._started.set()
        await self._stop.wait()
        server.close()
        smtpd.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for _ in range(3):
            await asyncio.sleep(0)  # transports close in the loop's next turn

    async def _accepts(self, login: str, password: str) -> bool:
        return password == "pw"

    async def _changed(self, session: FrontSession) -> None:
        self.changes.append((session.tls, session.cipher, session.login))

    def _ended(self, session: FrontSession) -> None:
        self.ended += 1

    async def _fault(self, session: FrontSession, login: str) -> str | None:
        return self.fault

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 20)


@pytest.fixture
def front(tmp_path: Path) -> Iterator[RunningFront]:
    with RunningFront(tmp_path) as front:
        yield front


class Client:
    """Says bytes, and reads whole replies."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._file = connection.makefile("rb")

    def say(self, data: bytes) -> bytes:
        self.connection.sendall(data)
        return self.reply()

    def reply(self) -> bytes:
        reply = b""
        while True:
            line = self._file.readline()
            reply += line
            if line[3:4] != b"-":
                return reply

    def close(self) -> None:
        self._file.close()
        self.connection.close()


@pytest.fixture
def client(front: RunningFront) -> Iterator[Client]:
    client = Client(front.connect())
    assert client.reply() == b"220-mail.example.org\r\n220 ready\r\n"
    yield client
    client.close()


def test_smtpd_is_told_the_clients_address_and_port(front: RunningFront, client: Client) -> None:
    here = client.connection.getsockname()
    assert front.smtpd.headers == [proxy_header(here, ("127.0.0.1", front.port))]


@pytest.mark.parametrize(
    ("client", "server", "family"),
    [
        (("192.0.2.1", 1), ("192.0.2.2", 2), b"\x11"),
        (("2001:db8::1", 1), ("2001:db8::2", 2), b"\x21"),
    ],
)
def test_the_proxy_header(client: tuple[str, int], server: tuple[str, int], family: bytes) -> None:
    header = proxy_header(client, server)
    assert header[:12] == b"\r\n\r\n\0\r\nQUIT\n"
    assert header[12:14] == b"\x21" + family
    assert len(header) == 16 + int.from_bytes(header[14:16], "big")
    assert header[-4:] == b"\0\x01\0\x02"


def test_auth_and_starttls_are_offered_until_they_are_used(client: Client) -> None:
    assert client.say(b"EHLO a\r\n") == (
        b"250-mail.example.org\r\n250-8BITMIME\r\n250-HELP\r\n"
        b"250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n"
    )
    assert client.say(f"AUTH PLAIN {PLAIN}\r\n".encode()) == b"235 2.7.0 logged in\r\n"
    again = client.say(b"EHLO a\r\n")
    assert b"AUTH" not in again
    assert b"STARTTLS" in again


@pytest.mark.parametrize(
    ("dialogue", "reply"),
    [
        ([f"AUTH PLAIN {PLAIN}"], b"235"),
        ([f"auth plain {PLAIN}"], b"235"),
        (["AUTH PLAIN", PLAIN], b"235"),
        (
            ["AUTH LOGIN", base64.b64encode(b"me").decode(), base64.b64encode(b"pw").decode()],
            b"235",
        ),
        ([f"AUTH LOGIN {base64.b64encode(b'me').decode()}", "cHc="], b"235"),
        (["AUTH PLAIN " + base64.b64encode(b"\0me\0wrong").decode()], b"535"),
        (["AUTH PLAIN *"], b"501"),
        (["AUTH PLAIN " + base64.b64encode(b"me").decode()], b"501"),
        (["AUTH PLAIN " + base64.b64encode(b"\0\xff\0pw").decode()], b"501"),
        (["AUTH LOGIN", "*"], b"501"),
        (["AUTH CRAM-MD5"], b"504"),
        (["AUTH"], b"504"),
        ([f"AUTH PLAIN {PLAIN}", f"AUTH PLAIN {PLAIN}"], b"503"),
    ],
)
def test_logins(front: RunningFront, client: Client, dialogue: list[str], reply: bytes) -> None:
    for line in dialogue:
        said = client.say(f"{line}\r\n".encode())
    assert said.startswith(reply)
    # smtpd hears nothing of a password, and the session goes on.
    assert front.smtpd.said == []
    assert client.say(b"NOOP\r\n") == b"250 ok\r\n"
    sessions = list(front.front.sessions.values())
    assert [each.login for each in sessions] == ["me" if reply in (b"235", b"503") else ""]
    assert (("", "", "me") in front.changes) == (reply in (b"235", b"503"))


def test_tls_begins_anew_and_what_was_said_before_is_forgotten(front: RunningFront) -> None:
    plain = Client(front.connect())
    plain.reply()
    plain.say(f"AUTH PLAIN {PLAIN}\r\n".encode())
    assert plain.say(b"STARTTLS\r\nMAIL FROM:<injected@x>\r\n") == b"220 2.0.0 go ahead\r\n"
    with front.trust.wrap_socket(plain.connection, server_hostname="localhost") as link:
        client = Client(link)
        reply = client.say(b"EHLO b\r\n")
        assert b"STARTTLS" not in reply
        assert b"AUTH" in reply
        assert b"STARTTLS" not in client.say(b"EHLO b\r\n")
        assert client.say(b"STARTTLS\r\n") == b"250 ok\r\n"  # smtpd's answer
        session = next(iter(front.front.sessions.values()))
        assert (session.tls, session.login) == ("TLSv1.3", "")
        assert session.cipher.startswith("TLS_")
        assert front.changes[-1] == (session.tls, session.cipher, "")
        client.close()
    assert not any(b"injected" in line for line in front.smtpd.said)
    plain.close()


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (b"MAIL FROM:<a@b> AUTH=<>\r\n", b"MAIL FROM:<a@b>\r\n"),
        (
            b"mail from:<a@b> SIZE=10 auth=me BODY=8BITMIME\r\n",
            b"mail from:<a@b> SIZE=10 BODY=8BITMIME\r\n",
        ),
        (b"MAIL FROM:<a@b>\n", b"MAIL FROM:<a@b>\r\n"),
        (b"RCPT TO:<a AUTH=b@c>\r\n", b"RCPT TO:<a AUTH=b@c>\r\n"),
        (b"\xff\0|\r\r\n", b"\xff\0|\r\r\n"),
        (b"\r\n", b"\r\n"),
    ],
)
def test_other_commands_go_on_as_they_are(
    front: RunningFront, client: Client, written: bytes, told: bytes
) -> None:
    assert client.say(written) == b"250 ok\r\n"
    assert front.smtpd.said == [told]


@pytest.mark.parametrize("step", [1, 3, 10_000], ids=["bytes", "threes", "at once"])
@pytest.mark.parametrize(
    "message",
    [
        b"Subject: x\r\n\r\nbody\r\n.\r\n",
        b".\r\n",
        b"..\r\n.a\r\n\n.\n\r\n \r\n.\r\n",
        b"\xff\0\r\r\n\r\n\r\n.\r\n",
    ],
)
def test_a_message_passes_to_the_byte_and_the_next_command_is_one(
    front: RunningFront, client: Client, message: bytes, step: int
) -> None:
    assert client.say(b"DATA\r\n") == b"354 go\r\n"
    everything = message + b"NOOP\r\n"
    for at in range(0, len(everything), step):
        client.connection.sendall(everything[at : at + step])
    assert client.reply() == b"250 2.0.0 stored\r\n"
    assert client.reply() == b"250 ok\r\n"
    assert b"".join(front.smtpd.said) == b"DATA\r\n" + message + b"NOOP\r\n"


def test_smtpd_may_end_a_message_and_the_client_hears_why(
    front: RunningFront, client: Client
) -> None:
    front.smtpd.early = b"521 5.5.2 not CRLF.CRLF\r\n"
    client.say(b"DATA\r\n")
    client.connection.sendall(b"Subject: x\r\n\n.\r\nMAIL FROM:<smuggled@x>\r\n")
    assert client.reply() == b"521 5.5.2 not CRLF.CRLF\r\n"
    assert client.connection.recv(1) == b""
    assert not any(line.startswith(b"MAIL") for line in front.smtpd.said)


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n"])
@pytest.mark.parametrize(
    ("said", "reply"),
    [
        (b"521 5.5.2 not CRLF.CRLF\r\n", b"521 5.5.2 not CRLF.CRLF\r\n"),
        (b"", b"421 4.3.2 the mail server has ended the session\r\n"),
    ],
)
def test_an_end_that_is_none_for_the_front_is_answered_as_by_smtpd(
    front: RunningFront, client: Client, end: bytes, said: bytes, reply: bytes
) -> None:
    front.smtpd.early = said
    client.connection.settimeout(2)
    client.say(b"DATA\r\n")
    client.connection.sendall(b"Subject: x\r\n\r\nbody" + end)
    assert client.reply() == reply
    assert client.connection.recv(1) == b""
    assert front.smtpd.said[-1] == end.lstrip(b"\r\n")


def cut_off(client: Client) -> bool:
    try:
        return client.connection.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("how", ["now", "later", "data"])
def test_a_session_is_cut_without_a_word(front: RunningFront, client: Client, how: str) -> None:
    client.say(b"NOOP\r\n")
    session = next(iter(front.front.sessions.values()))
    if how == "data":
        session.cuts_data = True
        client.say(b"DATA\r\n")
        client.connection.sendall(b"Subject: x\r\n\r\nsome")
    else:
        cut: Callable[[float], None] = session.cut_after
        front.loop.call_soon_threadsafe(cut, 0.0 if how == "now" else 0.05)
    assert cut_off(client)
    deadline = threading.Event()
    while front.front.sessions and not deadline.wait(0.01):
        pass
    assert front.ended == 1
    assert not any(b"some" in line for line in front.smtpd.said)


def test_a_fault_at_auth_is_the_reply(front: RunningFront, client: Client) -> None:
    front.fault = "454 4.7.0 not now"
    assert client.say(f"AUTH PLAIN {PLAIN}\r\n".encode()) == b"454 4.7.0 not now\r\n"
    front.fault = None
    assert client.say(f"AUTH PLAIN {PLAIN}\r\n".encode()) == b"235 2.7.0 logged in\r\n"


def test_a_login_that_is_needed_is_needed_of_everybody(tmp_path: Path) -> None:
    with RunningFront(tmp_path, needs_login=True) as front:
        client = Client(front.connect())
        client.reply()
        client.say(b"EHLO a\r\n")
        assert client.say(b"MAIL FROM:<a@b>\r\n").startswith(b"530 5.7.0 log in first")
        assert client.say(f"AUTH PLAIN {PLAIN}\r\n".encode()).startswith(b"235")
        assert client.say(b"MAIL FROM:<a@b>\r\n") == b"250 ok\r\n"
        client.close()


@pytest.mark.parametrize("argument", [f"PLAIN {PLAIN}", "PLAIN", "LOGIN", "CRAM-MD5", ""])
def test_where_tls_is_needed_no_password_is_taken_in_the_clear(
    tmp_path: Path, argument: str
) -> None:
    with RunningFront(tmp_path, needs_tls=True) as front:
        plain = Client(front.connect())
        plain.reply()
        offered = plain.say(b"EHLO a\r\n")
        assert (b"AUTH" in offered, b"STARTTLS" in offered) == (False, True)
        for command in (f"AUTH {argument}", "MAIL FROM:<a@b>"):
            reply = plain.say(f"{command}\r\n".encode())
            assert reply.startswith(b"530 5.7.0 begin TLS first")
        assert plain.say(b"STARTTLS\r\n").startswith(b"220")
        with front.trust.wrap_socket(plain.connection, server_hostname="localhost") as link:
            client = Client(link)
            assert b"250 AUTH PLAIN LOGIN" in client.say(b"EHLO a\r\n")
            assert client.say(f"AUTH PLAIN {PLAIN}\r\n".encode()).startswith(b"235")
            assert client.say(b"MAIL FROM:<a@b>\r\n") == b"250 ok\r\n"
            client.close()
        plain.close()


def test_a_421_at_auth_ends_the_session(front: RunningFront, client: Client) -> None:
    front.fault = "421 4.3.2 go"
    assert client.say(f"AUTH PLAIN {PLAIN}\r\n".encode()) == b"421 4.3.2 go\r\n"
    client.connection.settimeout(2)
    assert client.connection.recv(1) == b""


def test_a_command_without_end_ends_the_connection(front: RunningFront, client: Client) -> None:
    try:
        client.connection.sendall(b"x" * 100_000)
        assert cut_off(client)
    except (BrokenPipeError, ConnectionResetError):
        pass
    assert front.smtpd.said == []


def test_the_standard_librarys_client_logs_in_without_tls(front: RunningFront) -> None:
    with smtplib.SMTP("127.0.0.1", front.port, timeout=20) as smtp:
        smtp.login("me", "pw")
        smtp.sendmail("a@b.example", ["c@d.example"], b"Subject: x\r\n\r\n.dot\r\n")
    with smtplib.SMTP("localhost", front.port, timeout=20) as smtp:
        smtp.starttls(context=front.trust)
        smtp.login("me", "pw")
        smtp.sendmail("a@b.example", ["c@d.example"], b"Subject: x\r\n\r\n.dot\r\n")
    assert front.smtpd.said.count(b"..dot\r\n") == 2
