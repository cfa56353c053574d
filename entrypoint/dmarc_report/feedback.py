"""The XML of a DMARC aggregate report → Report (RFC 7489 Appendix C, the schema of RFC 9990).

The two differ in namespace (none or http://dmarc.org/dmarc-xml/0.1; urn:ietf:params:xml:ns:
dmarc-2.0) and in elements that were added or dropped, so both are read in one way: what a table
needs is required, the rest may be missing, what is unknown is skipped. Raw DKIM and SPF results
are any word, for receivers write more than RFC 8601 has. A record that cannot be read is left out
and noted; the others stay. It must not know files or how a report is shown.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from entrypoint.dmarc_report.error import Notes, ReportError
from entrypoint.dmarc_report.xml import Document, Element, read_xml

DISPOSITIONS = ("none", "pass", "quarantine", "reject")  # pass: RFC 9990 only
_ALIGNED = ("pass", "fail")
# What DKIM or SPF found, written where only pass and fail may stand: none of it is a pass.
_NO_PASS = (
    *("", "none", "neutral", "policy", "softfail", "hardfail", "temperror", "permerror"),
    *("error", "unknown"),
)
_LAST_SECOND = 253_402_300_799  # of the year 9999
_BROKEN = "ask the reporter for the report again, or leave it out"


@dataclass(frozen=True)
class DkimAuthResult:
    """A signature as the receiver found it, alignment apart. selector may be ""."""

    domain: str
    selector: str
    result: str
    human_result: str


@dataclass(frozen=True)
class SpfAuthResult:
    """SPF as the receiver found it, alignment apart. scope: mfrom, helo or ""."""

    domain: str
    scope: str
    result: str
    human_result: str


@dataclass(frozen=True)
class Reason:
    """Why the disposition is not the policy's (RFC 9990, Policy Override Reason)."""

    type: str
    comment: str


@dataclass(frozen=True)
class ReportRecord:
    """So many messages from one client that fared alike.

    source_ip: in its canonical form. disposition: one of DISPOSITIONS. dkim, spf: `pass` or
    `fail` as aligned with header_from, which is the author domain.
    """

    source_ip: str
    count: int
    disposition: str
    dkim: str
    spf: str
    reasons: tuple[Reason, ...]
    header_from: str
    envelope_from: str
    envelope_to: str
    dkim_results: tuple[DkimAuthResult, ...]
    spf_results: tuple[SpfAuthResult, ...]

    @property
    def passes(self) -> bool:
        """DMARC passes with one aligned pass (RFC 9989 §4.4)."""
        return "pass" in (self.dkim, self.spf)


@dataclass(frozen=True)
class PublishedPolicy:
    """The DMARC record that the receiver found; "" where the report leaves a tag out.

    pct: RFC 7489 only. np, testing, discovery_method: RFC 9990 only.
    """

    domain: str
    p: str
    sp: str
    np: str
    adkim: str
    aspf: str
    fo: str
    pct: str
    testing: str
    discovery_method: str


@dataclass(frozen=True)
class AggregateReport:
    """One aggregate report. begin, end: seconds since the epoch, UTC.

    warnings: what is not as the standard has it, and was read all the same.
    """

    namespace: str
    version: str
    reporter: str
    email: str
    extra_contact_info: str
    report_id: str
    begin: int
    end: int
    errors: tuple[str, ...]
    generator: str
    policy: PublishedPolicy
    records: tuple[ReportRecord, ...]
    warnings: tuple[str, ...] = ()

    @property
    def called(self) -> str:
        """The reporter as a person may know it: by its address where it gives no name."""
        return self.reporter or self.email.rpartition("@")[2] or "unknown reporter"


def read_report(xml: bytes, notes: Notes | None = None) -> AggregateReport:
    """Read a report. Raises ReportError and nothing else, whatever the bytes are.

    notes: gets what was odd, and which parts were left out.
    """
    notes = notes or Notes()
    once: dict[str, Element] = {}
    records: list[ReportRecord] = []

    def take(element: Element) -> None:
        if element.name == "record":
            try:
                records.append(_record(element, notes))
            except ReportError as error:
                notes.leave_out(error)
        elif element.name in ("version", "report_metadata", "policy_published"):
            if element.name in once:
                again = "an element that may stand once is there again"
                notes.leave_out(ReportError(again, _BROKEN, element.where))
            once.setdefault(element.name, element)

    document = read_xml(xml, "feedback", take, notes)
    _require(document, once, records, notes)
    metadata = once["report_metadata"]
    dates = metadata.required("date_range")
    of = _first_texts(metadata, notes)
    return AggregateReport(
        namespace=document.namespace,
        version=once["version"].text if "version" in once else "",
        reporter=_expected(of, "org_name", metadata, notes),
        email=_expected(of, "email", metadata, notes),
        extra_contact_info=of("extra_contact_info"),
        report_id=_expected(of, "report_id", metadata, notes),
        begin=_moment(dates.required("begin"), notes),
        end=_moment(dates.required("end"), notes),
        errors=tuple(error.text for error in metadata.every("error")),
        generator=of("generator"),
        policy=_policy(once["policy_published"], notes),
        records=tuple(records),
        warnings=tuple(notes.odd),
    )


def _require(
    document: Document, once: dict[str, Element], records: list[ReportRecord], notes: Notes
) -> None:
    """Raise ReportError where what is left is no report; else note what is cut off."""
    missing = [name for name in ("report_metadata", "policy_published") if name not in once]
    if not missing and not records:
        missing = ["record"]
    if missing and document.broken:
        raise document.broken
    if missing == ["record"] and notes.left_out:
        raise notes.left_out.pop()  # the others are told of beside it
    if missing:
        raise ReportError(f"the element {missing[0]} is missing", _BROKEN, "feedback")
    if document.broken:
        notes.leave_out(document.broken)


