"""What a stored message says of its delivery, whoever has written it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from entrypoint.junk.account_state import open_state
from entrypoint.junk.delivery_fields import DeliveryFields, delivery_fields, delivery_of

NOTHING = DeliveryFields(at=None, recipient="", called_junk=False, marked_spam=False)


@pytest.mark.parametrize(
    ("top", "fields"),
    [
        ("", NOTHING),
        ("X-Signpost-Delivered: 3e8 abc\n", replace(NOTHING, at=1000.0)),
        ("X-Signpost-Delivered: 3e8\n", replace(NOTHING, at=1000.0)),
        ("X-Signpost-Delivered:\n", NOTHING),
        ("X-Signpost-Delivered: soon abc\n", NOTHING),
        (f"X-Signpost-Delivered: {'f' * 300} abc\n", NOTHING),
        ("Delivered-To: Alice@Example.org\n", replace(NOTHING, recipient="alice@example.org")),
        ("X-Signpost-Junk: yes score=9.0\n", replace(NOTHING, called_junk=True)),
        ("X-Signpost-Junk: no (words)\n", NOTHING),
        ("X-Signpost-Junk: no\nX-Signpost-Junk: yes\n", NOTHING),  # the one below is a stranger's
        ("X-Spam: Yes\n", replace(NOTHING, marked_spam=True)),
        ("X-Spam: yes, by far\n", NOTHING),
    ],
)
def test_the_topmost_field_counts(top: str, fields: DeliveryFields) -> None:
    message = f"{top}Subject: x\n\nX-Spam: yes\n"
    assert delivery_fields(message.encode()) == fields
    assert delivery_fields(message.replace("\n", "\r\n").encode()) == fields


def test_the_note_of_a_delivery_is_found_by_its_mark(tmp_path: Path) -> None:
    with open_state(tmp_path) as state:
        state.note_delivery("abc", 1000, True, False, "example.net")
        note = delivery_of(state, b"X-Signpost-Delivered: 3e8 abc\n\n")
        assert note is not None
        assert note.junk
        for mark in (b"3e8", b"3e8 def", b"3e8 abc abc", b"3e8 \xff"):
            assert delivery_of(state, b"X-Signpost-Delivered: %s\n\n" % mark) is None
