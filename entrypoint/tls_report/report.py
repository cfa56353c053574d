"""The JSON of a TLS report → TlsReport (RFC 8460 §4.4).

What a table needs is required; the rest may be missing, what is unknown is skipped. A policy or a
failure that cannot be read is left out and noted, the others stay. It must not know files or how
a report is shown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeVar

from entrypoint.dmarc_report.error import Notes, ReportError

MOST_VALUES = 500_000  # objects, lists and members of a report: some 50,000 failures
_MOST_TEXT = 65_536  # characters
_MOST_SESSIONS = 10**12
_BROKEN = "ask the reporter for the report again, or leave it out"
_Part = TypeVar("_Part")
_NOT_OURS = "it is no report as a mail sender makes it: leave it alone"


@dataclass(frozen=True)
class TlsFailure:
    """So many sessions that failed alike. result_type: of RFC 8460 §4.3, or another word."""

    result_type: str
    count: int
    sending_mta_ip: str
    receiving_ip: str
    receiving_mx_hostname: str
    receiving_mx_helo: str
    additional_information: str
    failure_reason_code: str


@dataclass(frozen=True)
class TlsPolicy:
    """What came of one policy. type: sts, tlsa or no-policy-found."""

    type: str
    domain: str
    string: tuple[str, ...]
    mx_host: tuple[str, ...]
    successful: int
    failed: int
    failures: tuple[TlsFailure, ...]


@dataclass(frozen=True)
class TlsReport:
    """One TLS report. begin, end: seconds since the epoch, UTC. warnings: what was odd in it."""

    reporter: str
    contact: str
    report_id: str
    begin: int
    end: int
    policies: tuple[TlsPolicy, ...]
    warnings: tuple[str, ...]


def read_tls_report(raw: bytes, notes: Notes | None = None) -> TlsReport:
    """Read a report. Raises ReportError and nothing else, whatever the bytes are."""
    notes = notes or Notes()
    top = _Object(_loaded(raw, notes), "", notes)
    dates = top.member("date-range")
    begin, end = dates.moment("start-datetime"), dates.moment("end-datetime")
    found = top.each("policies")
    policies = tuple(_readable(found, "policies", _policy, notes))
    if not policies:
        if notes.left_out:
            raise notes.left_out.pop()
        raise ReportError("it tells of no policy", _BROKEN, "policies")
    return TlsReport(
        reporter=top.text("organization-name", expected=True),
        contact=top.text("contact-info"),
        report_id=top.text("report-id", expected=True),
        begin=begin,
        end=end,
        policies=policies,
        warnings=tuple(notes.odd),
    )


def _loaded(raw: bytes, notes: Notes) -> object:
    """The JSON as Python's values, or ReportError."""
    text = raw.decode("utf-8-sig", "replace").strip("\0 \t\r\n")
    if "\ufffd" in text:
        notes.read_anyway("bytes that are not utf-8, shown as \ufffd")
    if sum(map(text.count, "{[,")) > MOST_VALUES:
        raise ReportError(f"more than {MOST_VALUES} values", _NOT_OURS)
    try:
        # Not strict: a line end inside a text is read, and shown with an escape.
        value, end = json.JSONDecoder(strict=False, parse_constant=_no_number).raw_decode(text)
    except RecursionError:
        raise ReportError("nested too deep", _NOT_OURS) from None
    except json.JSONDecodeError as error:
        raise ReportError(f"not JSON: {error.msg}", _BROKEN, f"line {error.lineno}") from None
    except ValueError:  # a number of thousands of digits
        raise ReportError("a number that is none of sessions", _BROKEN) from None
    if end != len(text):
        notes.read_anyway("there is more after the report")
    return value


def _no_number(_text: str) -> NoReturn:
    raise ValueError


def _readable(
    found: Iterable[object],
    where: str,
    read: Callable[[_Object], _Part],
    notes: Notes,
) -> Iterator[_Part]:
    for number, value in enumerate(found, 1):
        try:
            yield read(_Object(value, f"{where} {number}", notes))
        except ReportError as error:
            notes.leave_out(error)


