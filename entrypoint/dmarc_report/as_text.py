"""An Overview → aligned columns for a terminal. Every value is a stranger's, so made harmless.

It must not know files or XML.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from email.errors import MessageError
from email.header import decode_header, make_header

from entrypoint.dmarc_report.feedback import DkimAuthResult, SpfAuthResult
from entrypoint.dmarc_report.overview import Overview, ReadFailure, ReadReport, Source
from entrypoint.text import columns, counted, minute, printable, table

_WIDEST = 60  # columns of a cell; --json has the whole value
_MOST_RESULTS = 3
_TITLES = (
    *("DMARC", "COUNT", "AUTHOR DOMAIN", "SOURCE", "DISPOSITION", "DKIM", "SPF"),
    *("REPORTER", "PERIOD (UTC)"),
)
_FAILURE_TITLES = (
    *("FAILED", "AUTHOR DOMAIN", "SOURCE", "DELIVERY", "ENVELOPE SENDER", "FROM", "SUBJECT"),
    *("ARRIVED (UTC)", "FILE"),
)
_COUNT = _TITLES.index("COUNT")


def source_lines(view: Overview) -> Iterator[tuple[str, bool]]:
    """The lines of the table, each with whether it tells of a failure."""
    rows = [_TITLES, *map(_cells, view.sources)]
    fails = [False, *(not source.passes for source in view.sources)]
    if view.sources:
        yield from zip(table(rows, right=(_COUNT,)), fails, strict=True)


def failure_lines(view: Overview) -> Iterator[str]:
    """The lines of the table of failure reports, each one message."""
    if view.failures:
        yield from table([_FAILURE_TITLES, *map(_failure_cells, view.failures)])
        for each in view.failures:
            yield from (f"{each.file}: warning: {short(odd)}" for odd in each.report.warnings)


def summary(view: Overview) -> Iterator[str]:
    """A line for each report, and one for all."""
    for each in view.reports:
        yield _report(each)
    for file in view.repeated:
        yield f"counted before: {file}"
    if view.failures:
        yield f"total: {counted(len(view.failures), 'failure report')}"
        if not view.reports:
            return
    shares = ", ".join(f"{name} {count}" for name, count in view.dispositions.items() if count)
    yield (
        f"total: {counted(len(view.reports), 'report')}, {counted(view.messages, 'message')}, "
        f"{view.messages - view.failing} pass, {view.failing} fail"
        + (f"; disposition: {shares}" if shares else "")
    )


def dkim_text(found: DkimAuthResult) -> str:
    """`example.org/s1 pass`: domain, selector and result, not yet made harmless."""
    return f"{found.domain or '?'}/{found.selector or '?'} {found.result or '?'}"


def spf_text(found: SpfAuthResult) -> str:
    """`bounces.example.org softfail`, with `(helo)` for that identity, not yet made harmless."""
    scope = " (helo)" if found.scope == "helo" else ""
    return f"{found.domain or '?'} {found.result or '?'}{scope}"


def words(value: str) -> str:
    """A header field's encoded words (RFC 2047) as text, not yet made harmless."""
    try:
        return str(make_header(decode_header(value[:500])))
    except (MessageError, ValueError, LookupError):
        return value


def arrived(moment: int | None) -> str:
    """The minute, in UTC."""
    return "?" if moment is None else minute(moment)


def period(begin: int, end: int) -> str:
    """`2026-01-01 00:00 - 2026-01-01 23:59`, in UTC."""
    return f"{minute(begin)} - {minute(end)}"


def _cells(source: Source) -> tuple[str, ...]:
    overridden = f" ({', '.join(source.reasons)})" if source.reasons else ""
    return (
        "pass" if source.passes else "FAIL",
        str(source.count),
        short(source.header_from or "?"),
        source.source_ip,
        short(source.disposition + overridden),
        _results(source.dkim, map(dkim_text, source.dkim_results)),
        _results(source.spf, map(spf_text, source.spf_results)),
        short(", ".join(source.reporters)),
        period(source.begin, source.end),
    )


def _failure_cells(each: ReadFailure) -> tuple[str, ...]:
    report = each.report
    return (
        short(each.failed),
        short(report.reported_domain or "?"),
        short(report.source_ip or "?"),
        short(report.delivery_result or "?"),
        short(report.envelope_from or "<>"),
        short(words(report.header_from)),
        short(words(report.subject)),
        arrived(report.arrived),
        each.file,
    )


def _results(aligned: str, raw: Iterable[str]) -> str:
    """`fail: example.net/s1 pass, …`: first what counts for DMARC, then what was found."""
    found = list(raw)
    more = len(found) - _MOST_RESULTS
    shown = ", ".join(map(short, found[:_MOST_RESULTS])) + (f", {more} more" if more > 0 else "")
    return f"{aligned}: {shown}" if shown else aligned


def _report(each: ReadReport) -> str:
    report = each.report
    policy = f" p={short(report.policy.p)}" if report.policy.p else ""
    line = (
        f"{short(report.called)} about {short(report.policy.domain or '?')}{policy}, "
        f"{period(report.begin, report.end)} UTC: {counted(each.messages, 'message')}, "
        f"{each.failing} fail; report {short(report.report_id)} in {each.file}"
    )
    # RFC 9990, error element: what is wrong with the DMARC record itself.
    said = "".join(f"\n  the reporter says: {short(error)}" for error in report.errors[:5])
    return line + said + "".join(f"\n  warning: {printable(odd)}" for odd in report.warnings)


def encodable(line: str) -> str:
    """A terminal that is not UTF-8 gets escapes, not a traceback."""
    encoding = sys.stdout.encoding or "utf-8"
    return line.encode(encoding, "backslashreplace").decode(encoding)


def short(text: str) -> str:
    """A cell: harmless, and cut where it would be wide."""
    clean = printable(text)
    wide = 0
    for at, char in enumerate(clean):
        wide += max(1, columns(char))  # a thousand combining marks have no width, and are a lot
        if wide > _WIDEST:
            return f"{clean[: at - 1]}…"
    return clean
