"""The XML of a DMARC aggregate report → Report (RFC 7489 Appendix C, the schema of RFC 9990).

The two differ in namespace (none or http://dmarc.org/dmarc-xml/0.1; urn:ietf:params:xml:ns:
dmarc-2.0) and in elements that were added or dropped, so both are read in one way: what a table
needs is required, the rest may be missing, what is unknown is skipped. Raw DKIM and SPF results
are any word, for receivers write more than RFC 8601 has. It must not know files or how a report
is shown.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from entrypoint.dmarc_report.error import ReportError
from entrypoint.dmarc_report.xml import Element, read_xml

DISPOSITIONS = ("none", "pass", "quarantine", "reject")  # pass: RFC 9990 only
_ALIGNED = ("pass", "fail")
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
    """One aggregate report. begin, end: seconds since the epoch, UTC."""

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


def read_report(xml: bytes) -> AggregateReport:
    """Read a report. Raises ReportError and nothing else, whatever the bytes are."""
    once: dict[str, Element] = {}
    records: list[ReportRecord] = []

    def take(element: Element) -> None:
        if element.name == "record":
            records.append(_record(element))
        elif element.name in ("version", "report_metadata", "policy_published"):
            if element.name in once:
                raise ReportError(
                    "an element that may stand once is there again", _BROKEN, element.where
                )
            once[element.name] = element

    namespace = read_xml(xml, "feedback", take)
    for name in ("report_metadata", "policy_published"):
        if name not in once:
            raise ReportError(f"the element {name} is missing", _BROKEN, "feedback")
    if not records:
        raise ReportError("the element record is missing", _BROKEN, "feedback")
    metadata = once["report_metadata"]
    dates = metadata.required("date_range")
    return AggregateReport(
        namespace=namespace,
        version=once["version"].text if "version" in once else "",
        reporter=_filled(metadata, "org_name"),
        email=metadata.text_of("email"),
        extra_contact_info=metadata.text_of("extra_contact_info"),
        report_id=_filled(metadata, "report_id"),
        begin=_number(dates.required("begin"), _LAST_SECOND, "seconds since 1970"),
        end=_number(dates.required("end"), _LAST_SECOND, "seconds since 1970"),
        errors=tuple(error.text for error in metadata.every("error")),
        generator=metadata.text_of("generator"),
        policy=_policy(once["policy_published"]),
        records=tuple(records),
    )


def _policy(published: Element) -> PublishedPolicy:
    of = published.text_of
    return PublishedPolicy(
        domain=_domain(_filled(published, "domain")),
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


def _record(element: Element) -> ReportRecord:
    row = element.required("row")
    evaluated = row.required("policy_evaluated")
    identifiers = element.required("identifiers")
    return ReportRecord(
        source_ip=_address(row.required("source_ip")),
        count=_number(row.required("count"), 10**12, "messages"),
        disposition=_word(evaluated.required("disposition"), DISPOSITIONS),
        dkim=_word(evaluated.required("dkim"), _ALIGNED),
        spf=_word(evaluated.required("spf"), _ALIGNED),
        reasons=tuple(
            Reason(reason.text_of("type").lower(), reason.text_of("comment"))
            for reason in evaluated.every("reason")
        ),
        header_from=_domain(_filled(identifiers, "header_from")),
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


def _filled(parent: Element, name: str) -> str:
    element = parent.required(name)
    if not element.text:
        raise ReportError("the element is empty", _BROKEN, element.where)
    return element.text


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


def _word(element: Element, words: tuple[str, ...]) -> str:
    word = element.text.lower()
    if word not in words:
        raise ReportError(f"none of {', '.join(words)}", _BROKEN, element.where, element.text)
    return word
