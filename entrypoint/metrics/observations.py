"""How things are, as small files have it: what was looked at, for who answers.

Each is written by the one who may look, and read at a scrape: that waits for nobody. What cannot be
read is not there. Standard library only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from entrypoint.paths import METRICS
from filters.json_file import parse_json

Content = TypeVar("Content")

STATE = METRICS / "state.json"  # by maintenance, about four times a minute
MAILBOXES = METRICS / "mailboxes.json"  # by maintenance, each five minutes or less often
# By the filters, some seconds after a message; each in a folder of its user's.
FILTERS = {
    "inbound": METRICS / "verifier/inbound.json",
    "submission": METRICS / "signer/submission.json",
}
_LARGEST = 8 * 1024**2  # bytes


@dataclass(frozen=True)
class State:
    """at: when that was looked at. envelopes: agent, state, age and how many. oldest: when the
    oldest of an agent's was taken. certificate: when it ends. blocks: of a client, of a login at
    one. disks: free bytes and all, by volume. All times are Unix seconds; None is not known.
    """

    at: float
    envelopes: tuple[tuple[str, str, str, int], ...] | None = None
    oldest: dict[str, int] = field(default_factory=dict)
    certificate: float | None = None
    blocks: dict[str, int] | None = None
    disks: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class MailboxTotals:
    """at: when that was looked at. domains: accounts, messages and bytes of each."""

    at: float
    domains: dict[str, tuple[int, int, int]]


@dataclass(frozen=True)
class FilterNumbers:
    """What a filter has counted since it began (`filters.statistics`).

    seconds: upper bounds, and how many messages took no longer than each. dns: None in a filter
    that asks nobody.
    """

    started: float
    count: int
    total: float
    seconds: tuple[tuple[float, int], ...]
    dns: dict[str, int] | None


def read_state(path: Path = STATE) -> State | None:
    """None where there is none."""
    return _read(
        path,
        lambda found: State(
            at=float(found["at"]),
            envelopes=None if found["envelopes"] is None else _envelopes(found["envelopes"]),
            oldest={str(agent): int(at) for agent, at in found["oldest"].items()},
            certificate=None if found["certificate"] is None else float(found["certificate"]),
            blocks=_numbers(found["blocks"]),
            disks={
                str(name): (int(free), int(size)) for name, (free, size) in found["disks"].items()
            },
        ),
    )


def read_mailboxes(path: Path = MAILBOXES) -> MailboxTotals | None:
    """None where there are none yet."""
    return _read(
        path,
        lambda found: MailboxTotals(
            at=float(found["at"]),
            domains={
                str(name): (int(accounts), int(messages), int(size))
                for name, (accounts, messages, size) in found["domains"].items()
            },
        ),
    )


def read_filter(path: Path) -> FilterNumbers | None:
    """None where it has written none yet."""
    return _read(
        path,
        lambda found: FilterNumbers(
            started=float(found["started"]),
            count=int(found["count"]),
            total=float(found["total"]),
            seconds=tuple((float(bound), int(number)) for bound, number in found["seconds"]),
            dns=_numbers(found["dns"]),
        ),
    )


def _read(path: Path, build: Callable[[Any], Content]) -> Content | None:
    try:
        with path.open("rb") as file:
            return parse_json(file.read(_LARGEST).decode(), build)
    except (OSError, ValueError):
        return None


def _envelopes(rows: list[list[Any]]) -> tuple[tuple[str, str, str, int], ...]:
    return tuple((str(agent), str(state), str(age), int(n)) for agent, state, age, n in rows)


def _numbers(found: Any) -> dict[str, int] | None:
    return None if found is None else {str(name): int(number) for name, number in found.items()}
