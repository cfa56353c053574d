"""What a limit has done is said, once; the files are the kernel's, of both versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrypoint.supervise.limits import ContainerLimits

V2 = ("memory.events", "memory.max", "pids.events", "pids.max")
V1 = (
    "memory/memory.oom_control",
    "memory/memory.limit_in_bytes",
    "pids/pids.events",
    "pids/pids.max",
)
EVENTS = "low 0\nhigh 0\nmax 4711\noom 1\noom_kill {}\noom_group_kill 0\n"
CONTROL = "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"


class Kernel:
    def __init__(self, root: Path, names: tuple[str, ...], memory: str) -> None:
        self._paths = [root / name for name in names]
        self._memory = memory
        for path in self._paths:
            path.parent.mkdir(exist_ok=True)
        self._paths[1].write_text("3221225472\n")
        self._paths[3].write_text("4096\n")
        self.counts(0, 0)

    def counts(self, killed: int, refused: int) -> None:
        self._paths[0].write_text(self._memory.format(killed))
        self._paths[2].write_text(f"max {refused}\n")


@pytest.mark.parametrize(("names", "memory"), [(V2, EVENTS), (V1, CONTROL)])
def test_each_change_is_said_once(
    tmp_path: Path, names: tuple[str, ...], memory: str, caplog: pytest.LogCaptureFixture
) -> None:
    kernel = Kernel(tmp_path, names, memory)
    kernel.counts(2, 1)  # of an earlier start
    limits = ContainerLimits(tmp_path)
    limits.look()
    assert caplog.messages == []
    kernel.counts(3, 1)
    limits.look()
    limits.look()
    (killed,) = caplog.messages
    assert "memory limit (3221225472 bytes) has ended a process" in killed
    assert "3 so far" in killed
    kernel.counts(3, 9)
    limits.look()
    limits.look()
    assert len(caplog.messages) == 2
    assert "limit of processes (4096) has kept one" in caplog.messages[1]
    assert {each.levelname for each in caplog.records} == {"ERROR"}


def test_where_no_control_group_is_seen_nothing_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ContainerLimits(tmp_path).look()
    assert caplog.messages == []


def test_a_file_that_goes_away_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Kernel(tmp_path, V2, EVENTS)
    limits = ContainerLimits(tmp_path)
    for name in V2:
        (tmp_path / name).unlink()
    limits.look()
    assert caplog.messages == []
