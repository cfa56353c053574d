"""Each transcript in `transcripts/` is a conversation that must come out exactly so."""

import ast
import itertools
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.smtpd import FilterServer, Reject, Request, Rewrite, Session

from .feeding import feed

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))


def nothing(server: FilterServer) -> None:
    pass


def echo(server: FilterServer) -> None:
    server.register_message_filter(lambda session, message: message)


def broken(server: FilterServer) -> None:
    def handler(session: object, message: bytes) -> bytes:
        raise RuntimeError("a bug")

    server.register_message_filter(handler)


def refusing_the_second(server: FilterServer) -> None:
    def handler(session: object, message: bytes) -> bytes | Reject:
        return Reject(550, "5.7.1 no") if b"second" in message else message

    server.register_message_filter(handler)


def mail_from_reject(server: FilterServer) -> None:
    server.register_handler(
        "filter", "mail-from", lambda context, request: Reject(550, f"5.7.1 not {request.text}")
    )


def describe(server: FilterServer) -> None:
    server.track_context()

    def data(session: Session, request: Request) -> Reject:
        assert session.transaction is not None
        known = (session.transaction.sender, session.transaction.recipients, session.user)
        return Reject(550, " ".join(map(str, known)))

    server.register_handler("filter", "data", data)


def outgoing(server: FilterServer) -> None:
    heard: list[bytes] = []
    server.register_outgoing("tx-commit", lambda report: heard.append(report.fields[-1]))
    server.register_handler("filter", "helo", lambda context, request: Reject(550, str(heard)))


def hostile_verdicts(server: FilterServer) -> None:
    verdicts = {
        "connect": Reject(421, "4.7.0 go away"),
        "helo": Reject(250, "two\r\nlines\n \x00"),
        "mail-from": Rewrite("b@example.org"),
        "data": Rewrite("x"),
        "quit": Reject(550, "stay"),
    }
    for phase, verdict in verdicts.items():
        server.register_handler("filter", phase, lambda context, request, v=verdict: v)


def rewriting(server: FilterServer) -> None:
    """Capitals go, and the handlers behind see that."""

    def lower(session: Session, request: Request) -> Rewrite | None:
        return Rewrite(request.address.lower()) if request.address.isupper() else None

    def refuse_no(session: Session, request: Request) -> Reject | None:
        return Reject(550, request.text) if request.text.startswith("no") else None

    for phase in ("mail-from", "rcpt-to"):
        server.register_handler("filter", phase, lower)
        server.register_handler("filter", phase, refuse_no)
    describe(server)


FILTERS: dict[str, Callable[[FilterServer], None]] = {
    "nothing": nothing,
    "echo": echo,
    "broken": broken,
    "refusing-the-second": refusing_the_second,
    "mail-from-reject": mail_from_reject,
    "hostile-verdicts": hostile_verdicts,
    "describe": describe,
    "rewriting": rewriting,
    "outgoing": outgoing,
}


def _bytes(text: str) -> bytes:
    quoted = '"' + text.replace('"', '\\"') + '"'
    return ast.literal_eval("b" + quoted) if text.isascii() else text.encode()


def read(path: Path) -> tuple[str, list[tuple[str, bytes]]]:
    name, steps = "", []
    for line in path.read_text().splitlines():
        if line.startswith("# filter: "):
            name = line.removeprefix("# filter: ")
        elif line.startswith(("> ", "< ")):
            steps.append((line[0], _bytes(line[2:]) + b"\n"))
    return name, steps


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
@pytest.mark.parametrize("manner", ["whole", "byte by byte", "line by line"])
def test_transcript(path: Path, manner: str) -> None:
    name, steps = read(path)
    server = FilterServer()
    FILTERS[name](server)
    stream = b"".join(line for side, line in steps if side == ">")
    expected = b"".join(line for side, line in steps if side == "<")
    if manner == "whole":
        assert b"".join(feed(server, [stream])) == expected
    elif manner == "byte by byte":
        assert b"".join(feed(server, (bytes([byte]) for byte in stream))) == expected
    else:
        said = iter(feed(server, [line for side, line in steps if side == ">"]))
        for number, (side, line) in enumerate(steps):
            if side == "<":
                continue
            answers = []
            for following, answer in steps[number + 1 :]:
                if following == ">":
                    break
                answers.append(answer)
            assert next(said) == b"".join(answers), f"after {line!r}"


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_transcript_in_random_cuts(data: st.DataObject) -> None:
    name, steps = read(data.draw(st.sampled_from(TRANSCRIPTS)))
    stream = b"".join(line for side, line in steps if side == ">")
    places = data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=40))
    server = FilterServer()
    FILTERS[name](server)
    edges = [0, *sorted(places), len(stream)]
    said = feed(server, (stream[start:end] for start, end in itertools.pairwise(edges)))
    assert b"".join(said) == b"".join(line for side, line in steps if side == "<")


def test_a_newer_protocol_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    for told, warned in ((b"0.8", True), (b"1.0", True), (b"0.7", False), (b"x" * 5000, False)):
        caplog.clear()
        server = FilterServer()
        server.receive(b"config|protocol|" + told + b"\nconfig|ready\n", lambda data: None)
        server.receive(b"report|" + told + b"|1|smtp-in|link-connect|s|x\n", lambda data: None)
        assert [r.levelname for r in caplog.records if "newer" in r.message] == ["WARNING"] * warned


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
