"""The whole of it: real keys, real name servers, the file that the signer reads."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from entrypoint.commands import keys
from entrypoint.config.settings import Settings
from entrypoint.dkim_keys import key_files
from entrypoint.dkim_keys.lifecycle import GRACE
from entrypoint.dkim_keys.ticker import KeyTicker
from entrypoint.dns_records import key_record

from .name_servers import RESOLVER, AuthorityServer, serving
from .places import DOMAIN, NOW, Places, configured

HOUR, DAY = 3_600, 86_400
QUICK = {"DKIM_KEY_TYPES": "ed25519", "DNS_SERVERS": RESOLVER}


class Server:
    """The running server as far as its keys go, and the name servers of its zone."""

    def __init__(self, folder: Path, zone: dict[str, AuthorityServer]) -> None:
        self.places = Places.new(folder / "places")
        self.zone = zone
        self.now = NOW
        self.new_process()

    def new_process(self) -> None:
        self._ticker = KeyTicker(self.places.store, self.zone["resolver"].port)

    def tick(self, after: int = 60, **variables: str) -> list[str]:
        self.now += after
        said = asyncio.run(self._ticker.tick(configured(**QUICK | variables), self.now))
        return [f"{level}: {text}" for level, text in said]

    def settings(self) -> Settings:
        return configured(**QUICK)

    def rotate(self) -> None:
        store = self.places.store(self.settings())
        with store.locked():
            store.rotate(DOMAIN, self.now)

    def records(self) -> list[str]:
        store = self.places.store(self.settings())
        keys = store.load()[DOMAIN].keys
        return [key_record(store.read(DOMAIN, key)).zone_line() for key in keys]

    def publish(self, *servers: str) -> None:
        for name in servers:
            self.zone[name].publish(*self.records())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving() as zone:
        yield Server(tmp_path, zone)


BOTH = ("ns1.example.net", "ns2.example.net")
FIRST, SECOND = "mail-ed25519", "mail-20251124-ed25519"


def test_a_new_installation(server: Server) -> None:
    made, told = server.tick()
    assert made.startswith(
        f"info: {DOMAIN}: a new DKIM key; publish: {FIRST}._domainkey.{DOMAIN}. "
    )
    assert told == (
        f"error: {DOMAIN}: DKIM key {FIRST} (Ed25519) signs, and DNS does not serve it: no name "
        "server of the zone has the record yet; publish what `signpost dns` prints"
    )
    assert server.places.signers() == [FIRST]
    assert server.tick(HOUR) == []
    server.new_process()
    assert server.tick(HOUR) == []
    server.publish(*BOTH)
    assert server.tick(HOUR) == [
        f"info: {DOMAIN}: DKIM key {FIRST} (Ed25519): every name server of the zone has it"
    ]
    assert server.tick(HOUR) == []
    server.zone["ns2.example.net"].publish()
    (told,) = server.tick(HOUR)
    assert "signs, and DNS does not serve it: ns2.example.net has no such record" in told


def test_a_rotation_with_dns_that_is_late_partial_wrong_and_then_right(server: Server) -> None:
    server.tick()
    server.publish(*BOTH)
    server.tick(HOUR)
    server.rotate()
    waits = f"{DOMAIN}: DKIM key {SECOND} (Ed25519) waits for DNS: "
    assert server.tick() == [f"info: {waits}no name server of the zone has the record yet"]
    assert server.tick() == []
    server.publish("ns1.example.net")
    assert server.tick() == [f"warning: {waits}ns2.example.net has no such record"]
    first, second = server.records()
    wrong = f"{second.partition(' IN ')[0]} IN {first.partition(' IN ')[2]}"
    server.zone["ns2.example.net"].publish(first, wrong)
    assert server.tick() == [f"warning: {waits}ns2.example.net has another key"]
    server.zone["ns2.example.net"].manner = "refused"
    assert server.tick() == [f"warning: {waits}ns2.example.net cannot be asked: it answers REFUSED"]
    assert server.places.signers() == [FIRST]

    server.zone["ns2.example.net"].manner = "good"
    server.publish("ns2.example.net")
    assert [line.partition(f"{DOMAIN}: ")[2] for line in server.tick()] == [
        f"DKIM key {SECOND} (Ed25519) signs from now on: every name server of the zone has it",
        f"DKIM key {FIRST} (Ed25519) signs no longer; its record has to stay until 2025-12-01",
    ]
    assert server.places.signers() == [SECOND]
    assert server.tick(GRACE - HOUR) == []
    (over,) = server.tick(HOUR)
    assert f"the record of DKIM key {FIRST} (Ed25519) may be taken out of DNS" in over
    assert server.places.files() == {FIRST, SECOND}


def test_age_asks_for_the_next_key(server: Server) -> None:
    server.tick()
    server.publish(*BOTH)
    server.tick(HOUR)
    assert server.tick(13 * DAY, DKIM_ROTATE_DAYS="14") == []
    made, _waits = server.tick(DAY, DKIM_ROTATE_DAYS="14")
    assert "a new DKIM key; publish: mail-20251208-ed25519._domainkey." in made
    assert server.tick(DAY, DKIM_ROTATE_DAYS="14") == []


def test_a_domain_that_is_added_signs_at_once_and_is_told(server: Server) -> None:
    server.tick()
    lines = server.tick(DOMAINS=f"{DOMAIN}, example.net")
    assert lines[0].startswith(
        f"info: example.net: a new DKIM key; publish: {FIRST}._domainkey.example.net. IN TXT "
    )
    assert server.places.signers("example.net") == [FIRST]
    # One that is taken away signs no longer, and its keys are kept.
    server.tick()
    assert server.places.signers("example.net") == []
    assert server.places.files("example.net") == {FIRST}


def test_the_demo_is_left_in_peace(server: Server) -> None:
    (made,) = server.tick(DOMAINS="", ACCOUNTS="")
    assert "signpost.test: a new DKIM key" in made
    assert server.zone["resolver"].asked == []


def test_a_key_that_cannot_be_used_is_told_once_and_the_others_sign(server: Server) -> None:
    folder = server.places.data / "example.net"
    folder.mkdir()
    (folder / "mail-ed25519.pem").write_text("no key")
    lines = server.tick(DOMAINS=f"{DOMAIN}, example.net")
    problem = (
        f"{folder}/{FIRST}.pem: DKIM key {FIRST}._domainkey.example.net: no private key in PEM"
    )
    assert [line for line in lines if line.startswith(f"error: {problem}")]
    assert server.places.signers() == [FIRST]
    assert server.tick(DOMAINS=f"{DOMAIN}, example.net") == []


def test_what_a_command_has_written_is_followed_without_dns(server: Server) -> None:
    server.tick()
    asked = len(server.zone["resolver"].asked)
    settings = configured(**QUICK | {"DOMAINS": f"{DOMAIN}, example.net"})
    lines, errors = asyncio.run(server._ticker.follow(settings))
    assert [text.partition(";")[0] for _, text in lines] == ["example.net: a new DKIM key"]
    assert errors == []
    assert server.places.signers("example.net") == [FIRST]
    assert len(server.zone["resolver"].asked) == asked


def test_silent_name_servers_hold_nothing_up(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("entrypoint.dkim_keys.ticker._KEY_SECONDS", 1.0)
    for each in server.zone.values():
        each.manner = "silent"

    async def beside() -> int:
        tick, steps = asyncio.ensure_future(server._ticker.tick(server.settings(), NOW)), 0
        while not server.zone["resolver"].asked:
            await asyncio.sleep(0.01)
        # A command is not kept waiting for the lock, either.
        assert (await server._ticker.follow(server.settings()))[1] == []
        while not tick.done():
            await asyncio.sleep(0.01)
            steps += 1
        assert "DKIM key" in tick.result()[0][1]
        return steps

    assert asyncio.run(beside()) > 10


def test_files_that_take_too_long_are_an_error_and_end_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.tick()
    monkeypatch.setattr("entrypoint.dkim_keys.ticker._FILES_SECONDS", 0.5)
    store = server.places.store(server.settings())
    late = ["error: the files of DKIM keys cannot be read and written in time"]
    with store.locked():
        assert [server.tick(HOUR), server.tick(HOUR)] == [late, []]
    assert server.tick(HOUR) == []


def test_the_parent_never_acts_as_the_signer(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rights would change for everything that goes on beside it."""
    parent, acting_as = os.getpid(), key_files.acting_as

    def in_a_child(user: str) -> AbstractContextManager[None]:
        assert os.getpid() != parent
        return acting_as(user)

    monkeypatch.setattr(key_files, "acting_as", in_a_child)
    (made, _) = server.tick()
    assert "a new DKIM key" in made


def test_the_list_of_keys(server: Server) -> None:
    server.tick()
    server.publish(*BOTH)
    server.tick(HOUR)
    server.rotate()
    state = server.places.store(server.settings()).load()
    assert list(keys.as_text(state, [DOMAIN])) == [
        DOMAIN,
        f"  {FIRST}           ed25519  signs since 2025-11-24; DNS serves it",
        f"  {SECOND}  ed25519  next: waits for DNS",
    ]
    first, second = keys.as_json(state, [DOMAIN])
    assert first == {
        "domain": DOMAIN,
        "selector": FIRST,
        "type": "ed25519",
        "status": "signing",
        "since": "2025-11-24T16:01:00Z",
        "created": "2025-11-24T16:01:00Z",
        "published": "2025-11-24T17:01:00Z",
        "until": None,
        "dns": {"answer": "served", "detail": ""},
        "unserved": 1,
    }
    assert (second["status"], second["dns"]) == ("next", None)
    json.dumps([first, second])
