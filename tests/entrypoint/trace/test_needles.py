"""Which lines have a value, by either way of looking."""

from __future__ import annotations

import json

import pytest

from entrypoint.trace.needles import Needles

VALUES = ["d43fc6ac", "609b76e3c486345d", "a@far.example", 'x"y\\z@far.example', "ü@far.example"]
NOBODY = [f"{number:08x}" for number in range(20)]


def block(*events: dict[str, str]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in events)


EVENTS = [
    {"event": "accept", "session": "0000000000000001", "msgid": "d43fc6ac"},
    {"event": "connect", "session": "609b76e3c486345d"},
    {"event": "verify", "msgid": "aaaaaaaa", "message-id": "<a@far.example>"},
    {"event": "store", "msgid": "aaaaaaaa", "message-id": '<x"y\\z@far.example>'},
    {"event": "store", "msgid": "aaaaaaaa", "message-id": "<ü@far.example>"},
    {"event": "recipient", "msgid": "bbbbbbbb", "from": "", "to": "a@far.example"},
    {"event": "recipient", "msgid": "bbbbbbbb", "from": "", "to": "b@far.example"},
]


@pytest.mark.parametrize("more", [[], NOBODY], ids=["few", "many"])
def test_lines_with_a_value(more: list[str]) -> None:
    text = block(*EVENTS)
    for value in VALUES:
        found = list(Needles([value, *more]).lines_in(text))
        expected = [each for each in EVENTS if value in {v.strip("<>") for v in each.values()}]
        assert [json.loads(line) for _, line in found] == expected
        for begin, line in found:
            assert text[begin:].startswith(line + b"\n")


def test_whatever_its_capitals() -> None:
    (found,) = Needles(["alice@far.example"], ignore_case=True).lines_in(
        block({"to": "Alice@FAR.example"}, {"to": "b@far.example"})
    )
    assert b"Alice@FAR.example" in found[1]


def test_a_block_of_something_else() -> None:
    for text in (b"", b"\n\n", b"\xff" * 100, b"d43fc6ac", b'{"msgid": "d43fc6ac"'):
        for more in ([], NOBODY):
            assert len(list(Needles(["d43fc6ac", *more]).lines_in(text))) <= 1
