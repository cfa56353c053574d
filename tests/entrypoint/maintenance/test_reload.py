"""Which rendered files go live while smtpd runs, in which order, and who may keep them waiting."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

from entrypoint.maintenance.progress import Progress
from entrypoint.maintenance.reload import NotLiveYetError, all_told, changes, reload
from entrypoint.paths import RUN
from entrypoint.render import RenderedFile


class Servers:
    """Remember what they were told, and what stood in every file then."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.tables: list[tuple[str, str]] = []
        self.addresses_then: list[list[str]] = []
        self.away = self.hangs = False
        self.others_when_dovecot_looked: list[str] = []
        self.sessions: dict[str, int] = {}
        self.dovecot_away = False

    async def update_table(self, table: str) -> None:
        if self.hangs:
            await asyncio.sleep(60)
        if self.away:
            raise OSError("smtpd does not answer")
        if (self.run / "tables" / table).exists():
            self.tables.append((table, (self.run / "tables" / table).read_text()))
        if (self.run / "addresses.json").exists():
            self.addresses_then.append(owners(self.run))

    async def until_dovecot_looks(self) -> None:
        if (self.run / "tables/virtuals").exists():
            self.others_when_dovecot_looked.append((self.run / "tables/virtuals").read_text())

    def sessions_to_end(self) -> Collection[str]:
        return self.sessions

    async def end_sessions(self) -> Mapping[str, int]:
        if self.dovecot_away:
            raise OSError("Dovecot is away")
        ended, self.sessions = self.sessions, {}
        return ended


def book(*addresses: str, domains: str = "example.org") -> str:
    content = {
        "delimiter": "+",
        "domains": domains.split(),
        "owners": {address: ["a@example.org"] for address in addresses},
        "forwards": [address for address in addresses if address.startswith("f")],
    }
    return json.dumps(content, indent=1) + "\n"


def owners(run: Path) -> list[str]:
    return list(json.loads((run / "addresses.json").read_text())["owners"])


NAMES = {
    "conf": "smtpd.conf",
    "book": "addresses.json",
    "mailboxes": "dovecot/users",
    "spellings": "dovecot/spellings",
    "logins": "logins.json",
}


class Place:
    def __init__(self, run: Path) -> None:
        self.run = run
        self.servers = Servers(run)
        self.log: list[str] = []
        self.slow: list[str] = []
        self.progress = Progress(self.slow.append)

    def reload(self, **content: str) -> list[str]:
        """Have them live; the names of those that had changed."""
        owner, group = self.run.owner(), self.run.group()
        files = [
            RenderedFile(RUN / NAMES.get(name, f"tables/{name}"), text, owner, group, 0o640)
            for name, text in content.items()
        ]
        new = changes(files, self.run)
        self.progress = Progress(self.slow.append)
        say = lambda line: self.log.append(line.text)  # noqa: E731
        asyncio.run(reload(new, self.servers, self.progress, say, self.run))
        return sorted(new.files)

    def read(self, name: str) -> str:
        return (self.run / name).read_text()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    place.reload(virtuals="a", domains="a", book=book("a@example.org"), logins="a", mailboxes="a")
    (tmp_path / "smtpd.conf").write_text("a")
    place.servers = Servers(tmp_path)
    return place


def test_nothing_happens_when_nothing_changed(place: Place) -> None:
    same = {"conf": "a", "virtuals": "a", "domains": "a", "book": book("a@example.org")}
    assert place.reload(**same) == []
    assert (place.servers.tables, place.log) == ([], [])


def test_only_a_table_that_changed_is_told(place: Place) -> None:
    assert place.reload(conf="a", virtuals="b", domains="a")
    assert place.servers.tables == [("virtuals", "b")]


def test_those_of_a_domain_come_before_it(place: Place) -> None:
    place.reload(domains="b", virtuals="b")
    assert [table for table, _ in place.servers.tables] == ["virtuals", "domains"]


def test_smtpd_knows_an_address_before_the_filters_do_and_forgets_it_after_them(
    place: Place,
) -> None:
    """smtpd answers an address that it does not know with 524: the filters refuse it before."""
    place.reload(virtuals="b", book=book("b@example.org", "a@example.org", "f@example.org"))
    assert place.servers.addresses_then == [["a@example.org"]]
    assert owners(place.run) == ["b@example.org", "a@example.org", "f@example.org"]
    place.reload(virtuals="c", book=book("b@example.org", "c@example.org"))
    assert place.servers.addresses_then[1:] == [["b@example.org"]]
    assert place.read("addresses.json") == book("b@example.org", "c@example.org")


def test_a_right_to_send_ends_before_smtpd_is_told(place: Place) -> None:
    def rights(address: str) -> str:
        return json.dumps(
            json.loads(book("a@example.org")) | {"senders": {"a@example.org": [address]}}
        )

    place.reload(virtuals="b", book=rights("@example.org"))
    place.servers.away = True
    with pytest.raises(NotLiveYetError):
        place.reload(virtuals="c", book=rights("@example.net"))
    assert (
        "@example.org" not in json.loads(place.read("addresses.json"))["senders"]["a@example.org"]
    )


