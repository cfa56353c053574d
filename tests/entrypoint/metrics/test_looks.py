"""How things are, looked at: mailboxes by the names of their files, and the ages of what waits."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrypoint.metrics.folder import write_names
from entrypoint.metrics.looks import age_of, mailbox_size
from entrypoint.metrics.own_names import OwnNames


def test_a_mailbox_is_measured_by_names_and_folders_are_followed_but_no_links(
    tmp_path: Path,
) -> None:
    maildir = tmp_path / "Maildir"
    outside = tmp_path / "outside"
    for folder in (maildir, maildir / ".Junk", maildir / ".Sent.2026", outside):
        for name in ("cur", "new", "tmp"):
            (folder / name).mkdir(parents=True)
    (maildir / "cur/1.a,S=1234,W=1250:2,S").write_bytes(b"")
    (maildir / "new/2.b,S=10").write_bytes(b"")
    (maildir / "new/3.c").write_bytes(b"seven b")
    (maildir / "cur/4.d,S=no:2,").write_bytes(b"two")
    (maildir / "tmp/5.e,S=99").write_bytes(b"")
    (maildir / ".Junk/cur/6.f,S=500:2,").write_bytes(b"")
    (maildir / ".Sent.2026/new/7.g,S=1").write_bytes(b"")
    (outside / "cur/8.h,S=100000").write_bytes(b"")
    (maildir / ".link").symlink_to(outside)
    assert mailbox_size(maildir) == (6, 1234 + 10 + 7 + 3 + 500 + 1)
    (maildir / ".linked").mkdir()
    (maildir / ".linked/cur").symlink_to(outside / "cur")
    assert mailbox_size(maildir)[0] == 6
    assert mailbox_size(tmp_path / "nobody") == (0, 0)


@pytest.mark.parametrize(
    ("seconds", "age"), [(-5, "5m"), (299, "5m"), (300, "1h"), (86_399, "1d"), (86_400, "older")]
)
def test_what_waits_has_an_age(seconds: float, age: str) -> None:
    assert age_of(seconds) == age


def test_our_names_are_those_that_the_filters_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "addresses.json").write_text('{"domains": ["example.org", "mail.example.org"]}')
    (tmp_path / "dkim-keys").write_text(
        "# DOMAIN:SELECTOR:KEYFILE, read by filters.submission\n"
        "example.org:mail:/data/dkim/a:b.pem\nother.test:s2026:/x.pem\n"
    )
    found: list[str] = []
    monkeypatch.setattr("entrypoint.metrics.folder.publish", lambda path, text: found.append(text))
    write_names(tmp_path)
    assert OwnNames.from_json(found[0]) == OwnNames.of(
        ["example.org", "mail.example.org", "other.test"],
        [("example.org", "mail"), ("other.test", "s2026")],
    )
