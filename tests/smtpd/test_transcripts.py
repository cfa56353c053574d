"""Each transcript in `transcripts/` is a conversation that must come out exactly so."""

import ast
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from filters.smtpd import FilterServer, Reject, Rewrite

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


FILTERS: dict[str, Callable[[FilterServer], None]] = {
    "nothing": nothing,
    "echo": echo,
    "broken": broken,
    "refusing-the-second": refusing_the_second,
    "mail-from-reject": mail_from_reject,
    "hostile-verdicts": hostile_verdicts,
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
    said = bytearray()
    stream = b"".join(line for side, line in steps if side == ">")
    expected = b"".join(line for side, line in steps if side == "<")
    if manner == "whole":
        server.receive(stream, said.extend)
    elif manner == "byte by byte":
        for byte in stream:
            server.receive(bytes([byte]), said.extend)
    else:
        for number, (side, line) in enumerate(steps):
            if side == "<":
                continue
            before = len(said)
            server.receive(line, said.extend)
            answers = []
            for following, answer in steps[number + 1 :]:
                if following == ">":
                    break
                answers.append(answer)
            assert bytes(said[before:]) == b"".join(answers), f"after {line!r}"
    assert bytes(said) == expected


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
