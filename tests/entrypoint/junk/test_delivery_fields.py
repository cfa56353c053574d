"""What a stored message says of its delivery, whoever has written it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from entrypoint.junk.account_state import open_state
from entrypoint.junk.delivery_fields import (
    DeliveryFields,
    delivery_fields,
    delivery_of,
    queue_id,
)

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


BY = "\tby mail.example.org (OpenSMTPD) with ESMTPS id d43fc6ac (TLSv1.3:X:256:NO) auth=yes;\n"
FROM = "Received: from mx.far.example (mx.far.example [192.0.2.1])\n"
OURS = f"{FROM}{BY}\tfor <alice@example.org>;\n\tFri, 27 Nov 2026 05:00:00 +0000 (UTC)\n"
THEIRS = OURS.replace("d43fc6ac", "00000000")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (OURS, "d43fc6ac"),
        (OURS + THEIRS, "d43fc6ac"),
        (f"Authentication-Results: x;\n\tspf=none\n{OURS}{THEIRS}", "d43fc6ac"),
        # A submission does not say where it comes from.
        ("Received: \n" + BY, "d43fc6ac"),
        # What a client says of itself holds no line's end.
        (OURS.replace("from mx", "from x by y (OpenSMTPD) with z id 00000000"), "d43fc6ac"),
        # The topmost one is smtpd's, or none is.
        ("Received: by elsewhere\n" + THEIRS, ""),
        ("Subject: x\n\n" + THEIRS, ""),
        (f"Subject: x\n {THEIRS}", ""),
        (OURS.replace("d43fc6ac", "d43fc6acf"), ""),
        (OURS.replace("d43fc6ac", "D43FC6AC"), ""),
        (OURS.replace("OpenSMTPD", "Postfix"), ""),
        ("", ""),
        ("a:\n" * 40_000 + THEIRS, ""),
        ("Received: x\n" + "\tby x (OpenSMTPD) with " * 40_000, ""),
    ],
)
def test_the_queue_id_is_that_of_the_topmost_received_field(header: str, expected: str) -> None:
    begin = time.process_time()
    assert queue_id(header.encode() + b"\nhello\n") == expected
    assert time.process_time() - begin < 0.05
