"""Which rendered files go live while smtpd runs, and what happens when smtpd does not take one."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrypoint.maintenance.reload import all_told, reload
from entrypoint.paths import RUN
from entrypoint.render import RenderedFile


class Smtpd:
    """Remembers what it was told of, and what stood there then."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.told: list[tuple[str, str]] = []
        self.away = False

    def update(self, table: str) -> None:
        if self.away:
            raise OSError("smtpd does not answer")
        self.told.append((table, (self.run / "tables" / table).read_text()))


class Place:
    def __init__(self, run: Path) -> None:
        self.run = run
        self.smtpd = Smtpd(run)
        self.log: list[str] = []
        self.others_when_dovecot_saw: list[str] = []

    def until_seen(self) -> None:
        assert self.read("dovecot/users") != "a"
        self.others_when_dovecot_saw.append(self.read("tables/virtuals"))

    def reload(self, **content: str) -> bool:
        owner, group = self.run.owner(), self.run.group()
        names = {"conf": "smtpd.conf", "book": "addresses.json", "mailboxes": "dovecot/users"}
        files = [
            RenderedFile(RUN / names.get(name, f"tables/{name}"), text, owner, group, 0o640)
            for name, text in content.items()
        ]
        return reload(
            files,
            lambda level, text: self.log.append(text),
            self.run,
            self.smtpd.update,
            self.until_seen,
        )

    def read(self, name: str) -> str:
        return (self.run / name).read_text()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    place.reload(virtuals="a", domains="a", book="a")
    (tmp_path / "smtpd.conf").write_text("a")
    place.smtpd.told.clear()
    return place


def test_nothing_happens_when_nothing_changed(place: Place) -> None:
    assert not place.reload(conf="a", virtuals="a", domains="a", book="a")
    assert (place.smtpd.told, place.log) == ([], [])


def test_only_a_table_that_changed_is_told(place: Place) -> None:
    assert place.reload(conf="a", virtuals="b", domains="a", book="b")
    assert place.smtpd.told == [("virtuals", "b")]
    assert place.read("addresses.json") == "b"


def test_the_people_of_a_domain_come_before_it(place: Place) -> None:
    place.reload(domains="b", virtuals="b")
    assert [table for table, _ in place.smtpd.told] == ["virtuals", "domains"]


def test_dovecot_has_seen_who_lives_here_before_anything_else_changes(place: Place) -> None:
    """It looks once a second: mail or a login would else meet an account that it does not know."""
    (place.run / "dovecot").mkdir()
    (place.run / "dovecot/users").write_text("a")
    place.reload(mailboxes="a", virtuals="a", domains="a")
    assert not place.others_when_dovecot_saw
    assert place.reload(virtuals="b", mailboxes="b")
    assert place.others_when_dovecot_saw == ["a"]
    assert place.reload(virtuals="b", mailboxes="c")
    assert place.others_when_dovecot_saw == ["a", "b"]


def test_what_is_read_at_the_start_only_is_told_and_not_written(place: Place) -> None:
    assert place.reload(conf="b", virtuals="b")
    assert place.read("smtpd.conf") == "a"
    (line,) = place.log
    assert "restart the container" in line
    assert "smtpd.conf would be different" in line
    assert place.smtpd.told == [("virtuals", "b")]


def test_smtpd_is_told_again_of_what_it_did_not_take(place: Place) -> None:
    place.smtpd.away = True
    with pytest.raises(OSError, match="does not answer"):
        place.reload(virtuals="b", domains="b")
    place.smtpd.away = False
    place.reload(virtuals="b", domains="b")
    assert place.smtpd.told == [("virtuals", "b"), ("domains", "b")]
    assert not place.reload(virtuals="b", domains="b")


def test_a_start_needs_no_telling(place: Place) -> None:
    place.smtpd.away = True
    with pytest.raises(OSError, match="does not answer"):
        place.reload(virtuals="b")
    place.smtpd.away = False
    all_told(place.run)
    assert not place.reload(virtuals="b")
    assert not place.smtpd.told
