"""DNS that tests give: a zone for all, in front of it one for a run, and what was asked of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from filters.mailauth.dns.types import Answer, DnsTemporaryError, Outcome, RecordData
from filters.mailauth.dns.zone import StaticResolver, Zone, ZoneAnswer

_LONGEST_RECORD = 2_000  # characters that are shown of one
_MOST_RECORDS = 50  # of an answer


class LayeredZone(Zone):
    """Zones one in front of the other: a name is the first one's that has it, with all types."""

    def __init__(self, layers: Sequence[Zone]) -> None:
        super().__init__({})
        self._layers = layers

    def __contains__(self, name: str) -> bool:
        return any(name in layer for layer in self._layers)

    def find(self, name: str, rdtype: str) -> ZoneAnswer:
        """Look a name and a type up."""
        for layer in self._layers:
            if name in layer:
                return layer.find(name, rdtype)
        return ZoneAnswer(exists=False)


class RunZones:
    """The zones that there are now. A run's name is in lower case, "" is the zone of all."""

    def __init__(self) -> None:
        self._zones: dict[str, Zone] = {}

    def put(self, run: str, names: Mapping[str, Any] | None) -> None:
        """In the place of the one before; None: there is none any more. Raises ValueError."""
        if names is None:
            self._zones.pop(run, None)
        else:
            self._zones[run] = Zone(names)

    def resolver(self, runs: Sequence[str]) -> RecordingResolver:
        """For a message that can be of these runs: the first that has a zone is the one."""
        own = next((self._zones[run] for run in runs if run and run in self._zones), None)
        return RecordingResolver(LayeredZone([zone for zone in (own, self._of_all) if zone]))

    def everything(self) -> Zone:
        """For who cannot know the run: the zone of all, behind it those of the runs."""
        runs = [zone for run, zone in self._zones.items() if run]
        return LayeredZone([*([self._of_all] if self._of_all else []), *runs])

    @property
    def _of_all(self) -> Zone | None:
        return self._zones.get("")


class RecordingResolver:
    """Answers from a zone, at once, and knows afterwards what was asked. For one message."""

    def __init__(self, zone: Zone) -> None:
        self._resolver = StaticResolver(zone)
        self.asked: dict[tuple[str, str], Outcome] = {}

    def cached(self, name: str, rdtype: str) -> Outcome | None:
        """What there is to say; never None: nobody has to wait."""
        outcome = self.asked.get((name, rdtype))
        if outcome is None:
            try:
                outcome = self._resolver.answer(name, rdtype)
            except DnsTemporaryError as error:
                outcome = error
            self.asked[name, rdtype] = outcome
        return outcome

    async def query(self, name: str, rdtype: str) -> Answer:
        """The same. Raises DnsTemporaryError."""
        outcome = self.cached(name, rdtype)
        if isinstance(outcome, Answer):
            return outcome
        raise DnsTemporaryError(outcome.reason if outcome else "no answer")

    def to_json(self) -> list[dict[str, Any]]:
        """Every question in its order, with its answer."""
        return [
            {"Name": _safe(name), "Type": rdtype, **_shown(outcome)}
            for (name, rdtype), outcome in self.asked.items()
        ]


def _shown(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, DnsTemporaryError):
        timed_out = "timed out" in outcome.reason
        return {"Result": "TIMEOUT" if timed_out else "SERVFAIL", "Records": []}
    if outcome.nxdomain:
        return {"Result": "NXDOMAIN", "Records": []}
    records = [_record(record) for record in outcome.records[:_MOST_RECORDS]]
    return {"Result": "NOERROR" if records else "NODATA", "Records": records}


def _record(record: RecordData) -> str:
    if isinstance(record, bytes):
        return record[:_LONGEST_RECORD].decode("utf-8", "backslashreplace")
    return _safe(f"{record[0]} {record[1] or '.'}" if isinstance(record, tuple) else record)


def _safe(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")[:_LONGEST_RECORD]