def test_a_list_is_there_as_long_as_smtpd_may_look_for_it(place: Place) -> None:
    lists = place.run / "tables/lists"

    def names() -> list[str]:
        return sorted(path.name for path in lists.iterdir())

    place.reload(virtuals="a :include:/run/signpost/tables/lists/one", **{"lists/one": "x"})
    assert names() == ["one"]
    new = {"virtuals": "a :include:/run/signpost/tables/lists/two", "lists/two": "y"}
    place.servers.away = True
    with pytest.raises(NotLiveYetError):
        place.reload(**new)
    assert names() == ["one", "two"]
    place.servers.away = False
    place.reload(**new)
    assert names() == ["two"]


def test_dovecot_has_seen_who_lives_here_before_smtpd_delivers_to_them(place: Place) -> None:
    """It looks once a second: mail or a login would else meet an account that it does not know."""
    place.reload(mailboxes="a", virtuals="a", domains="a")
    assert not place.servers.others_when_dovecot_looked
    assert place.reload(virtuals="b", mailboxes="b")
    assert place.servers.others_when_dovecot_looked == ["a"]
    assert place.reload(virtuals="b", mailboxes="c")
    assert place.servers.others_when_dovecot_looked == ["a", "b"]


def test_dovecot_knows_the_spellings_of_a_domain_before_smtpd_takes_mail_for_it(
    place: Place,
) -> None:
    """They change without its users where a domain comes before anybody lives in it."""
    place.reload(mailboxes="a", virtuals="a", domains="a", spellings="a")
    place.servers.others_when_dovecot_looked.clear()
    assert place.reload(domains="b", virtuals="b", spellings="b")
    assert place.servers.others_when_dovecot_looked == ["a"]
    assert place.read("dovecot/spellings") == "b"
    assert "Dovecot's users" in place.progress.text


def test_what_is_read_at_the_start_only_is_told_and_not_written(place: Place) -> None:
    assert place.reload(conf="b", virtuals="b")
    assert place.read("smtpd.conf") == "a"
    (line,) = place.log
    assert "restart the container" in line
    assert "smtpd.conf would be different" in line
    assert place.servers.tables == [("virtuals", "b")]


def test_smtpd_is_told_again_of_what_it_did_not_take(place: Place) -> None:
    place.servers.away = True
    new = book("a@example.org", "b@example.org")
    with pytest.raises(NotLiveYetError, match="does not answer"):
        place.reload(virtuals="b", domains="b", logins="b", book=new)
    assert place.progress.text == (
        "live: passwords; not live yet: smtpd's tables, the filters' addresses"
    )
    assert owners(place.run) == ["a@example.org"]
    place.servers.away = False
    place.reload(virtuals="b", domains="b", logins="b", book=new)
    assert place.servers.tables == [("virtuals", "b"), ("domains", "b")]
    assert place.read("addresses.json") == new
    assert place.reload(virtuals="b", domains="b", logins="b", book=new) == []


def test_who_hangs_is_named_and_passwords_and_sessions_do_not_wait(place: Place) -> None:
    place.servers.hangs = True
    place.servers.sessions = {"a@example.org": 2}
    owner, group = place.run.owner(), place.run.group()
    files = [
        RenderedFile(RUN / NAMES.get(name, f"tables/{name}"), "b", owner, group, 0o640)
        for name in ("logins", "mailboxes", "virtuals")
    ]

    async def until_slow() -> None:
        stuck = asyncio.Event()

        def slow(what: str) -> None:
            place.slow.append(what)
            stuck.set()

        place.progress = Progress(slow)
        say = lambda line: place.log.append(line.text)  # noqa: E731
        going = asyncio.create_task(
            reload(changes(files, place.run), place.servers, place.progress, say, place.run)
        )
        async with asyncio.timeout(10):
            await stuck.wait()
        going.cancel()
        await asyncio.wait({going})

    asyncio.run(until_slow())
    assert place.slow == ["smtpd does not answer when it is to read its tables again"]
    assert place.progress.text == (
        "live: passwords, Dovecot's users, the end of open sessions; not live yet: smtpd's tables"
    )
    assert place.log == ["a@example.org: 2 open sessions ended: a password counts no longer"]


def test_sessions_that_do_not_end_keep_no_table_back(place: Place) -> None:
    place.servers.sessions, place.servers.dovecot_away = {"a@example.org": 1}, True
    place.servers.away = True
    with pytest.raises(NotLiveYetError) as caught:
        place.reload(virtuals="b")
    assert caught.value.reasons == ("smtpd does not answer", "Dovecot is away")
    place.servers.away = False
    with pytest.raises(NotLiveYetError, match="Dovecot is away"):
        place.reload(virtuals="b")
    assert place.servers.tables == [("virtuals", "b")]
    place.servers.dovecot_away = False
    place.reload(virtuals="b")
    assert place.log == ["a@example.org: 1 open session ended: a password counts no longer"]


def test_a_start_needs_no_telling(place: Place) -> None:
    place.servers.away = True
    with pytest.raises(NotLiveYetError, match="does not answer"):
        place.reload(virtuals="b")
    place.servers.away = False
    all_told(place.run)
    assert place.reload(virtuals="b") == []
    assert not place.servers.tables
