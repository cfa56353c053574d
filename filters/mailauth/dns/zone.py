"""DNS as a value: a zone in a mapping, for tests and for explaining a message offline.

The format, as JSON or YAML give it: name → {"TXT": ["…"], "A": ["…"], "AAAA": ["…"],
"MX": [[10, "host"]], "PTR": ["…"], "NS": ["…"], "CNAME": "…"} or "SERVFAIL",
"TIMEOUT", "NODATA"; a type may be "SERVFAIL" or "TIMEOUT" by itself. A TXT value may be a list of
character-strings; U+DC80 to U+DCFF stand for raw bytes; MX host "." is the null MX. Names ignore
case and a last dot; other names are NXDOMAIN. "TIMEOUT" fails at once. It must not know the
network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from filters.mailauth.dns.types import Answer, DnsTemporaryError, RecordData, labels

_FAILURES = {"SERVFAIL": "SERVFAIL", "TIMEOUT": "the DNS look-up timed out"}
MOST_ALIASES = 16
_TYPES = {"TXT", "A", "AAAA", "MX", "NS", "PTR", "CNAME"}

_Node = dict[str, "tuple[RecordData, ...] | str"] | str


@dataclass(frozen=True)
class ZoneAnswer:
    """What a zone says of a name and a type, aliases not followed.

    failure: "SERVFAIL" or "TIMEOUT", and nothing else is known then. exists: whether the name does.
    """

    records: tuple[RecordData, ...] = ()
    alias: str | None = None
    failure: str | None = None
    exists: bool = True


class Zone:
    """The names of a mapping. Raises ValueError for one that is no zone."""

    def __init__(self, names: Mapping[str, object]) -> None:
        self._nodes = {_key(name): _node(name, node) for name, node in names.items()}

    def __contains__(self, name: str) -> bool:
        return _key(name) in self._nodes

    def find(self, name: str, rdtype: str) -> ZoneAnswer:
        """Look a name and a type up; a name that cannot be does not exist."""
        node = self._nodes.get(_key(name)) if labels(name) is not None else None
        if node is None:
            return ZoneAnswer(exists=False)
        if isinstance(node, str):
            return ZoneAnswer(failure=node) if node in _FAILURES else ZoneAnswer()
        records, alias = node.get(rdtype, ()), node.get("CNAME", ())
        if isinstance(records, str):
            return ZoneAnswer(failure=records)
        if records or not alias:
            return ZoneAnswer(records)
        return (
            ZoneAnswer(failure=alias) if isinstance(alias, str) else ZoneAnswer(alias=str(alias[0]))
        )


class StaticResolver:
    """A resolver that answers from a zone and counts what it was asked.

    Raises ValueError for a zone that is none. asked: every (name, type), in order.
    """

    def __init__(self, zone: Mapping[str, object] | Zone) -> None:
        self._zone = zone if isinstance(zone, Zone) else Zone(zone)
        self.asked: list[tuple[str, str]] = []

    async def query(self, name: str, rdtype: str) -> Answer:
        """Answer as a recursive resolver would, aliases followed."""
        self.asked.append((name, rdtype))
        return self.answer(name, rdtype)

    def answer(self, name: str, rdtype: str) -> Answer:
        """The same at once, and not counted. Raises DnsTemporaryError."""
        at = name
        for _ in range(MOST_ALIASES):
            found = self._zone.find(at, rdtype)
            if found.failure is not None:
                raise DnsTemporaryError(
                    f"{_FAILURES[found.failure]} for {rdtype} of {_plain(name)}"
                )
            if found.alias is None:
                return Answer(found.records, nxdomain=not found.exists)
            at = found.alias
        raise DnsTemporaryError(f"SERVFAIL for {rdtype} of {_plain(name)}: an endless alias")


def _key(name: str) -> str:
    return name.lower().removesuffix(".")


def _plain(name: str) -> str:
    return name.encode("ascii", "backslashreplace").decode("ascii")


def _node(name: str, node: object) -> _Node:
    if isinstance(node, str) and node in {*_FAILURES, "NODATA"}:
        return node
    if not isinstance(node, Mapping):
        raise ValueError(f"zone: {name!r} must be a mapping or SERVFAIL, TIMEOUT or NODATA")
    types: dict[str, tuple[RecordData, ...] | str] = {}
    for rdtype, records in node.items():
        if rdtype not in _TYPES:
            raise ValueError(f"zone: {name!r} has the unknown type {rdtype!r}")
        if isinstance(records, str) and records in _FAILURES:
            types[rdtype] = records
            continue
        if rdtype == "CNAME" and isinstance(records, str):
            records = [records]
        if not isinstance(records, list | tuple):
            raise ValueError(f"zone: {rdtype} of {name!r} must be a list")
        types[rdtype] = tuple(_record(name, str(rdtype), record) for record in records)
    return types


def _record(name: str, rdtype: str, record: object) -> RecordData:
    if rdtype == "MX":
        if isinstance(record, list | tuple) and len(record) == 2:
            preference, host = record
            if isinstance(preference, int) and isinstance(host, str):
                return preference, host.removesuffix(".")
    elif rdtype == "TXT":
        strings = record if isinstance(record, list | tuple) else [record]
        text = "".join(string for string in strings if isinstance(string, str))
        if all(isinstance(string, str) for string in strings):
            return text.encode("utf-8", "surrogateescape")
    elif isinstance(record, str):
        return record.removesuffix(".")
    raise ValueError(f"zone: {rdtype} of {name!r} holds a record that is none")
