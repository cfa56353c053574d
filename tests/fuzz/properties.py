"""What must hold for any bytes: of the filter protocol, and of what the engine reads in a message.

Plain functions that raise AssertionError: the fuzzer calls them (fuzz_protocol.py), and so do the
tests with what it has found (test_findings.py).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from filters.mailauth.auth_results import forged, format_field, parse_field
from filters.mailauth.message import Message, author, remove
from filters.smtpd import Disconnect, FilterServer, Reject, Rewrite, Verdict
from filters.smtpd.handlers import PHASES
from filters.smtpd.wire import ProtocolError, Request, parse_line
from tests.filters.smtpd.feeding import feed

HANDSHAKE = b"config|subsystem|smtp-in\nconfig|admd|mx.example.org\nconfig|ready\n"
# All that may stand at the beginning of a line to smtpd (smtpd-filters(7)).
ANSWERS = (b"register|", b"filter-result|", b"filter-dataline|")
VERDICTS: dict[str, Verdict] = {
    "r": Reject(550, "no\r\nfilter-result|x|y|proceed"),
    "d": Disconnect(421, "\0"),
    "w": Rewrite("a|b\n"),
}


class Failures(logging.Handler):
    """Keeps the exceptions that ended the work on a line, which may then have no answer."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.msg.startswith("a line from smtpd"):
            self.found.append(f"{record.getMessage()}: {record.exc_info[1]!r}")


def serve(pieces: Iterator[bytes]) -> tuple[bytes, list[str]]:
    """What a server with a handler for every phase answers, and what it had to survive."""
    server = FilterServer()
    for phase in PHASES:
        server.register_handler(
            "filter", phase, lambda context, request: VERDICTS.get(request.text[:1])
        )
    server.register_message_filter(lambda session, message: message)
    failures = Failures()
    log = logging.getLogger("filters.smtpd")
    log.addHandler(failures)
    log.propagate = False
    try:
        said = b"".join(feed(server, pieces, at_once=True))
    finally:
        log.removeHandler(failures)
        log.propagate = True
    return said, failures.found


def cut(stream: bytes, widths: bytes) -> Iterator[bytes]:
    """The stream in pieces, as long as these bytes say in turn."""
    at, turn = 0, 0
    while at < len(stream):
        width = 1 + (widths[turn % len(widths)] if widths else len(stream))
        yield stream[at : at + width]
        at += width
        turn += 1


def check_protocol(soup: bytes, widths: bytes = b"\x06\x00\x1f") -> None:
    """Whatever arrives after the handshake: it is survived, and answered the same in any cuts."""
    stream = HANDSHAKE + soup
    said, failures = serve(iter([stream]))
    assert not failures, failures
    in_cuts, failures = serve(cut(stream, widths))
    assert not failures, failures
    assert said.count(b"register|ready\n") == 1
    lines = said.split(b"\n")
    assert lines.pop() == b"", "an answer without an end"
    for line in lines:
        assert line.startswith(ANSWERS), line
        assert not line.startswith(b"filter-result|") or line.isascii(), line
        assert len(line) < 1024 or not line.startswith(b"filter-result|"), line
    if b"link-disconnect" in soup:
        return  # smtpd says nothing of a session after its end, and soup does
    assert in_cuts == said, "the answers depend on the cuts"
    answered = sum(line.startswith(b"filter-result|") for line in lines)
    assert answered == _requests(stream), "a request has not its one answer"


def _requests(stream: bytes) -> int:
    count = 0
    for line in stream.split(b"\n")[:-1]:
        try:
            count += isinstance(parse_line(line), Request)
        except ProtocolError:
            continue
    return count


def check_round_trip(soup: bytes) -> None:
    """Any lines of a message come back through a null filter just as they came."""
    head = b"|0123456789abcdef|aa|"
    payloads = [b"." + line if line.startswith(b".") else line for line in soup.split(b"\n")]
    payloads = [payload.partition(b"\0")[0] for payload in payloads]  # smtpd's strings end there
    payloads = [payload for payload in payloads if payload != b"."]
    stream = b"".join(
        b"filter|0.7|1.1|smtp-in|data-line" + head + payload + b"\n"
        for payload in (*payloads, b".")
    )
    said, failures = serve(iter([HANDSHAKE, stream]))
    assert not failures, failures
    back = said.partition(b"register|ready\n")[2]
    wanted = b"".join(b"filter-dataline" + head + payload + b"\n" for payload in (*payloads, b"."))
    assert back == wanted, (back, wanted)


def check_message(raw: bytes) -> None:
    """Any bytes are a message: its fields tile its head, and its author is told or is not."""
    message = Message(raw)
    at = 0
    for field in message.fields:
        assert field.start == at
        assert raw[field.start : field.end] == field.raw
        assert field.raw.startswith(field.name)
        at = field.end
    assert at <= message.body_start <= len(raw)
    assert remove(raw, message.fields) == raw[at:]
    found = author(message)
    assert found.domain is None or (found.domain.isascii() and found.addresses)
    assert found.domain is not None or found.reason
    for field in forged(message, "mx.example.org"):
        assert field in message.fields


def check_auth_results(value: bytes) -> None:
    """Any value is read or refused; what was read and is written is read as the same again."""
    parsed = parse_field(value)
    if parsed is None:
        return
    try:
        written = format_field(parsed.authserv_id, parsed.results)
    except ValueError:
        return  # names are read more leniently than they may be written
    assert written.isascii()
    assert written.endswith(b"\r\n")
    assert all(line.startswith(b"\t") for line in written.split(b"\r\n")[1:-1])
    again = parse_field(written.partition(b":")[2].removesuffix(b"\r\n"))
    assert again is not None, written
    assert len(again.results) == len(parsed.results), written


CHECKS = (check_protocol, check_round_trip, check_message, check_auth_results)


def check(data: bytes) -> None:
    """The first byte chooses the property, the rest is what it must hold for."""
    if data:
        CHECKS[data[0] % len(CHECKS)](data[1:])
