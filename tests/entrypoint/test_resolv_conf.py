"""Whom the container asks for names, where its root file system can be written and where not."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrypoint import resolv_conf

# It can be read, and not written, by root neither.
READ_ONLY = Path("/proc/version")
SERVERS = ["192.0.2.53", "2001:db8::53"]


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    return tmp_path / "run/resolv.conf"


def test_the_systems_own_file_where_it_can_be_written(tmp_path: Path, ours: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("search example\nnameserver 127.0.0.11\n")
    resolv_conf.ask(SERVERS, "# why\n", path, ours)
    assert path.read_text() == "nameserver 192.0.2.53\nnameserver 2001:db8::53\n# why\n"
    assert resolv_conf.chosen(ours) is None
    assert resolv_conf.preloaded(ours) == {}
    assert resolv_conf.in_force(ours) == resolv_conf.RESOLV_CONF


def test_a_file_of_ours_where_it_cannot(ours: Path) -> None:
    resolv_conf.ask(SERVERS, "", READ_ONLY, ours)
    assert resolv_conf.chosen(ours) == SERVERS
    assert resolv_conf.in_force(ours) == ours
    assert resolv_conf.preloaded(ours)["LD_PRELOAD"].endswith("/resolv_conf.so")
    # Every user's programs read it.
    assert (ours.stat().st_mode & 0o777, ours.parent.stat().st_mode & 0o777) == (0o644, 0o711)


def test_one_that_says_so_already_is_left_alone(tmp_path: Path, ours: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 192.0.2.53\nnameserver 2001:db8::53\noptions edns0\n")
    resolv_conf.ask(SERVERS, "", path, ours)
    assert path.read_text().endswith("edns0\n")


def test_the_next_start_wants_others_or_none(tmp_path: Path, ours: Path) -> None:
    resolv_conf.ask(SERVERS, "", READ_ONLY, ours)
    resolv_conf.ask(SERVERS[:1], "", READ_ONLY, ours)
    assert resolv_conf.chosen(ours) == SERVERS[:1]
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 127.0.0.11\n")
    resolv_conf.ask(SERVERS, "", path, ours)
    assert resolv_conf.chosen(ours) is None
    resolv_conf.ask(SERVERS, "", READ_ONLY, ours)
    resolv_conf.forget(ours)
    resolv_conf.forget(ours)
    assert resolv_conf.chosen(ours) is None


def test_the_library_has_the_same_names() -> None:
    text = Path("entrypoint/smtpd/resolv_conf.c").read_text()
    assert f'#define OURS "{resolv_conf.OURS}"' in text
    assert f'#define THE_ENGINES "{resolv_conf.RESOLV_CONF}"' in text
    (library,) = resolv_conf.preloaded(Path("/")).values()
    header = Path("entrypoint/smtpd/in_smtpd.h").read_text()
    assert f'#define FOR_EVERY_PROGRAM "{library}"' in header
