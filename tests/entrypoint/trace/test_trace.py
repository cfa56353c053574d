"""A message's way from a log: cases/NAME.way has an id, and what is printed of cases/mail.log."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest

from entrypoint.journal.writer import JournalWriter
from entrypoint.log_fields.of_line import fields_of
from entrypoint.log_line import log_line
from entrypoint.pseudonyms import Pseudonyms
from entrypoint.trace.lines import _BLOCK, _LONGEST, EventFiles, journal_events, stream_events
from entrypoint.trace.logged import read_event
from entrypoint.trace.search import find_way
from entrypoint.trace.shown import shown

CASES = Path(__file__).with_name("cases")
LOG = CASES / "mail.log"
LINE = re.compile(r"(\S+) (\w+) ([\w-]+): (.*)")


def way_of(lines: EventFiles, *identities: str) -> list[str]:
    return list(shown(find_way(lines, identities)))


def way_in(text: str | bytes, *identities: str) -> list[str]:
    content = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    with stream_events(io.BytesIO(content)) as lines:
        return way_of(lines, *identities)


def parts() -> list[tuple[str, str, str, str]]:
    """Time, level, program and message of each line of the log."""
    text = LOG.read_text("utf-8", "replace")
    return [match.groups() for line in text.splitlines() if (match := LINE.fullmatch(line))]  # type: ignore[misc]


@pytest.mark.parametrize("case", sorted(CASES.glob("*.way")), ids=lambda path: path.stem)
def test_a_way(case: Path) -> None:
    identity, *expected = case.read_text("utf-8").splitlines()
    assert way_in(LOG.read_bytes(), identity) == expected


@pytest.mark.parametrize("case", sorted(CASES.glob("*.way")), ids=lambda path: path.stem)
def test_a_log_in_json_and_one_of_compose_say_the_same(case: Path) -> None:
    identity, *expected = case.read_text("utf-8").splitlines()
    as_json = ""
    for stamp, level, program, message in parts():
        line = json.loads(log_line("json", level, program, message, 0, fields_of(program, message)))
        as_json += json.dumps({**line, "time": stamp}) + "\n"
    assert way_in(as_json, identity) == expected
    prefixed = "".join(f"signpost-1  | {line}\n" for line in as_json.splitlines())
    assert way_in(prefixed, identity) == expected
    prefixed = "".join(
        f"signpost-1  | {' '.join(each[:2])} {each[2]}: {each[3]}\n" for each in parts()
    )
    assert way_in(prefixed, identity) == expected


def test_the_journal_says_the_same(tmp_path: Path) -> None:
    journal = JournalWriter(1, tmp_path)
    journal.take((level, program, message) for _, level, program, message in parts())
    journal.finish()
    now = way_of(journal_events(tmp_path), "1000000000000002")
    _, *expected = (CASES / "refused.way").read_text("utf-8").splitlines()
    assert [line.split()[1:] for line in now] == [line.split()[1:] for line in expected]


def test_with_pseudonyms_the_way_is_as_long() -> None:
    names = Pseudonyms(b"key")
    text = "".join(f"{' '.join(each[:2])} {each[2]}: {names.text(each[3])}\n" for each in parts())
    found = way_in(text, "aaaaaaaa")
    _, *expected = (CASES / "redirect-and-bounce.way").read_text("utf-8").splitlines()
    assert len(found) == len(expected)
    assert not re.search(r"ann@|carol|bob@|away", "\n".join(found))
    by_message_id = names.message_id("<one@far.example>").strip("<>")
    messages = [line.split()[1] for line in way_in(text, by_message_id) if line[:8] == "message "]
    # The last is somebody else's with the same Message-ID: a message of its own.
    assert sorted(messages) == ["aaaaaaaa", "abababab", "bbbbbbbb", "cccccccc"]


HOSTILE = "\x1b[2J\u202e\n2026-11-27T05:00:00+0000 info smtpd: forged"


def test_what_strangers_wrote_is_printed_with_escapes() -> None:
    event = {
        "time": HOSTILE,
        "program": HOSTILE,
        "event": "relay",
        "evpid": "aaaaaaaa00000001",
        "msgid": "aaaaaaaa",
        "to": HOSTILE,
        "reply": HOSTILE,
        "result": HOSTILE,
        "message-id": HOSTILE,
    }
    for line in way_in(json.dumps(event) + "\n", "aaaaaaaa"):
        assert line.isprintable()


@pytest.mark.parametrize(
    "line",
    [
        *("", "{", "{}", "[]", '{"event": 1}', '{"event": "x", "time": null}', "x" * 70_000),
        *("[" * 20_000, '{"a":' * 5_000, '{"event": "accept", "msgid": ["aaaaaaaa"]}'),
        "2026-11-27T05:00:00+0000 info smtpd: ",
        f'{{"event": "accept", "msgid": "{"a" * 70_000}"}}',
    ],
)
def test_a_line_of_another_kind_is_passed_over(line: str) -> None:
    assert read_event(line) is None


def test_the_rest_of_a_line_that_is_too_long_is_no_line() -> None:
    forged = "2026-11-27T05:00:00+0000 info smtpd: 1000000000000001 smtp message msgid=aaaaaaaa "
    forged += "size=1 nrcpt=1 proto=ESMTP\n"
    begin = '{"time": "x", "message": "'
    text = begin + "x" * (_LONGEST - len(begin)) + forged
    assert way_in(text, "aaaaaaaa") == ["message aaaaaaaa", "  => no event of it was written down"]
    assert "  accept  " in way_in(text + forged, "aaaaaaaa")[1]


def test_many_messages_of_one_session_are_cut_and_said_so() -> None:
    text = "".join(
        "2026-11-27T05:00:00+0000 info smtpd: 1000000000000001 smtp message "
        f"msgid={number:08x} size=1 nrcpt=1 proto=ESMTP\n"
        for number in range(1, 400)
    )
    found = way_in(text, "1000000000000001")
    assert sum(line.startswith("message ") for line in found) == 200
    assert "there is more of it" in found[-1]


def test_an_address_is_all_of_its_messages() -> None:
    found = way_in(LOG.read_bytes(), "ann@far.example")
    messages = [line.split()[1] for line in found if line.startswith("message ")]
    # Of the redirect and its bounce, too: they came of the first.
    assert messages[:4] == ["aaaaaaaa", "bbbbbbbb", "cccccccc", "dddddddd"]
    text = LOG.read_text("utf-8", "replace").replace("to=<info@", "to=<INFO@")
    assert way_in(text, "info@example.org")[0].startswith("message aaaaaaaa")


@pytest.mark.parametrize("identity", ["\u00fc@x.example", 'a"\\b@x.example', "a\tb@x.example"])
def test_a_message_id_is_found_however_a_form_writes_it(identity: str) -> None:
    store = {"time": "x", "program": "dovecot", "event": "store", "message-id": f"<{identity}>"}
    found = {"time": "x", "program": "inbound", "event": "verify", "msgid": "aaaaaaaa"}
    text = "".join(
        f"{json.dumps({**each, 'message-id': f'<{identity}>'})}\n" for each in (store, found)
    )
    assert way_in(text, identity)[0].startswith("message aaaaaaaa")


def test_a_gap_is_said() -> None:
    text = LOG.read_text("utf-8", "replace")
    gap = {"time": "2026-11-27T06:00:00+0000", "program": "journal", "event": "gap", "dropped": "3"}
    found = way_in(f"{json.dumps(gap)}\n{text}", "cccccccc")
    assert "3 events could not be written down before this" in found[-1]
    # Of many messages, too.
    many = "".join(
        f"2026-11-27T05:00:00+0000 info smtpd: 1000000000000001 smtp message msgid={number:08x} "
        "size=1 nrcpt=1 proto=ESMTP\n2026-11-27T05:00:00+0000 info smtpd: 1000000000000001 smtp "
        f"envelope evpid={number:08x}00000001 from=<> to=<a@x.example>\n"
        for number in range(30)
    )
    assert "3 events" in way_in(f"{json.dumps(gap)}\n{many}", "a@x.example")[-1]


def journal_of(folder: Path, *events: dict[str, str]) -> None:
    lines = (json.dumps({"time": "2026-11-27T05:00:00+0000", **each}) for each in events)
    (folder / "2026-11-27-00.jsonl").write_text("\n".join(lines) + "\n")


def test_ids_in_many_blocks_of_many_files_are_found_in_their_order(tmp_path: Path) -> None:
    filler = json.dumps({"event": "connect", "session": "f" * 16, "host": "x" * 900}) + "\n"
    for day in (25, 26, 27):
        event = {"time": f"2026-11-{day}T05:00:00+0000", "event": "accept", "msgid": "aaaaaaaa"}
        session = {"session": f"{day:016x}", "size": "1", "nrcpt": "1"}
        connect = {**event, "msgid": "", "event": "connect", **session}
        line = json.dumps({**event, **session}) + "\n"
        text = filler * 700 + json.dumps(connect) + "\n" + filler * 700 + line + filler
        (tmp_path / f"2026-11-{day}-00.jsonl").write_text(text)
    found = way_of(journal_events(tmp_path), "aaaaaaaa")
    shown = [line.split()[:2] for line in found if line.startswith("  2026")]
    assert shown == [
        [f"2026-11-{day}T05:00:00+0000", name]
        for day in (25, 26, 27)
        for name in ("connect", "accept")
    ]


def test_a_line_across_two_blocks_is_one(tmp_path: Path) -> None:
    line = json.dumps({"time": "x", "event": "accept", "msgid": "aaaaaaaa", "session": "f" * 16})
    for cut in range(1, len(line), 7):
        (tmp_path / "2026-11-27-00.jsonl").write_text("x" * (_BLOCK - cut - 1) + f"\n{line}\n")
        assert "  accept  " in way_of(journal_events(tmp_path), "aaaaaaaa")[1]


def test_a_busy_address_is_its_last_messages(tmp_path: Path) -> None:
    journal_of(
        tmp_path,
        *(
            {"event": "recipient", "msgid": f"{number:08x}", "evpid": f"{number:08x}00000001"}
            | {"from": "a@far.example", "to": "B@far.example"}
            for number in range(1, 3000)
        ),
    )
    assert (tmp_path / "2026-11-27-00.jsonl").stat().st_size > _BLOCK
    earlier = (tmp_path / "2026-11-27-00.jsonl").read_text().replace('"msgid": "00', '"msgid": "ff')
    (tmp_path / "2026-11-26-00.jsonl").write_text(earlier)
    found = way_of(journal_events(tmp_path), "b@far.example")
    messages = [line.split()[1] for line in found if line.startswith("message ")]
    assert sorted(messages) == [f"{number:08x}" for number in range(2800, 3000)]
    assert "there is more of it" in found[-1]


def test_each_recipient_has_the_folders_of_its_own_mailbox(tmp_path: Path) -> None:
    all_of_it: list[dict[str, str]] = []
    for number, (to, login, folder) in enumerate(
        (
            ("al@x.example", "al@x.example", "Al's"),
            ("Alice+tag@x.example", "alice@x.example", "Alice's"),
            ("al.ice@x.example", "al.ice@x.example", "Al Ice's"),
            ("alice@y.example", "alice@y.example", "Another's"),
        )
    ):
        all_of_it += (
            {"event": "store", "msgid": "aaaaaaaa", "login": login, "folder": folder},
            {"event": "deliver", "msgid": "aaaaaaaa", "evpid": f"aaaaaaaa{number:08x}"}
            | {"to": to, "result": "ok"},
        )
    journal_of(tmp_path, *all_of_it)
    assert way_of(journal_events(tmp_path), "aaaaaaaa")[-4:] == [
        "  => <al@x.example>: delivered in Al's",
        "  => <Alice+tag@x.example>: delivered in Alice's",
        "  => <al.ice@x.example>: delivered in Al Ice's",
        "  => <alice@y.example>: delivered in Another's",
    ]


def test_of_two_redirects_of_one_message_id_each_has_its_own(tmp_path: Path) -> None:
    def redirect(old: str, new: str, second: int) -> list[dict[str, str]]:
        clock = f"05:{second // 60:02}:{second % 60:02}"
        at = {"time": f"2026-11-27T{clock}+0000", "login": "carol@example.org"}
        both = {**at, "message-id": "<same@far.example>"}
        events = [
            {"event": "verify", "msgid": old, **both, "login": ""},
            {"event": "sign", "script": "redirect", "msgid": new, **both},
            {"event": "redirect", "msgid": old, "to": "x@far.example", **both},
        ]
        return [each for each in events if each["msgid"]]

    journal_of(
        tmp_path,
        *redirect("aaaaaaaa", "bbbbbbbb", 1),
        *redirect("cccccccc", "dddddddd", 20),
        # Of these the journal has lost one of each.
        *redirect("eeeeeeee", "", 600),
        *redirect("", "ffffffff", 900),
    )
    for identity, other in (
        *(("aaaaaaaa", "bbbbbbbb"), ("bbbbbbbb", "aaaaaaaa"), ("dddddddd", "cccccccc")),
        *(("eeeeeeee", "eeeeeeee"), ("ffffffff", "ffffffff")),
    ):
        found = way_of(journal_events(tmp_path), identity)
        messages = {line.split()[1] for line in found if line.startswith("message ")}
        assert messages == {identity, other}
