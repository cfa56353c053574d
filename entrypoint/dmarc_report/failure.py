"""The mail of a failure report → FailureReport (RFC 6591, RFC 9991: what ruf= brings).

Its fields may stand as the reporter likes: all but the type may be missing, what is odd is noted.
It must not know files or how a report is shown.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from entrypoint.dmarc_report.error import Notes, ReportError
from entrypoint.dmarc_report.mail import FailedMail
from filters.mailauth.message import Message

_MOST = 2_000  # characters of a value; an Authentication-Results field may be long
_MOST_FIELDS = 200  # of the report; the message it is about counts by its first ones
_BROKEN = "ask the reporter for the report again, or leave it out"
# A reporter that writes for people only (Exim): what it says, and the field that means the same.
_IN_WORDS = {
    "sender domain": "reported-domain",
    "sender ip address": "source-ip",
    "received date": "arrival-date",
    "dmarc results": "delivery-result",
}


@dataclass(frozen=True)
class FailureReport:
    """A message that failed DMARC, as its receiver reports it; "" where it does not say.

    arrived: seconds since the epoch, None where there is no date. incidents: how many messages
    it stands for (RFC 5965 §3.2). header_from to date: of the message itself.
    """

    feedback_type: str
    user_agent: str
    auth_failure: str
    identity_alignment: str
    delivery_result: str
    reported_domain: str
    source_ip: str
    envelope_from: str
    envelope_to: str
    arrived: int | None
    incidents: int
    authentication_results: tuple[str, ...]
    dkim_domain: str
    dkim_identity: str
    dkim_selector: str
    spf_dns: str
    header_from: str
    subject: str
    message_id: str
    date: str
    warnings: tuple[str, ...]


def read_failure(mail: FailedMail) -> FailureReport:
    """Read a failure report. Raises ReportError where it is none."""
    if isinstance(mail.report, ReportError):
        raise mail.report
    notes = Notes()
    # A few write an empty line first, or indent all lines.
    fields = _fields(mail.report)
    original = mail.original
    if "feedback-type" not in fields:
        fields, original = _in_words(mail.report, fields)
        notes.read_anyway("it has no part for programs; read from its words")
    if not fields:
        raise ReportError("a failure report without any field", _BROKEN)
    message = _fields(original)
    of = {key: values[0] for key, values in fields.items()}.get
    kind = of("feedback-type", "").lower()
    if kind not in ("auth-failure", ""):
        notes.read_anyway("its Feedback-Type is not auth-failure, but " + kind)
    return FailureReport(
        feedback_type=kind,
        user_agent=of("user-agent", ""),
        auth_failure=of("auth-failure", "").lower(),
        identity_alignment=of("identity-alignment", "").lower(),
        delivery_result=of("delivery-result", "").lower(),
        reported_domain=of("reported-domain", "").lower().removesuffix("."),
        source_ip=_address(of("source-ip", ""), notes),
        envelope_from=of("original-mail-from", "").strip("<>"),
        envelope_to=of("original-rcpt-to", "").strip("<>"),
        arrived=_arrived(of("arrival-date", "") or of("received-date", ""), notes),
        incidents=_incidents(of("incidents", "1"), notes),
        authentication_results=tuple(fields.get("authentication-results", ())),
        dkim_domain=of("dkim-domain", "").lower(),
        dkim_identity=of("dkim-identity", ""),
        dkim_selector=of("dkim-selector", ""),
        spf_dns=of("spf-dns", ""),
        header_from=message.get("from", [""])[0],
        subject=message.get("subject", [""])[0],
        message_id=message.get("message-id", [""])[0],
        date=message.get("date", [""])[0],
        warnings=tuple(notes.odd),
    )


def _fields(raw: bytes) -> dict[str, list[str]]:
    """The values of header fields by their names in lower case, unfolded."""
    raw = raw.replace(b"\r\n", b"\n").lstrip(b"\n \t").replace(b"\n", b"\r\n")
    found: dict[str, list[str]] = {}
    for field in Message(raw).fields[:_MOST_FIELDS]:
        if field.key:
            value = field.value[:_MOST].decode("utf-8", "replace")
            found.setdefault(field.key.decode("ascii"), []).append(" ".join(value.split()))
    return found


def _in_words(report: bytes, fields: dict[str, list[str]]) -> tuple[dict[str, list[str]], bytes]:
    """The same of a text that says it line by line; behind its rule stands the message."""
    text, _, original = report.replace(b"\r\n", b"\n").partition(b"\n------ ")
    said = dict(fields)
    for line in text[:10_000].decode("utf-8", "replace").splitlines():
        name, colon, value = line.partition(":")
        key = " ".join(name.lower().split())
        if colon and key in _IN_WORDS:
            said[_IN_WORDS[key]] = [value.strip()[:_MOST]]
        elif colon and key in ("spf alignment", "dkim alignment") and value.strip().lower() == "no":
            failed = said.setdefault("identity-alignment", [""])
            failed[0] = ", ".join(filter(None, [failed[0], key.partition(" ")[0]]))
    return said, original.partition(b"\n")[2]


def _address(text: str, notes: Notes) -> str:
    bare = re.sub(r"(?i)^\[?(?:ipv6:)?|\]$", "", text)
    try:
        if "%" in bare:
            raise ValueError
        return str(ipaddress.ip_address(bare))
    except ValueError:
        notes.read_anyway("its Source-IP is no IP address" if text else "no Source-IP")
        return text


def _incidents(text: str, notes: Notes) -> int:
    if re.fullmatch(r"[0-9]{1,12}", text):
        return int(text)
    notes.read_anyway("its Incidents is no number, counted as 1")
    return 1


def _arrived(text: str, notes: Notes) -> int | None:
    try:
        seconds = int(parsedate_to_datetime(text[:100]).timestamp())
    except (ValueError, TypeError, IndexError, OverflowError):
        seconds = -1
    if 0 <= seconds <= 253_402_300_799:
        return seconds
    notes.read_anyway("no Arrival-Date that is a date")
    return None
