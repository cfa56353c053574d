"""Envelopes of an earlier version whose senders smtpd cannot rewrite."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrypoint.queued_senders import clear_unrewritable

LONG = "x" * 31 + "@" + "d" * 200


def envelope(kind: str, sender: str, rcpt: str, dest: str) -> bytes:
    return (
        f"version: 3\ndispatcher: out\ntype: {kind}\nsmtpname: mail.example.org\n"
        f"sender: {sender}\nrcpt: {rcpt}\ndest: {dest}\nctime: 1764000000\n"
    ).encode()


@pytest.mark.parametrize(
    ("kind", "sender", "rcpt", "dest", "changed"),
    [
        ("mta", LONG, "away@example.org", "x@far.test", True),
        ("mta", "SRS1=a@b.test", "away@example.org", "x@far.test", True),
        ("mta", LONG[1:], "away@e.org", "x@far.test", False),
        ("mta", LONG, "x@far.test", "x@far.test", False),
        ("mda", LONG, "info@example.org", "alice@example.org", False),
        ("mta", "@", "away@example.org", "x@far.test", False),
    ],
)
def test_only_what_would_leave_as_freed_memory_is_changed(
    tmp_path: Path, kind: str, sender: str, rcpt: str, dest: str, changed: bool
) -> None:
    path = tmp_path / "queue/3b/3b58b57c/3b58b57cb40938e5"
    path.parent.mkdir(parents=True)
    (tmp_path / "temporary").mkdir()
    (path.parent / "message").write_bytes(b"type: mta\n\xff")
    before = envelope(kind, sender, rcpt, dest)
    path.write_bytes(before)
    path.chmod(0o600)
    said = list(clear_unrewritable(tmp_path))
    assert len(said) == changed
    assert path.read_bytes() == (before.replace(sender.encode(), b"@") if changed else before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert list((tmp_path / "temporary").iterdir()) == []
    assert list(clear_unrewritable(tmp_path)) == []
    if changed:
        assert "3b58b57cb40938e5" in said[0]
        assert said[0].endswith("it leaves with the null sender")


def test_what_cannot_be_changed_is_named_at_each_start(tmp_path: Path) -> None:
    path = tmp_path / "queue/3b/3b58b57c/3b58b57cb40938e5"
    path.parent.mkdir(parents=True)
    path.write_bytes(envelope("mta", LONG, "away@example.org", "x@far.test"))
    for _ in range(2):
        (line,) = clear_unrewritable(tmp_path)  # there is no folder for temporary files
        assert "signpost queue remove 3b58b57cb40938e5" in line


def test_a_message_is_no_envelope_whatever_it_says(tmp_path: Path) -> None:
    """Its text is a stranger's, and there may be gigabytes of it in the queue."""
    path = tmp_path / "queue/3b/3b58b57c/message"
    path.parent.mkdir(parents=True)
    (tmp_path / "temporary").mkdir()
    text = envelope("mta", LONG, "away@example.org", "x@far.test")
    path.write_bytes(text)
    assert list(clear_unrewritable(tmp_path)) == []
    assert path.read_bytes() == text
