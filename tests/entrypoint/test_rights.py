"""What is said where an engine gives root less than the server needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrypoint.rights import missing_capabilities, refused_ports

COMPOSE = 0x400CB
DOCKER = 0xA80425FB


def proc(folder: Path, capabilities: int, first_port: int) -> Path:
    (folder / "self").mkdir()
    (folder / "self/status").write_text(f"Name:\tx\nCapEff:\t{capabilities:016x}\n")
    (folder / "sys/net/ipv4").mkdir(parents=True)
    (folder / "sys/net/ipv4/ip_unprivileged_port_start").write_text(f"{first_port}\n")
    return folder


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (COMPOSE, []),
        (DOCKER, []),
        (COMPOSE & ~(1 << 3), ["FOWNER"]),
        (0, ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID", "SYS_CHROOT"]),
    ],
)
def test_what_root_lacks(tmp_path: Path, given: int, missing: list[str]) -> None:
    assert missing_capabilities(proc(tmp_path, given, 0)) == missing


@pytest.mark.parametrize(
    ("given", "first_port", "refused"),
    [
        (COMPOSE, 0, False),
        (COMPOSE, 25, False),
        (COMPOSE, 26, True),
        (COMPOSE, 1024, True),
        (COMPOSE | 1 << 10, 1024, False),
        (DOCKER, 1024, False),
    ],
)
def test_where_nobody_may_listen(
    tmp_path: Path, given: int, first_port: int, refused: bool
) -> None:
    said = refused_ports(proc(tmp_path, given, first_port))
    assert (said is not None) is refused
    if said:
        assert f"below {first_port}" in said
        assert "ip_unprivileged_port_start to 0" in said


def test_where_the_kernel_does_not_say_all_is_tried(tmp_path: Path) -> None:
    assert missing_capabilities(tmp_path) == []
    assert refused_ports(tmp_path) is None
