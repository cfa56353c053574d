"""A wanted restart, step by step, with a process as supervisor shows it."""

from __future__ import annotations

from pathlib import Path

import pytest
from supervisor.states import ProcessStates

from entrypoint.supervise.restarts import Restarts, is_pending, request


class Process:
    """supervisor's Subprocess, as far as it is used."""

    def __init__(self, state: int) -> None:
        self.state = state
        self.calls: list[str] = []

    def stop(self) -> None:
        self.calls.append("stop")
        self.state = ProcessStates.STOPPING

    def spawn(self) -> None:
        self.calls.append("spawn")
        self.state = ProcessStates.STARTING


@pytest.mark.parametrize("state", [ProcessStates.RUNNING, ProcessStates.STARTING])
def test_one_that_runs_is_stopped_and_started_once_it_has_stopped(
    tmp_path: Path, state: int
) -> None:
    process, other = Process(state), Process(ProcessStates.RUNNING)
    processes = {"smtpd": process, "other": other}
    restarts = Restarts(tmp_path)
    restarts.look(processes)
    assert process.calls == []
    request("smtpd", tmp_path)
    restarts.look(processes)
    restarts.look(processes)
    assert process.calls == ["stop"]
    assert is_pending("smtpd", tmp_path)
    process.state = ProcessStates.STOPPED
    restarts.look(processes)
    restarts.look(processes)
    assert process.calls == ["stop", "spawn"]
    assert not is_pending("smtpd", tmp_path)
    assert other.calls == []


@pytest.mark.parametrize(
    "state", [ProcessStates.BACKOFF, ProcessStates.EXITED, ProcessStates.STOPPED]
)
def test_one_that_is_down_is_left_to_supervisor(tmp_path: Path, state: int) -> None:
    process, restarts = Process(state), Restarts(tmp_path)
    request("smtpd", tmp_path)
    restarts.look({"smtpd": process})
    assert process.calls == []
    assert not is_pending("smtpd", tmp_path)


def test_what_was_asked_before_the_container_started_is_dropped(tmp_path: Path) -> None:
    request("smtpd", tmp_path)
    Restarts(tmp_path).forget(["smtpd"])
    assert not is_pending("smtpd", tmp_path)