def _first_texts(parent: Element, notes: Notes) -> Callable[[str], str]:
    """The text of the first child of a name; that there are more is noted."""

    def first(name: str) -> str:
        found = parent.every(name)
        if len(found) > 1:
            notes.read_anyway("an element that may stand once is there again", found[1].where)
        return found[0].text if found else ""

    return first


def _expected(of: Callable[[str], str], name: str, parent: Element, notes: Notes) -> str:
    text = of(name)
    if not text:
        notes.read_anyway(f"no {name}", parent.where)
    return text


def _policy(published: Element, notes: Notes) -> PublishedPolicy:
    of = _first_texts(published, notes)
    return PublishedPolicy(
        domain=_domain(_expected(of, "domain", published, notes)),
        p=of("p").lower(),
        sp=of("sp").lower(),
        np=of("np").lower(),
        adkim=of("adkim").lower(),
        aspf=of("aspf").lower(),
        fo=of("fo"),
        pct=of("pct"),
        testing=of("testing").lower(),
        discovery_method=of("discovery_method").lower(),
    )


def _record(element: Element, notes: Notes) -> ReportRecord:
    row = element.required("row")
    evaluated = row.required("policy_evaluated")
    # Drafts of RFC 7489 had another name for it.
    identifiers = element.optional("identities") or element.required("identifiers")
    return ReportRecord(
        source_ip=_address(row.required("source_ip")),
        count=_number(row.required("count"), 10**12, "messages"),
        disposition=_disposition(evaluated, notes),
        dkim=_aligned(evaluated, "dkim", notes),
        spf=_aligned(evaluated, "spf", notes),
        reasons=tuple(
            Reason(reason.text_of("type").lower(), reason.text_of("comment"))
            for reason in evaluated.every("reason")
        ),
        header_from=_domain(_author(identifiers, notes)),
        envelope_from=_domain(identifiers.text_of("envelope_from")),
        envelope_to=_domain(identifiers.text_of("envelope_to")),
        dkim_results=tuple(
            DkimAuthResult(
                _domain(dkim.text_of("domain")),
                dkim.text_of("selector"),
                dkim.text_of("result").lower(),
                dkim.text_of("human_result"),
            )
            for dkim in _results(element, "dkim")
        ),
        spf_results=tuple(
            SpfAuthResult(
                _domain(spf.text_of("domain")),
                spf.text_of("scope").lower(),
                spf.text_of("result").lower(),
                spf.text_of("human_result"),
            )
            for spf in _results(element, "spf")
        ),
    )


def _results(record: Element, name: str) -> list[Element]:
    """Some receivers write an empty one where there is none."""
    results = record.optional("auth_results")
    return [found for found in results.every(name) if found.children] if results else []


def _author(identifiers: Element, notes: Notes) -> str:
    text = identifiers.text_of("header_from")
    if not text:
        notes.read_anyway("no header_from", identifiers.where)
    return text


def _domain(text: str) -> str:
    """Names compare without case and final dot; what is no domain stays, to be seen."""
    return text.lower().removesuffix(".")


def _address(element: Element) -> str:
    try:
        if "%" in element.text:  # a zone may hold any character
            raise ValueError
        return str(ipaddress.ip_address(element.text))
    except ValueError:
        raise ReportError("not an IP address", _BROKEN, element.where, element.text) from None


def _number(element: Element, most: int, unit: str) -> int:
    """A number from 0 to `most`; xs:integer allows a sign and leading zeros."""
    if re.fullmatch(r"\+?[0-9]{1,15}", element.text) and int(element.text) <= most:
        return int(element.text)
    raise ReportError(f"not a number of {unit}", _BROKEN, element.where, element.text)


def _moment(element: Element, notes: Notes) -> int:
    """Seconds since 1970; a few reporters write a date and time of RFC 3339, or a fraction."""
    whole = re.fullmatch(r"([0-9]{1,12})\.[0-9]{1,9}", element.text)
    seconds = int(whole[1]) if whole else -1
    if re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", element.text) and len(element.text) < 40:
        try:
            moment = datetime.fromisoformat(element.text)
            seconds = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
        except (ValueError, OverflowError):
            pass
    if 0 <= seconds <= _LAST_SECOND:
        notes.read_anyway("a time that is no whole number of seconds since 1970", element.where)
        return seconds
    return _number(element, _LAST_SECOND, "seconds since 1970")


def _disposition(evaluated: Element, notes: Notes) -> str:
    found = evaluated.optional("disposition")
    if found and found.text:
        return _word(found, DISPOSITIONS)
    notes.read_anyway("no disposition, counted as none", evaluated.where)
    return "none"


def _aligned(evaluated: Element, name: str, notes: Notes) -> str:
    found = evaluated.optional(name)
    if found and found.text.lower() not in _NO_PASS:
        return _word(found, _ALIGNED)
    if not evaluated.every("dkim") and not evaluated.every("spf"):
        evaluated.required(name)
    word = found.text.lower() if found else ""
    notes.read_anyway(
        f"{name} is neither pass nor fail, but {word or 'left out'}: counted as fail",
        evaluated.where,
    )
    return "fail"


def _word(element: Element, words: tuple[str, ...]) -> str:
    word = element.text.lower()
    if word not in words:
        raise ReportError(f"none of {', '.join(words)}", _BROKEN, element.where, element.text)
    return word
