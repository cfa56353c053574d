"""A zone as a test writes it, JSON or YAML as `signpost verify` reads it → names, or what is wrong.

`filters.mailauth.dns.zone` says what the form is; what the name server could not put on the wire
is refused here, too. In comes text from the network.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from filters.mailauth.dns.types import labels
from filters.mailauth.dns.zone import Zone

MOST_BYTES = 1_000_000  # of a zone's text
MOST_NAMES = 10_000
_MOST_DIGITS = 40  # Python reads and writes no number of thousands of them
_MOST_ERRORS = 10  # that are named at once
_FORM = 'write it as {"example.org": {"TXT": ["v=spf1 -all"], "MX": [[10, "mail.example.org"]]}}'
# libyaml's bounds how deep things lie within each other; Python's own ends in a RecursionError.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = "tag:yaml.org,2002:int"
_HOSTS = {"MX", "PTR", "NS", "CNAME"}

Names = dict[str, Any]


class ZoneError(ValueError):
    """Where it is, what is wrong, which value, the cure; a line for each."""


def read_zone(text: str) -> Names:
    """The names, as JSON has them: a mapping that Zone takes. Raises ZoneError."""
    if len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        raise ZoneError(f"the zone is longer than {MOST_BYTES} bytes: leave out what no test asks")
    value = _json(text) if text.lstrip().startswith("{") else _yaml(text)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ZoneError(f"line 1: {value!r:.60} is no mapping of names: {_FORM}")
    if len(value) > MOST_NAMES:
        raise ZoneError(f"{len(value)} names: a zone has {MOST_NAMES} at most")
    errors = []
    seen: set[str] = set()
    for name, node in value.items():
        for error in _wrong(name, node, seen):
            errors.append(f"line {_line(text, name)}: {error}")
            if len(errors) == _MOST_ERRORS:
                raise ZoneError("\n".join(errors))
    if errors:
        raise ZoneError("\n".join(errors))
    return dict(value)


def _wrong(name: object, node: object, seen: set[str]) -> Iterator[str]:
    """All that is wrong with a name's records."""
    if not isinstance(name, str):
        yield f"the name {name!r:.60} is no text: put it in quotes"
        return
    key = name.lower().removesuffix(".")
    if labels(name) is None or (not key and name != "."):
        yield f"the name {name!r:.80} cannot be asked for: labels have 1 to 63 bytes, a name 253"
    if key in seen:
        yield f"{name!r:.80} stands twice: put its records together"
    seen.add(key)
    try:
        Zone({name: node})
    except UnicodeEncodeError:
        yield f"{name!r:.80}: half of a character pair: only U+DC80 to U+DCFF stand for bytes"
        return
    except (ValueError, TypeError, AttributeError) as error:
        yield f"{str(error).removeprefix('zone: '):.200}: {_FORM}"
        return
    if isinstance(node, Mapping):
        for kind, records in node.items():
            for record in [records] if isinstance(records, str) else records:
                if records not in ("SERVFAIL", "TIMEOUT"):
                    cure = _unservable(str(kind), record)
                    if cure:
                        yield f"{name!r:.80}: {kind} {record!r:.80}: {cure}"


def _unservable(kind: str, record: Any) -> str:
    """Why a record cannot be served, and the cure; "" where it can be."""
    if kind in {"A", "AAAA"}:
        version = 4 if kind == "A" else 6
        try:
            if ipaddress.ip_address(record).version == version and "%" not in record:
                return ""
        except ValueError:
            pass
        return f"no IPv{version} address: write {'192.0.2.1' if version == 4 else '2001:db8::1'}"
    if kind == "TXT":
        text = record if isinstance(record, str) else "".join(record)
        if len(text.encode("utf-8", "surrogateescape")) > 32_000:
            return "longer than a record can be: 32,000 bytes at most"
    if kind == "MX" and not (0 <= record[0] <= 0xFFFF and not isinstance(record[0], bool)):
        return "no preference: a number from 0 to 65535"
    if kind in _HOSTS:
        host = record[1] if kind == "MX" else record
        if labels(host) is None and not (kind == "MX" and host in {"", "."}):
            return "no host name: labels have 1 to 63 bytes, a name 253"
    return ""


def _json(text: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                line = _line(text, name)
                raise ZoneError(f"line {line}: {name!r:.80} stands twice: put both together")
            found[name] = value
        return found

    def short(digits: str) -> int:
        if len(digits) > _MOST_DIGITS:
            raise ZoneError(_too_long(_line(text, digits), digits))
        return int(digits)

    try:
        return json.loads(text, object_pairs_hook=once, parse_int=short)
    except json.JSONDecodeError as error:
        raise ZoneError(
            f"line {error.lineno}, column {error.colno}: no JSON: {error.msg}; {_FORM}"
        ) from None
    except RecursionError:
        raise ZoneError(f"line 1: lists within lists without end: {_FORM}") from None


def _yaml(text: str) -> Any:
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _look_through(node, set())
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "line 1"
        raise ZoneError(f"{where}: no YAML: {error.problem or error.context}; {_FORM}") from None
    except ZoneError:
        raise
    # The last three: what a tag such as !!bool stands before is no such value.
    except (
        *(yaml.YAMLError, RecursionError, ValueError, OverflowError),
        *(LookupError, AttributeError, TypeError),
    ) as error:
        raise ZoneError(f"line 1: no YAML: {error!s:.200}; {_FORM}") from None


def _look_through(node: yaml.Node, seen: set[int]) -> None:
    """No alias: a few of them can stand for more than fits into memory. No key twice."""
    line = node.start_mark.line + 1
    if id(node) in seen:
        raise ZoneError(f"line {line}: an alias (*name) points here: write out what it stands for")
    seen.add(id(node))
    if node.tag == _INTEGER and len(node.value) > _MOST_DIGITS:
        raise ZoneError(_too_long(line, node.value))
    if isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in keys:
                    at = key.start_mark.line + 1
                    raise ZoneError(f"line {at}: {key.value!r:.80} stands twice: put both together")
                keys.add(key.value)
            _look_through(key, seen)
            _look_through(value, seen)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _look_through(item, seen)


def _too_long(line: int, digits: str) -> str:
    return f"line {line}: {digits:.20}…: a number has {_MOST_DIGITS} digits at most"


def _line(text: str, name: object) -> int:
    """Where a name stands first; 1 where it is written in another way (JSON's escapes)."""
    place = text.find(str(name))
    return text.count("\n", 0, place) + 1 if place >= 0 else 1