def _policy(entry: _Object) -> TlsPolicy:
    policy, summary = entry.member("policy"), entry.member("summary")
    details = entry.each("failure-details")
    return TlsPolicy(
        type=policy.text("policy-type", expected=True).lower(),
        domain=policy.text("policy-domain", expected=True).lower().removesuffix("."),
        string=policy.texts("policy-string"),
        mx_host=policy.texts("mx-host"),
        successful=summary.number("total-successful-session-count"),
        failed=summary.number("total-failure-session-count"),
        failures=tuple(_readable(details, f"{entry.where}/failure-details", _failure, entry.notes)),
    )


def _failure(detail: _Object) -> TlsFailure:
    return TlsFailure(
        result_type=detail.text("result-type", expected=True).lower(),
        count=detail.number("failed-session-count"),
        sending_mta_ip=detail.text("sending-mta-ip"),
        receiving_ip=detail.text("receiving-ip"),
        receiving_mx_hostname=detail.text("receiving-mx-hostname"),
        receiving_mx_helo=detail.text("receiving-mx-helo"),
        additional_information=detail.text("additional-information"),
        failure_reason_code=detail.text("failure-reason-code"),
    )


class _Object:
    """A JSON object and its place; every way to take something out of it checks what it is."""

    def __init__(self, value: object, where: str, notes: Notes) -> None:
        if not isinstance(value, dict):
            raise ReportError("not a JSON object", _BROKEN, where, _shown(value))
        self.where = where
        self.notes = notes
        self._members: dict[str, Any] = value

    def member(self, key: str) -> _Object:
        """The object of this key; ReportError where there is none."""
        return _Object(self._required(key), self._place(key), self.notes)

    def each(self, key: str) -> list[object]:
        """The members of the list; an object where one should be is its one member."""
        value = self._members.get(key)
        if value is None:
            return []
        if isinstance(value, dict):
            self.notes.read_anyway("an object, where a list of objects stands", self._place(key))
            return [value]
        if isinstance(value, list):
            return value
        raise ReportError("not a list", _BROKEN, self._place(key), _shown(value))

    def text(self, key: str, *, expected: bool = False) -> str:
        """The text; "" without one, which is noted where one is expected."""
        value = self._members.get(key)
        if not isinstance(value, str):
            if value is not None:
                self.notes.read_anyway("not a text, and not read", self._place(key))
            value = ""
        if expected and not value.strip():
            self.notes.read_anyway(f"no {key}", self.where)
        return value.strip()[:_MOST_TEXT].encode("utf-8", "replace").decode()

    def texts(self, key: str) -> tuple[str, ...]:
        """The texts of a list; RFC 8460's own example has one text in its place."""
        value = self._members.get(key)
        values = value if isinstance(value, list) else [value]
        return tuple(
            each[:_MOST_TEXT].encode("utf-8", "replace").decode()
            for each in values
            if isinstance(each, str)
        )

    def number(self, key: str) -> int:
        """A number of sessions, also as a text."""
        value = self._required(key)
        place = self._place(key)
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,15}", value):
            self.notes.read_anyway("a number in quotes", place)
            value = int(value)
        if isinstance(value, float) and 0 <= value <= _MOST_SESSIONS and value == int(value):
            value = int(value)
        if type(value) is int and 0 <= value <= _MOST_SESSIONS:
            return value
        raise ReportError("not a number of sessions", _BROKEN, place, _shown(value))

    def moment(self, key: str) -> int:
        """A date and time of RFC 3339, as seconds since the epoch; a day alone is its start."""
        value = self._required(key)
        if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d", value) and len(value) < 40:
            try:
                moment = datetime.fromisoformat(value.strip())
                aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
                if (seconds := int(aware.timestamp())) >= 0:
                    return seconds
            except (ValueError, OverflowError):
                pass
        raise ReportError("not a date and time", _BROKEN, self._place(key), _shown(value))

    def _required(self, key: str) -> object:
        if self._members.get(key) is None:
            raise ReportError(f"{key} is missing", _BROKEN, self.where)
        return self._members[key]

    def _place(self, key: str) -> str:
        return f"{self.where}/{key}" if self.where else key


def _shown(value: object) -> str:
    """A value for an error, which cuts it; an integer of any length is no text of any length."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    kinds = {dict: "an object", list: "a list", type(None): "null", bool: "true or false"}
    return kinds.get(type(value), "a number")
