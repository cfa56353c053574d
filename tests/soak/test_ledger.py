"""The comparison notices whatever can become of a message."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from . import numbered, outside, stored
from .ledger import FAULTS, Entry, Found, Interval, Kind, Ledger, Tally

HERE, ELSEWHERE, OUTSIDE = "user@example.org/INBOX", "other@example.org/INBOX", "person@far.test"
CUT = Interval(100.0, 110.0)
RUN = "soak1"


def entry(ledger: Ledger, *, accepted: float | None = 50.0, refused: bool = False) -> Entry:
    made = ledger.open("route", {HERE}, refused=refused)
    if accepted is not None:
        ledger.accept(made, accepted)
    return made


def copy(
    at: float = 60.0,
    kind: Kind = "message",
    place: str = HERE,
    *,
    whole: bool = True,
    number: int = 1,
) -> Found:
    return Found(number, place, kind, whole, at)


def fates(tally: Tally) -> set[str]:
    return {name for row in tally.counts.values() for name, count in row.items() if count} - {
        "numbered",
        "accepted",
    }


@pytest.mark.parametrize(
    ("found", "fate"),
    [
        ([copy()], {"delivered"}),
        ([], {"lost"}),
        ([copy(kind="queued", place="queue")], {"queued"}),
        ([copy(whole=False)], {"delivered", "in part"}),
        ([copy(), copy(70.0, whole=False)], {"delivered", "in part", "doubled otherwise"}),
        ([copy(), copy(70.0)], {"delivered", "doubled otherwise"}),
        ([copy(105.0), copy(120.0)], {"delivered", "doubled where SMTP cannot know"}),
        ([copy(99.0), copy(105.0)], {"delivered", "doubled otherwise"}),
        ([copy(105.0), copy(120.0), copy(130.0)], {"delivered", "doubled otherwise"}),
        ([copy(place=ELSEWHERE)], {"lost", "misplaced"}),
        ([copy(), copy(place=ELSEWHERE)], {"delivered", "misplaced"}),
        ([copy(kind="bounce")], {"bounced", "bounced without cause"}),
        ([copy(kind="rejected", place=OUTSIDE)], {"lost"}),
        ([copy(kind="rejected", place=OUTSIDE), copy(kind="bounce")], {"bounced"}),
        (
            [copy(kind="rejected"), copy(kind="bounce"), copy(70.0, kind="bounce")],
            {"bounced", "doubled otherwise"},
        ),
        ([copy(), copy(kind="notice", number=-1)], {"delivered"}),
        ([copy(), copy(kind="unknown", number=-1)], {"delivered", "misplaced"}),
        ([copy(), copy(number=2)], {"delivered", "misplaced"}),
    ],
)
def test_a_message_that_was_accepted(found: list[Found], fate: set[str]) -> None:
    ledger = Ledger()
    entry(ledger)
    assert fates(ledger.compare(found, [CUT])) == fate


@pytest.mark.parametrize(
    ("accepted", "doubts", "copies", "fate"),
    [
        (True, 1, 2, {"delivered", "doubled where SMTP cannot know"}),
        (True, 1, 3, {"delivered", "doubled otherwise"}),
        (True, 1, 0, {"lost"}),
        (False, 1, 0, set()),
        (False, 1, 1, {"delivered"}),
        (False, 0, 0, set()),
        (False, 0, 1, {"delivered", "doubled otherwise"}),
    ],
)
def test_a_try_without_an_answer(accepted: bool, doubts: int, copies: int, fate: set[str]) -> None:
    ledger = Ledger()
    entry(ledger, accepted=50.0 if accepted else None).doubts.extend([40.0] * doubts)
    found = [copy(60.0 + number) for number in range(copies)]
    assert fates(ledger.compare(found, [CUT])) == fate


@pytest.mark.parametrize(
    ("found", "fate"),
    [
        ([copy(kind="bounce")], {"bounced"}),
        ([], {"lost"}),
        ([copy()], {"delivered", "misplaced"}),
        ([copy(kind="bounce"), copy(70.0, kind="bounce")], {"bounced", "doubled otherwise"}),
    ],
)
def test_a_message_that_the_outside_refuses(found: list[Found], fate: set[str]) -> None:
    ledger = Ledger()
    entry(ledger, refused=True)
    assert fates(ledger.compare(found, [CUT])) == fate


def test_a_copy_that_goes_on_arrives_later_than_the_cut() -> None:
    found = [copy(125.0), copy(300.0)]
    for onward, fate in ((0.0, "doubled otherwise"), (30.0, "doubled where SMTP cannot know")):
        ledger = Ledger()
        ledger.accept(ledger.open("route", {HERE}, onward=onward), 50.0)
        assert fates(ledger.compare(found, [CUT])) == {"delivered", fate}


def test_every_fault_is_named_with_what_was_found() -> None:
    ledger = Ledger()
    entry(ledger)
    tally = ledger.compare([], [])
    assert set(tally.wrong) == set(FAULTS)
    (said,) = tally.wrong["lost"]
    assert "number=1" in said


MESSAGE = numbered.compose(RUN, 7, "a@far.test", "user@example.org")
BOUNCE = b"From: <>\r\nSubject: failed\r\n\r\nSorry.\r\n\r\n" + MESSAGE[:400]


@pytest.mark.parametrize("ends", [b"\r\n", b"\n"])
@pytest.mark.parametrize(
    ("content", "read"),
    [
        (b"Received: from x\r\n" + MESSAGE, numbered.Copy(7, False, True)),
        (MESSAGE[:-20], numbered.Copy(7, False, False)),
        (MESSAGE + b"more\r\n", numbered.Copy(7, False, False)),
        (MESSAGE.replace(b"7 begins", b"8 begins"), numbered.Copy(7, False, False)),
        (BOUNCE, numbered.Copy(7, True, True)),
        (MESSAGE.replace(b"soak1 7", b"other 7"), None),
        (b"", None),
    ],
)
def test_a_message_is_read(content: bytes, read: numbered.Copy | None, ends: bytes) -> None:
    assert numbered.read(RUN, content.replace(b"\r\n", ends)) == read


def test_a_file_that_was_cut_or_is_gone_is_noticed_on_the_volumes(tmp_path: Path) -> None:
    maildir = tmp_path / "data/mail/example.org/user/Maildir"
    spool = tmp_path / "spool/queue/a1/a1b2"
    for folder in (maildir / "new", maildir / "tmp", maildir / ".Filed/cur", spool):
        folder.mkdir(parents=True)
    (maildir / "new/1").write_bytes(MESSAGE.replace(b"\r\n", b"\n"))
    (maildir / "tmp/2").write_bytes(MESSAGE[:300])
    (maildir / ".Filed/cur/3").write_bytes(MESSAGE[:-1])
    (maildir / "new/4").write_bytes(b"what is this")
    (maildir / "new/5").write_bytes(b"To: x" + stored.NOTICE)
    (spool / "message").write_bytes(MESSAGE)
    found = [
        *stored.in_mailboxes(RUN, tmp_path / "data"),
        *stored.in_queue(RUN, tmp_path / "spool"),
    ]
    assert {each[:4] for each in found} == {
        (7, "user@example.org/INBOX", "message", True),
        (7, "user@example.org/Filed", "message", False),
        (-1, "user@example.org/INBOX", "unknown", False),
        (-1, "user@example.org/INBOX", "notice", False),
        (7, "queue", "queued", True),
    }


@pytest.mark.parametrize(
    ("mode", "recipient", "sender", "said", "noted"),
    [
        ("accept", "person@people.x", "a@b.c", b"250", ["message"]),
        ("reject", "person@people.x", "a@b.c", b"550", ["rejected"]),
        ("reject", "sender@senders.x", "", b"250", ["message"]),
        ("defer", "person@people.x", "a@b.c", b"450", []),
        ("accept", "refused@people.x", "a@b.c", b"550", []),
    ],
)
def test_the_outside_does_what_it_is_told(
    mode: str, recipient: str, sender: str, said: bytes, noted: list[str], tmp_path: Path
) -> None:
    async def talk() -> bytes:
        (tmp_path / "mode").write_text(mode)
        mx = outside.Mx(RUN, tmp_path)
        server = await asyncio.start_server(mx.talk, "127.0.0.1", 0, limit=outside.LONGEST)
        async with server:
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await reader.readline()
            for line in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>", "DATA"):
                writer.write(line.encode() + b"\r\n")
                answer = await reader.readline()
                if answer[:1] == b"4" or answer[:1] == b"5":
                    break
            else:
                writer.write(MESSAGE.replace(b"\r\n.", b"\r\n..") + b".\r\n")
                answer = await reader.readline()
            writer.close()
            await writer.wait_closed()
            mx.close()
            return answer

    assert asyncio.run(talk())[:3] == said
    lines = [json.loads(line) for line in (tmp_path / "received").read_text().splitlines()]
    assert [(line[0], line[2], line[3]) for line in lines] == [(7, kind, True) for kind in noted]
