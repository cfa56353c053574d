"""What the doctor does at the edges: hostile texts, what hangs, small and full disks, the demo."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.config import environ
from entrypoint.config.settings import HostFacts, Settings
from entrypoint.doctor import checkup
from entrypoint.doctor.checkup import Checkup
from entrypoint.doctor.client_addresses import Clients, ClientsError, read_clients
from entrypoint.doctor.disk import judge_room
from entrypoint.doctor.finding import Finding, quote, worst
from entrypoint.doctor.outbound import check_outbound
from entrypoint.doctor.probes import Probes
from entrypoint.doctor.spf import MOST_COUNTED, terms_of
from filters.disk_room import Room, room_of
from filters.mailauth.dns.resolver import Answer, StaticResolver

from .deployment import KEYS, good
from .smtp_servers import Manner, free_ports, serving

MIB, GIB = 1024**2, 1024**3


class TestFindings:
    @given(st.text())
    def test_they_hold_printable_ascii_only(self, text: str) -> None:
        for each in (Finding("x", None, "ok", text, text).as_json(), {"quoted": quote(text)}):
            for value in each.values():
                assert value is None or (value.isascii() and value.isprintable())

    @given(st.binary())
    def test_bytes_may_be_quoted_as_they_are(self, text: bytes) -> None:
        assert quote(text).isascii()
        assert quote(text).isprintable()

    def test_a_long_detail_is_cut_and_a_cure_is_not(self) -> None:
        finding = Finding("x", None, "ok", "d" * 10_000, "c" * 10_000)
        assert finding.detail == "d" * 797 + "..."
        assert finding.cure == "c" * 10_000

    @pytest.mark.parametrize(
        ("statuses", "expected"),
        [
            ([], "ok"),
            (["ok", "ok"], "ok"),
            (["ok", "skipped"], "skipped"),
            (["skipped", "warn", "ok"], "warn"),
            (["warn", "fail", "ok"], "fail"),
        ],
    )
    def test_the_worst_one_counts(self, statuses: list[str], expected: str) -> None:
        assert worst(Finding("x", None, status, "") for status in statuses) == expected  # type: ignore[arg-type]


class TestSpfTerms:
    @pytest.mark.parametrize(
        ("record", "lookups", "everybody"),
        [
            ("v=spf1", 0, False),
            ("v=spf1 -all", 0, False),
            ("v=spf1 ?all", 0, False),
            ("V=SPF1 ALL", 0, True),
            ("v=spf1 A MX:b.example/24//64 ptr exists:%{i}.x ip4:192.0.2.1 -all", 4, False),
            ("v=spf1 a/24 -mx ~ptr:x ?exists:y -all", 4, False),
            ("v=spf1 include:gone.example -all", 1, False),
            ("v=spf1 include:%{d}.example -all", 1, False),
            ("v=spf1 redirect=gone.example", 1, False),
            ("v=spf1 redirect=gone.example -all", 0, False),
            ("v=spf1 exp=e.example unknown=a:b a=b -all", 0, False),
            ("v=spf1  a   mx ", 2, False),
            ("v=spf1 include: a: redirect=", 3, False),
            ("v=spf1 " + "a " * 500, MOST_COUNTED + 1, False),
            ("v=spf1 " + "include:loop.example " * 500, MOST_COUNTED + 1, False),
        ],
    )
    def test_they_are_counted(self, record: str, lookups: int, everybody: bool) -> None:
        zone = StaticResolver({"loop.example": {"TXT": [record]}})
        terms = asyncio.run(terms_of("loop.example", zone))
        assert terms is not None
        assert (terms.lookups, terms.everybody) == (lookups, everybody)
        assert len(zone.asked) < 5 * MOST_COUNTED

    @given(st.text(st.sampled_from("v=spf1 :/+-~?%{}.aimncluderxstp\0é"), max_size=200))
    def test_nothing_that_a_record_says_is_an_error(self, text: str) -> None:
        zone = StaticResolver({"x.example": {"TXT": [f"v=spf1 {text}"]}})
        assert asyncio.run(terms_of("x.example", zone)) is not None


class TestClientsFile:
    def test_none_yet(self, tmp_path: Path) -> None:
        assert read_clients(tmp_path / "clients.json") == Clients()

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"[]",
            b"{}",
            b"\xff",
            b'{"clients": {"gateway": 1}}',
            b'{"clients": {"gateway": 1, "other": 1.5}}',
            b'{"clients": {"gateway": 1, "other": 1}, "only": "all"}',
            b"[" * 4096,
            b'{"clients": {"gateway": 1, "other": 1}}' + b" " * 5000 + b"x",
        ],
    )
    def test_what_the_filters_user_could_write(self, content: bytes, tmp_path: Path) -> None:
        file = tmp_path / "clients.json"
        file.write_bytes(content)
        if content.endswith(b"x"):  # beyond what is read at all
            assert read_clients(file) == Clients(1, 1)
            return
        with pytest.raises(ClientsError):
            read_clients(file)

    def test_links_pipes_and_folders_are_not_read(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text('{"clients": {"gateway": 1, "other": 1}}')
        (tmp_path / "link").symlink_to(tmp_path / "secret")
        os.mkfifo(tmp_path / "pipe")
        for name in ("link", "pipe", "."):
            with pytest.raises(ClientsError):
                read_clients(tmp_path / name)


class TestDisk:
    @pytest.mark.parametrize(
        ("room", "status", "detail"),
        [
            (Room(100 * GIB, 50 * GIB, 10**6, 10**6), "ok", "are free, 1000000 of 1000000 inodes"),
            (Room(1000 * GIB, 20 * GIB, 0, 0), "ok", "20.0 GiB of 1000.0 GiB are free"),
            (Room(2 * GIB, GIB, 0, 0), "ok", "1.0 GiB of 2.0 GiB are free"),
            (Room(100 * GIB, 9 * GIB, 0, 0), "warn", "9.0 GiB of 100.0 GiB are free"),
            (Room(100 * GIB, 100 * MIB, 0, 0), "fail", "100 MiB of 100.0 GiB are free"),
            (Room(GIB, GIB, 10**6, 10**4), "warn", "free, 10000 of 1000000 inodes"),
            (Room(GIB, GIB, 10**6, 999), "fail", "free, 999 of 1000000 inodes"),
        ],
    )
    def test_room(self, room: Room, status: str, detail: str) -> None:
        finding = judge_room(Path("/data"), room, 35 * MIB)
        assert finding.status == status
        assert finding.detail.startswith("/data: ")
        assert finding.detail.endswith(detail)
        assert bool(finding.cure) == (status != "ok")

    def test_it_is_asked_of_the_file_system(self, tmp_path: Path) -> None:
        room = room_of(tmp_path)
        assert 0 < room.free < room.size

    def test_a_volume_that_is_not_there(self, tmp_path: Path) -> None:
        finding = checkup.disk.check_disk(tmp_path / "gone", 1)
        assert (finding.status, finding.detail) == (
            "fail",
            f"{tmp_path}/gone: No such file or directory",
        )


def _settings(**more: str) -> Settings:
    return environ.load({**good()["environ"], **more}, host=HostFacts(ipv6=True))


def _probes(folder: Path) -> Probes:
    return Probes(
        smtp=(),
        smtp_port=9,
        data=folder,
        spool=folder,
        clients=folder / "none",
        smtpctl=["true"],
    )


class Stuck:
    """A name server that never answers."""

    async def query(self, name: str, rdtype: str) -> Answer:
        await asyncio.get_running_loop().create_future()
        raise AssertionError


class Wrong:
    """A resolver with an error of ours in it."""

    async def query(self, name: str, rdtype: str) -> Answer:
        raise ZeroDivisionError("\x1b[31m")


class TestOutbound:
    """Which of a foreign domain's servers are connected to."""

    ZONE: ClassVar[dict[str, Any]] = {
        "far.example": {"MX": [[10, "mx.far.example"]]},
        "mx.far.example": {"A": ["127.0.0.11", "127.0.0.12", "127.0.0.13"]},
    }

    @pytest.mark.parametrize(
        ("answering", "connected"),
        [
            ((11, 12, 13), {11, 12}),
            ((12, 13), {12}),
            ((13,), {13}),
        ],
    )
    def test_no_more_than_it_takes(self, answering: tuple[int, ...], connected: set[int]) -> None:
        found, heard = asyncio.run(self._outbound(answering))
        assert found.status == "ok"
        assert {place for place, said in heard.items() if said} == connected
        assert {command for said in heard.values() for command in said} == {"QUIT"}

    async def _outbound(self, answering: tuple[int, ...]) -> tuple[Finding, dict[int, list[str]]]:
        (port,) = free_ports(1)
        heard: dict[int, list[str]] = {}
        async with AsyncExitStack() as stack:
            for place in answering:
                server = serving(f"127.0.0.{place}", port, Manner())
                _, heard[place] = await stack.enter_async_context(server)
            zone = StaticResolver(self.ZONE)
            found = await check_outbound("far.example", zone, port, lambda address: address)
        return found, heard


