"""What a run saw, and what of it must not be. It must not know how it was seen."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from .faults import Fault
from .ledger import Interval, Tally


@dataclass
class Event:
    """A fault as it was. recovery: seconds from its end until a message that was accepted after it
    is where it belongs; None where that was not seen. seen: what clients were answered, how often.
    """

    fault: Fault
    what: str
    interval: Interval
    recovery: float | None = None
    health: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)


@dataclass
class Report:
    """What a run saw."""

    messages: int
    seed: int
    seconds: float
    tally: Tally
    events: list[Event]
    left_out: int
    logins: Counter[str]
    refused_for_good: list[str]
    unaccepted: int
    doubts: int
    backups: list[tuple[bool, int, set[int], str]]
    drained: float
    log_lines: int
    odd_lines: list[str]
    traced: bool
    healthy: bool

    def problems(self) -> list[str]:
        """What must not be, in words; nothing where all is well."""
        found = [f"{name}: {what}" for name, each in self.tally.wrong.items() for what in each]
        found += [f"refused for good: {said}" for said in self.refused_for_good]
        found += [
            # What is lost before it cannot be in a backup.
            f"a backup that is not whole: {said}, {len(missing)} missing: {sorted(missing)[:5]}"
            for whole, _, missing, said in self.backups
            if not whole or missing - self.tally.gone
        ]
        found += [
            f"no recovery after: {each.fault.name}, {each.what}"
            for each in self.events
            if each.recovery is None
        ]
        found += [
            f"{each.fault.name}: {each.what}"
            for each in self.events
            if each.what.startswith("failed")
        ]
        found += [f"in the log: {line}" for line in self.odd_lines]
        if wrong := self.logins["refused as wrong"]:
            found.append(f"{wrong} logins with the right password were refused as wrong")
        if self.unaccepted:
            found.append(f"{self.unaccepted} messages were never accepted")
        if self.left_out:
            found.append(f"{self.left_out} faults did not fit into the time")
        if not self.traced:
            found.append("`signpost trace` knows nothing of the last message")
        if not self.healthy:
            found.append("unhealthy in the end")
        return found
