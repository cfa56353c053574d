"""The keeper's loop, a step at a time, on real files and real configurations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from entrypoint.config.environ import load
from entrypoint.config.settings import HostFacts, Settings
from entrypoint.maintenance.loop import RETRIES, SETTLES, Duty, Keeper
from entrypoint.maintenance.reload import Log


@dataclass
class House:
    """A file of accounts, who reads it, and what was logged since one last asked."""

    folder: Path
    duties: Sequence[Duty] = ()
    readings: int = 0
    warnings: list[str] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)
    failure: Exception | None = None

    def __post_init__(self) -> None:
        self.accounts = self.folder / "accounts"
        self.write("alice@example.org:wonderland")
        self.clock = 100.0
        self.keeper = Keeper([self.accounts], self.refresh, self.duties, self.log)

    def write(self, *accounts: str) -> None:
        self.accounts.write_text("".join(f"{line}\n" for line in accounts))

    def refresh(self, log: Log) -> Settings:
        self.readings += 1
        if self.failure is not None:
            raise self.failure
        for text in self.warnings:
            log("warning", text)
        environ = {"DOMAINS": "example.org", "ACCOUNTS_FILE": str(self.accounts)}
        return load(environ, host=HostFacts(ipv6=False))

    def log(self, level: str, text: str) -> None:
        self.lines.append((level, text))

    def step(self, after: float = 2.0) -> list[tuple[str, str]]:
        """What one step logs, some seconds after the one before."""
        self.clock += after
        self.keeper.step(self.clock)
        said, self.lines = self.lines, []
        return said


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path)
    assert house.step() == []
    assert house.readings == 1
    return house


def test_nothing_is_read_again_while_nothing_changes(house: House) -> None:
    assert [house.step() for _ in range(5)] == [[]] * 5
    assert house.readings == 1


def test_a_change_is_read_when_it_has_rested(house: House) -> None:
    house.write("alice@example.org:wonderland", "bob@example.org:builder")
    assert house.step(SETTLES / 2) == []
    house.write("alice@example.org:wonderland", "bob@example.org:builder", "c@example.org:x")
    assert house.step(SETTLES / 2) == []
    assert house.readings == 1
    assert house.step(SETTLES) == [
        ("info", "account bob@example.org added"),
        ("info", "account c@example.org added"),
    ]


def test_a_broken_change_is_told_once_and_what_was_live_stays(house: House) -> None:
    house.write("alice@far.example:wonderland")
    house.step()
    ((level, text),) = house.step()
    assert level == "error"
    assert text.startswith("the change is not live: ACCOUNTS_FILE: entry 1: an account outside")
    assert [house.step(RETRIES) for _ in range(3)] == [[]] * 3
    assert house.readings == 5
    house.write("alice@example.org:wonderland", "bob@example.org:builder")
    house.step()
    assert house.step() == [("info", "account bob@example.org added")]


def test_an_error_that_comes_back_later_is_told_again(house: House) -> None:
    for _ in range(2):
        house.write("!")
        house.step()
        assert [level for level, _ in house.step()] == ["error"]
        house.write("alice@example.org:wonderland")
        house.step()
        assert house.step() == []


def test_a_file_that_is_gone_is_an_error_and_comes_back(house: House) -> None:
    house.accounts.unlink()
    house.step()
    ((_, text),) = house.step()
    assert "no such file" in text
    house.write("alice@example.org:wonderland")
    house.step()
    assert house.step() == []


def test_what_goes_wrong_otherwise_is_tried_again_and_ends_nothing(house: House) -> None:
    house.failure = RuntimeError("smtpd is away")
    house.write("bob@example.org:builder")
    house.step()
    assert house.step() == [("error", "the change is not live: RuntimeError: smtpd is away")]
    house.failure = None
    assert house.step() == []
    assert house.step(RETRIES) == [
        ("info", "account alice@example.org removed"),
        ("info", "account bob@example.org added"),
        ("info", "alias postmaster@example.org changed: bob@example.org"),
        ("info", "alias abuse@example.org changed: bob@example.org"),
        ("info", "alias postmaster@mail.example.org changed: bob@example.org"),
        ("info", "alias abuse@mail.example.org changed: bob@example.org"),
    ]


def test_what_is_odd_is_told_by_the_start_and_later_when_it_is_new(tmp_path: Path) -> None:
    house = House(tmp_path, warnings=["old"])
    assert house.step() == []
    house.warnings.append("new")
    house.write("alice@example.org:another")
    house.step()
    assert house.step() == [
        ("info", "account alice@example.org: another password"),
        ("warning", "new"),
    ]


def test_an_error_of_the_first_reading_is_told(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.write("!")
    assert [level for level, _ in house.step()] == ["error"]


def test_duties_are_done_in_time_and_one_that_fails_hinders_no_other(tmp_path: Path) -> None:
    done: list[str] = []

    def doing(name: str, ending: Callable[[], Sequence[tuple[str, str]]]) -> Duty:
        def tick(settings: Settings) -> Sequence[tuple[str, str]]:
            done.append(f"{name} for {settings.domains[0]}")
            return ending()

        return Duty(name, 60.0, tick)

    def failing() -> Sequence[tuple[str, str]]:
        raise OSError("no network")

    house = House(
        tmp_path, [doing("bad", failing), doing("good", lambda: [("warning", "a key waits")])]
    )
    assert house.step() == [("error", "bad: OSError: no network"), ("warning", "a key waits")]
    assert done == ["bad for example.org", "good for example.org"]
    assert house.step() == []
    # What a duty says is its own business; what goes wrong with it is told once.
    assert house.step(60.0) == [("warning", "a key waits")]
    assert len(done) == 4


def test_no_duty_is_done_without_a_configuration(tmp_path: Path) -> None:
    house = House(tmp_path, [Duty("any", 60.0, lambda settings: [("info", "done")])])
    house.write("!")
    assert [level for level, _ in house.step()] == ["error"]
    house.write("alice@example.org:wonderland")
    house.step()
    assert house.step() == [("info", "done")]
