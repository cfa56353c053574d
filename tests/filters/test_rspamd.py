"""What a message becomes by what rspamd says, and that mail goes on whatever else it says."""

import asyncio
import logging
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from filters.rspamd import RspamdClient
from filters.rspamd_result import RspamdResult, read_result, verdict
from filters.smtpd import Reject, Session, Transaction

MESSAGE = b"From: a@outside.test\r\nSubject: x\r\n\r\nHello.\r\n"


def said(action: str, *, text: str = "") -> bytes | Reject:
    return verdict(RspamdResult(action, 7.25, 15.0, (("BAD", 6.0), ("ODD", 1.25)), text), MESSAGE)


@pytest.mark.parametrize("action", ["add header", "rewrite subject", "quarantine", "discard"])
def test_what_it_would_file_or_drop_is_junk(action: str) -> None:
    assert said(action) == (
        b"X-Spam: yes\r\nX-Spamd-Result: default: True [7.25 / 15.00];\r\n\tBAD(6.00)[];\r\n"
        b"\tODD(1.25)[]\r\n" + MESSAGE
    )


@pytest.mark.parametrize("action", ["no action", "greylist", "one of its own"])
def test_what_it_lets_pass_has_its_field_and_no_mark(action: str) -> None:
    passed = said(action)
    assert isinstance(passed, bytes)
    assert passed.startswith(b"X-Spamd-Result: default: False [7.25 / 15.00];\r\n\t")
    assert passed.endswith(b"\r\n" + MESSAGE)
    assert b"X-Spam:" not in passed


def test_what_it_refuses_is_refused_with_its_words() -> None:
    assert said("reject", text="Gtube pattern") == Reject(550, "5.7.1 rspamd: Gtube pattern")
    assert said("reject") == Reject(550, "5.7.1 rspamd: refused as spam")
    assert said("soft reject") == Reject(451, "4.7.1 rspamd: try again later")


def test_of_its_answer_only_names_and_numbers_get_into_the_header() -> None:
    body = (
        b'{"action": "add header", "score": 6.5, "required_score": 15, "symbols": {"A": {"score":'
        b' 1}, "B\\r\\nX-Spam: no": {"score": 2}, "C": {"score": -3, "options": ["x\\r\\ny"]}}}'
    )
    assert read_result(body) == RspamdResult("add header", 6.5, 15.0, (("C", -3.0), ("A", 1.0)))


NO_ANSWERS = [
    b"",
    b"[]",
    b"{}",
    b"null",
    b"[" * 100_000,
    b'{"action": "no action", "score": NaN, "required_score": 15}',
    b'{"action": "no action", "score": "many", "required_score": 15}',
    b'{"action": "no action", "score": 1%s, "required_score": 15}' % (b"0" * 400),
    b'{"action": "no action\\r\\n", "score": 1, "required_score": 15}',
    b'{"action": ["reject"], "score": 1, "required_score": 15}',
    b'{"action": "no action", "score": 1, "required_score": 15, "symbols": [1]}',
]


@pytest.mark.parametrize("body", NO_ANSWERS, ids=lambda body: str(body[:60]))
def test_what_is_no_answer_of_rspamds_raises_valueerror_only(body: bytes) -> None:
    with pytest.raises(ValueError):
        read_result(body)


SESSION = Session(
    "0011223344556677",
    client_address="192.0.2.7",
    rdns="mail.outside.test",
    fcrdns="pass",
    hostname="mail.example.org",
    helo="evil\r\nSettings: {}",
    transaction=Transaction("42e05bdc", "", ["a@example.org", "b@example.org"]),
)


@contextmanager
def listening(said: bytes | None, seen: list[bytes], port: int = 0) -> Iterator[int]:
    """A server that says this to everybody who has sent a message, and leaves; or only takes."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while (line := self.rfile.readline()) not in {b"\r\n", b""}:
                seen.append(line)
            seen.append(self.rfile.read(len(MESSAGE)))
            if said is None:
                self.rfile.read()
            else:
                with suppress(OSError):  # who asked has heard enough
                    self.wfile.write(said)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def judged(said: bytes | None, seen: list[bytes], *, timeout: float = 5.0) -> bytes | Reject:
    """What becomes of a message by an rspamd that says this."""
    with listening(said, seen) as port:
        rspamd = RspamdClient(f"http://127.0.0.1:{port}", timeout=timeout)
        return asyncio.run(rspamd.judge(SESSION, MESSAGE))


def answered(action: str) -> bytes:
    return (
        b'HTTP/1.1 200 OK\r\n\r\n{"action": "%s", "score": 1, "required_score": 15}'
        % action.encode()
    )


def test_it_hears_who_sends_and_no_client_adds_a_field() -> None:
    seen: list[bytes] = []
    passed = judged(answered("no action"), seen)
    assert passed == b"X-Spamd-Result: default: False [1.00 / 15.00]\r\n" + MESSAGE
    assert seen[0] == b"POST /checkv2 HTTP/1.1\r\n"
    assert seen[-1] == MESSAGE
    assert [line.decode().rstrip("\r\n") for line in seen[2:-1]] == [
        f"Content-Length: {len(MESSAGE)}",
        "Connection: close",
        "Pass: all",
        "MTA-Name: mail.example.org",
        "Helo: evil??Settings:?{}",
        "IP: 192.0.2.7",
        "Hostname: mail.outside.test",
        "Queue-Id: 42e05bdc",
        "From: <>",
        "Rcpt: a@example.org",
        "Rcpt: b@example.org",
    ]


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "Remote end closed connection"),
        (b"220 mail.example.org ESMTP\r\n", "220 mail.example.org"),
        (b"HTTP/1.1 500 No\r\n\r\n", "status 500"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{}", "IncompleteRead"),
        (b"HTTP/1.1 200 OK\r\n\r\nI'm a teapot", "Expecting value"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (5 << 20), "an answer of more than"),
    ],
    ids=["nothing", "another protocol", "an error", "cut", "nonsense", "endless"],
)
def test_a_broken_rspamd_lets_mail_pass(
    raw: bytes, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert judged(raw, []) == MESSAGE
    assert why in caplog.text
    assert "mail goes on unchecked" in caplog.text


def test_a_hung_rspamd_lets_mail_pass_in_time(caplog: pytest.LogCaptureFixture) -> None:
    began = time.monotonic()
    assert judged(None, [], timeout=0.05) == MESSAGE
    assert time.monotonic() - began < 2
    assert "no answer within 0.05 s; mail goes on unchecked" in caplog.text


def test_one_that_is_gone_is_said_once_and_its_return_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with listening(b"", []) as port:
        pass
    rspamd = RspamdClient(f"http://127.0.0.1:{port}")
    for _ in range(3):
        assert asyncio.run(rspamd.judge(SESSION, MESSAGE)) == MESSAGE
    with listening(answered("reject"), [], port):
        refused = asyncio.run(rspamd.judge(SESSION, MESSAGE))
    assert refused == Reject(550, "5.7.1 rspamd: refused as spam")
    assert caplog.text.count("unchecked") == 1
    assert caplog.text.count("rspamd answers again") == 1


@pytest.mark.parametrize("url", ["rspamd:11333", "https://rspamd", "http://", "http://h/path", ""])
def test_another_url_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(ValueError, match="is no URL of an rspamd"):
        RspamdClient(url)
