"""A message ends in <CR><LF>.<CR><LF> and in nothing else, however slowly its bytes come."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from .conftest import ALICE, BOB
from .harness.shell import fresh
from .harness.signpost import Signpost
from .harness.world import World

CLIENT = (Path(__file__).parent / "clients/segments.py").read_text("utf-8")
NO_ENDS = {
    "LF.LF": (b"text\n", b".\n"),
    "LF.CRLF": (b"text\n", b".\r\n"),
    "CRLF.LF": (b"text\r\n", b".\n"),
    "CRLF.NUL CRLF": (b"text\r\n", b".\0\r\n"),
    "CRLF.NUL LF": (b"text\r\n", b".\0\n"),
    "CRLF.NUL text": (b"text\r\n", b".\0 and more\r\n"),
    "LF.NUL": (b"text\n", b".\0\r\n"),
    "an empty line between": (b"text\r\n\n", b".\r\n"),
    "CR LF LF": (b"text\r\r\n\n", b".\r\n"),
    "a dot before": (b"..\n", b".\r\n"),
    "a long line before": (b"x" * 40_000 + b"\n", b".\r\n"),
}
ENDS = {
    "CRLF.CRLF": (b"text\r\n", b".\r\n"),
    "bare LFs before": (b"one\ntwo\n\n\r\n", b".\r\n"),
    "stuffed dots": (b"text\n..\n..\r\n..\r\n", b".\r\n"),
    "a dot that goes on": (b"text\r\n.x\n.\rx\r\n..\0\r\n. \r\n", b".\r\n"),
    "CR at the end": (b"text\r\n.\r\r\ntext\r\r\n", b".\r\n"),
    "a long line before": (b"x" * 40_000 + b"\r\n", b".\r\n"),
}
# Of a MAIL FROM behind a message; a login may not send as another.
ANSWERS = {25: 250, 465: 550, 587: 550}
# What a server that passes the form on would make us obey.
SMUGGLED = b"MAIL FROM:<smuggled@outside.test>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\n"


def cuts(before: bytes, end: bytes) -> list[list[bytes]]:
    """The same bytes at once; cut before the end; and each byte of the end by itself."""
    head = b"From: alice@example.org\r\nSubject: x\r\n\r\n" + before
    each = [bytes([byte]) for byte in end]
    return [[head + end], [head, end], [head[:-1], head[-1:], *each]]


def results(
    world: World, signpost: Signpost, port: int, messages: list[list[bytes]]
) -> list[tuple[int | None, int | None]]:
    """What is said to each message, and to a MAIL FROM behind it."""
    login, password = (None, None) if port == 25 else ALICE
    cases = [
        [port, login, password, BOB[0], [base64.b64encode(part).decode() for part in parts]]
        for parts in messages
    ]
    said = world.exec_client(
        "python3", "-c", CLIENT, signpost.v4, stdin=json.dumps(cases).encode(), timeout=120
    )
    return [(whole, behind) for whole, behind in json.loads(said)]


def marked(message: list[bytes], token: str) -> list[bytes]:
    return [message[0].replace(b"Subject: x", b"Subject: " + token.encode()), *message[1:]]


@pytest.mark.parametrize("port", [25, 465, 587])
def test_another_end_is_none(world: World, signpost: Signpost, port: int) -> None:
    token = fresh("smuggled")
    wrong = [
        marked(parts, token) for before, end in NO_ENDS.values() for parts in cuts(before, end)
    ]
    # In the segment of the end, where smtpd refuses it by itself.
    wrong += [[*parts[:-1], parts[-1] + SMUGGLED] for parts in wrong]
    right = fresh("whole")
    messages = [*wrong, marked(cuts(*ENDS["CRLF.CRLF"])[0], right)]
    *refused, accepted = results(world, signpost, port, messages)
    assert refused == [(521, None)] * len(wrong)
    assert accepted == (250, ANSWERS[port])
    signpost.wait_for_mail(BOB[0], right)
    assert not [m for m in signpost.read_mail(BOB[0]) if token.encode() in m]
    assert not [m for m in signpost.read_mail(BOB[0]) if b"smuggled@outside.test" in m]
    signpost.wait_for_log(r"info smtpd: client=\S+ refused: a line of a dot with a bare <LF> or a")


@pytest.mark.parametrize("port", [25, 465, 587])
def test_the_right_end_is_one(world: World, signpost: Signpost, port: int) -> None:
    messages = [parts for before, end in ENDS.values() for parts in cuts(before, end)]
    assert results(world, signpost, port, messages) == [(250, ANSWERS[port])] * len(messages)
