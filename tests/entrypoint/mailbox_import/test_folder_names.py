"""What a folder there is called here."""

from __future__ import annotations

import pytest

from entrypoint.mailbox_import.folder_names import Planned, planned
from entrypoint.mailbox_import.responses import OldFolder


def folder(name: bytes, flags: str = "", delimiter: str = "/") -> OldFolder:
    return OldFolder(name, delimiter, frozenset(flags.lower().split()), subscribed=False)


def here(name: bytes, flags: str = "", delimiter: str = "/", prefix: bytes = b"") -> str:
    (plan,) = planned([folder(name, flags, delimiter)], prefix)
    return plan.here


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (b"Work", "Work"),
        (b"Work.In", "Work/In"),
        (b"INBOX.Work.In", "Work/In"),
        (b"INBOX", "INBOX"),
        (b"inbox", "INBOX"),
        (b"INBOX.inbox", "INBOX_"),
        (b"INBOX.", "INBOX_"),
        (b"INBOX.a/b", "a_b"),
        (b"INBOX...", "_"),
        (b"INBOX.R&AOk-sum&AOk-", "Résumé"),
        (b"INBOX.R&AOk.x&-", "R&AOk/x&"),
        (b"R&D", "R&D"),
        (b"caf\xc3\xa9", "café"),
        (b"caf\xe9", "café"),
        (b"007", "007"),
        (b"..\x01/\x7f\n", "____"),
        (b"&AAA-/x", "__x"),
        (b"sent", "Sent"),
        (b"INBOX.Sent Items", "Sent"),
        (b"Spam", "Junk"),
        (b"Work.Sent Items", "Work/Sent Items"),
    ],
)
def test_names_of_a_server_with_dots(name: bytes, wanted: str) -> None:
    assert here(name, delimiter=".", prefix=b"INBOX.") == wanted


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (b"../../etc/passwd", "../../etc/passwd"),
        (b"v1.2/~x", "v1.2/~x"),
        (b"INBOX/x", "INBOX/x"),
        (b"Inbox/x", "INBOX/x"),
        (b"/", "_"),
        (b"a//b", "a/b"),
        (b"  ", "__"),
    ],
)
def test_names_of_a_server_with_slashes(name: bytes, wanted: str) -> None:
    assert here(name) == wanted


def test_a_folder_without_hierarchy_has_none_here() -> None:
    assert here(b"a/b.c", delimiter="") == "a_b.c"


@pytest.mark.parametrize("name", [b"x" * 300, b"a." * 150, b"a/" * 40 + b"b", b"&AOk-" * 90])
def test_a_name_that_is_too_long_is_cut_and_stays_another(name: bytes) -> None:
    first, second = here(name), here(name + b"y")
    assert first != second
    assert "/" not in first
    assert len(first.encode()) < 255


def test_special_use_counts_before_names() -> None:
    folders = [
        folder(b"[Gmail]", r"\HasChildren \Noselect"),
        folder(b"[Gmail]/All Mail", r"\All"),
        folder(b"[Gmail]/Starred", r"\Flagged"),
        folder(b"[Gmail]/Wichtig", r"\Important"),
        folder(b"[Gmail]/Gesendet", r"\Sent"),
        folder(b"Sent Items"),
        folder(b"Sent"),
        folder(b"Archives"),
        folder(b"INBOX"),
    ]
    assert [(each.there, each.here, each.last) for each in planned(folders, b"")] == [
        ("INBOX", "INBOX", False),
        ("[Gmail]/Starred", "", False),
        ("[Gmail]/Wichtig", "", False),
        ("[Gmail]/Gesendet", "Sent", False),
        ("Sent Items", "Sent Items", False),
        ("Sent", "Sent", False),
        ("Archives", "Archives", False),
        ("[Gmail]/All Mail", "Archive", True),
    ]
    skipped = [each for each in planned(folders, b"") if each.skipped]
    assert all(isinstance(each, Planned) and "other folders" in each.skipped for each in skipped)