def test_what_hangs_is_told_in_the_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(checkup, "SECONDS", 0.2)
    found = asyncio.run(Checkup(_settings(), KEYS, Stuck(), _probes(tmp_path)).run())
    hung = [each.check for each in found if each.detail == "not finished within 0.2 s"]
    assert {"address", "mx", "spf", "dkim", "dmarc", "outbound"} <= set(hung)
    # What needs no DNS has been looked at all the same.
    assert {"clients", "clock", "disk", "queue"} <= {each.check for each in found}


def test_an_error_of_ours_takes_no_other_check_with_it(tmp_path: Path) -> None:
    found = asyncio.run(Checkup(_settings(), KEYS, Wrong(), _probes(tmp_path)).run())
    (mx, _) = [each for each in found if each.check == "mx"]
    assert mx.status == "warn"
    assert mx.detail == "the check failed (ZeroDivisionError: \\x1b[31m)"
    assert {"clients", "clock", "disk", "queue"} <= {each.check for each in found}


def test_a_demo_is_looked_at_from_inside_only(tmp_path: Path) -> None:
    zone = StaticResolver({})
    settings = environ.load({"ENABLE_IMAP": "no"}, host=HostFacts(ipv6=True))
    found = asyncio.run(Checkup(settings, [], zone, _probes(tmp_path)).run())
    assert zone.asked == []
    assert [each.check for each in found] == ["demo", "clock", "disk", "disk", "queue"]
    assert (found[0].status, found[0].domain) == ("skipped", None)
