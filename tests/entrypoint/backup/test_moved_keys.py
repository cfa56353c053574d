"""Keys of a backup and what DNS says of them now, with real keys and real name servers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from entrypoint.backup import moved_keys
from entrypoint.backup.moved_keys import STATE, RestoredKey
from entrypoint.dkim_keys.model import Observation

from ..dkim_keys.name_servers import RESOLVER, serving
from ..dkim_keys.places import DOMAIN, NOW
from ..dkim_keys.test_ticker import Server

HOUR = 3_600


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving() as zone:
        yield Server(tmp_path, zone)


def files(server: Server) -> dict[str, bytes]:
    """What an archive has of the keys."""
    top = server.places.data
    return {
        f"data/dkim/{path.relative_to(top)}": path.read_bytes()
        for path in top.rglob("*")
        if path.name == "state.json" or path.suffix == ".pem"
    }


def look(server: Server, saved: dict[str, bytes]) -> dict[str, tuple[str, bool]]:
    """Selector → what DNS says, and whether it has moved past the key."""
    found = asyncio.run(moved_keys.look(saved, [RESOLVER], server.zone["resolver"].port))
    return {key.selector: (key.seen.answer, key.moved) for key in found}


def in_dns(server: Server) -> dict[str, bytes]:
    """A backup of a server whose keys every name server has."""
    server.places.start(server.settings())
    server.publish("ns1.example.net", "ns2.example.net")
    server.tick()
    return files(server)


def test_keys_that_dns_serves_are_as_they_were(server: Server) -> None:
    assert look(server, in_dns(server)) == {"mail-ed25519": ("served", False)}


def test_keys_that_were_never_in_dns_are_not_looked_for(server: Server) -> None:
    server.places.start(server.settings())
    assert look(server, files(server)) == {}
    assert look(server, {}) == {}


@pytest.mark.parametrize(
    ("record", "answer"),
    [
        ((), "missing"),
        ((f'mail-ed25519._domainkey.{DOMAIN}. IN TXT "v=DKIM1; k=ed25519; p="',), "wrong"),
    ],
)
def test_dns_has_moved_past_a_key(server: Server, record: tuple[str, ...], answer: str) -> None:
    saved = in_dns(server)
    for name in ("ns1.example.net", "ns2.example.net"):
        server.zone[name].publish(*record)
    assert look(server, saved) == {"mail-ed25519": (answer, True)}


def test_one_name_server_that_lags_is_no_reason(server: Server) -> None:
    saved = in_dns(server)
    server.zone["ns2.example.net"].publish()
    assert look(server, saved) == {"mail-ed25519": ("partial", False)}


def test_silent_name_servers_are_no_reason(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moved_keys, "_KEY_SECONDS", 1.0)
    saved = in_dns(server)
    for each in server.zone.values():
        each.manner = "silent"
    assert look(server, saved) == {"mail-ed25519": ("unknown", False)}


def test_a_key_that_is_not_restored_is_never_used_again(server: Server) -> None:
    saved = in_dns(server)
    key = RestoredKey(DOMAIN, "mail-ed25519", Observation("missing"))
    (server.places.data / "state.json").write_bytes(moved_keys.state_without(saved, [key]))
    (server.places.data / DOMAIN / "mail-ed25519.pem").unlink()
    server.places.start(server.settings(), NOW + HOUR)
    (selector,) = server.places.signers()
    assert selector.startswith("mail-2025")
    assert selector.endswith("-ed25519")


ARC = "data/arc/{}/mail-arc.pem".format


def with_arc(saved: dict[str, bytes], domain: str = DOMAIN) -> dict[str, bytes]:
    """With a key of ARC, whose host has no zone of its own here."""
    return {**saved, ARC(domain): saved[f"data/dkim/{DOMAIN}/mail-ed25519.pem"]}


def test_a_key_of_arc_is_compared_as_well(server: Server) -> None:
    saved = in_dns(server)
    only = {ARC(DOMAIN): saved[f"data/dkim/{DOMAIN}/mail-ed25519.pem"]}
    for keys in (with_arc(saved), only):
        assert look(server, keys)["mail-arc"] == ("missing", True)
    (record,) = server.records()
    for name in ("ns1.example.net", "ns2.example.net"):
        server.zone[name].publish(record, record.replace("mail-ed25519", "mail-arc"))
    assert look(server, with_arc(saved))["mail-arc"] == ("served", False)
    (found,) = asyncio.run(moved_keys.look(only, [RESOLVER], server.zone["resolver"].port))
    assert (found.use, found.member, found.moved) == ("ARC", ARC(DOMAIN), False)


def test_one_of_arc_has_no_state(server: Server) -> None:
    saved = in_dns(server)
    key = RestoredKey(DOMAIN, "mail-arc", Observation("wrong"), "ARC")
    assert key.member == ARC(DOMAIN)
    assert moved_keys.state_without(saved, [key]) == moved_keys.state_without(saved, [])


def test_damaged_keys_are_named(server: Server) -> None:
    saved = in_dns(server)
    saved[f"data/dkim/{DOMAIN}/mail-ed25519.pem"] = b"no key"
    with pytest.raises(ValueError, match=f"{DOMAIN}/mail-ed25519"):
        moved_keys.signing_keys_in(saved)
    with pytest.raises(ValueError, match="version"):
        moved_keys.signing_keys_in({STATE: b'{"domains": {}}'})
    with pytest.raises(ValueError, match="mail-arc"):
        moved_keys.signing_keys_in({ARC("mail.example.org"): b"no key"})
