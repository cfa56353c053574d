"""The mail about a Sieve script that fails: once for a script, again after a week."""

import os
from pathlib import Path

import pytest

from entrypoint.maintenance.sieve_notices import tell_all

ALICE = "alice@example.org"
DAY = 86_400.0
LOGGED = "sieve: info: started log at 2026-11-26 21:14:10 +0000.\n"


class Home:
    """One account's."""

    def __init__(self, mail: Path) -> None:
        self.mail, self.home = mail, mail / "example.org/alice"
        for name in ("cur", "new", "tmp"):
            (self.home / "Maildir" / name).mkdir(parents=True)

    def fails(self, why: str, now: float) -> None:
        with (self.home / ".dovecot.sieve.log").open("a") as log:
            log.write(f"{LOGGED}{why}\n")
        os.utime(self.home / ".dovecot.sieve.log", (now, now))

    def script(self, now: float) -> None:
        (self.home / "tests.sieve").write_text("keep;")
        os.utime(self.home / "tests.sieve", (now, now))
        link = self.home / ".dovecot.sieve"
        link.unlink(missing_ok=True)
        link.symlink_to("tests.sieve")
        os.utime(link, (now, now), follow_symlinks=False)

    def told(self, now: float) -> list[str]:
        """What has been written since the last time."""
        tell_all([ALICE, "nobody@example.org"], "mail.example.org", self.mail, now)
        assert not list((self.home / "Maildir/tmp").iterdir())
        found = sorted((self.home / "Maildir/new").iterdir())
        texts = [each.read_text() for each in found]
        for each in found:
            each.unlink()
        return texts


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_it_says_why_and_is_a_message(home: Home) -> None:
    home.fails("tests: line 5: error: too many", 100)
    home.fails("tests: line 6: error: of \x1b[2J later", 200)
    (text,) = home.told(201)
    header, _, body = text.partition("\n\n")
    assert "From: Mail server <MAILER-DAEMON@mail.example.org>\nTo: <alice@example.org>" in header
    assert "Auto-Submitted: auto-generated" in header
    assert "    tests: line 6: error: of \\x1b[2J later\n" in body
    assert "line 5" not in body


def test_once_for_a_script_and_again_after_a_week(home: Home) -> None:
    home.script(0)
    assert home.told(1) == []
    home.fails("error", 100)
    assert len(home.told(101)) == 1
    assert home.told(102) == []
    home.fails("error", 200)
    assert home.told(201) == []
    home.script(300)
    assert home.told(301) == []
    home.fails("error", 400)
    assert len(home.told(401)) == 1
    home.fails("error", 8 * DAY)
    assert len(home.told(8 * DAY + 1)) == 1
    assert home.told(16 * DAY) == []


def test_what_it_cannot_write_is_tried_again(home: Home) -> None:
    home.fails("error", 100)
    (home.home / "Maildir/new").rmdir()
    assert tell_all([ALICE], "mail.example.org", home.mail, 101) == []
    (home.home / "Maildir/new").mkdir()
    assert len(home.told(102)) <= 1


def test_a_link_in_its_place_is_not_read(home: Home) -> None:
    secret = home.mail / "secret"
    secret.write_text("secret")
    (home.home / ".dovecot.sieve.log").symlink_to(secret)
    assert home.told(100) == []
