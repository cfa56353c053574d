"""TLS reports → a table for a terminal, or JSON. Every value is a stranger's, so made harmless.

The keys of the JSON are stable: new ones may come, none goes or changes its meaning. Times are
UTC like 2026-01-01T00:00:00Z; a text that a report leaves out is "". It must not know files.

    {"reports": [{"file", "reporter", "contact", "report_id", "begin", "end", "warnings": [text],
                  "successful": number, "failed": number,
                  "policies": [{"type", "domain", "string": [text], "mx_host": [text],
                                "successful": number, "failed": number,
                                "failures": [{"result_type", "count": number, "sending_mta_ip",
                                              "receiving_ip", "receiving_mx_hostname",
                                              "receiving_mx_helo", "additional_information",
                                              "failure_reason_code"}]}]}],
     "totals": {"reports": number, "successful": number, "failed": number},
     "repeated": [file], "errors": [text]}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from entrypoint.dmarc_report.as_text import period, short
from entrypoint.text import counted, printable, second, table
from entrypoint.tls_report.report import TlsPolicy, TlsReport

_TITLES = (
    *("TLS", "COUNT", "DOMAIN", "POLICY", "RESULT", "SENDER", "MX", "REASON", "REPORTER"),
    "PERIOD (UTC)",
)
_COUNT = _TITLES.index("COUNT")


@dataclass(frozen=True)
class ReadTlsReport:
    """A report and the file that it was in, for a person."""

    file: str
    report: TlsReport

    @property
    def successful(self) -> int:
        """Sessions with TLS as the policy asks for it."""
        return sum(policy.successful for policy in self.report.policies)

    @property
    def failed(self) -> int:
        """Sessions without."""
        return sum(policy.failed for policy in self.report.policies)


def once(read: Iterable[ReadTlsReport]) -> tuple[list[ReadTlsReport], list[str]]:
    """Each report once, and the files of those that came again."""
    seen: dict[TlsReport, ReadTlsReport] = {}
    repeated = [each.file for each in read if seen.setdefault(each.report, each) is not each]
    return list(seen.values()), repeated


def lines(reports: list[ReadTlsReport]) -> Iterator[tuple[str, bool]]:
    """The lines of the table, what failed first, each with whether it tells of a failure."""
    rows = sorted(
        (row for each in reports for row in _rows(each.report)),
        key=lambda row: (row[0] == "ok", -int(row[1]), row[2:]),
    )
    if rows:
        fails = [False, *(row[0] != "ok" for row in rows)]
        yield from zip(table([_TITLES, *rows], right=(_COUNT,)), fails, strict=True)


def summary(reports: list[ReadTlsReport], repeated: list[str]) -> Iterator[str]:
    """A line for each report, and one for all."""
    for each in reports:
        report = each.report
        yield (
            f"{short(report.reporter or '?')}, {period(report.begin, report.end)} UTC: "
            f"{counted(each.successful, 'session')} ok, {each.failed} failed; "
            f"report {short(report.report_id or '?')} in {each.file}"
        )
        yield from (f"  warning: {printable(odd)}" for odd in report.warnings)
    for file in repeated:
        yield f"counted before: {file}"
    yield (
        f"total: {counted(len(reports), 'report')}, "
        f"{counted(sum(each.successful for each in reports), 'session')} ok, "
        f"{sum(each.failed for each in reports)} failed"
    )


def as_json(reports: list[ReadTlsReport], repeated: list[str], errors: list[str]) -> str:
    """The shape above, indented; ASCII only, so that no value can do anything to a terminal."""
    shaped = {
        "reports": [
            {
                "file": each.file,
                **asdict(each.report),
                "begin": second(each.report.begin),
                "end": second(each.report.end),
                "successful": each.successful,
                "failed": each.failed,
            }
            for each in reports
        ],
        "totals": {
            "reports": len(reports),
            "successful": sum(each.successful for each in reports),
            "failed": sum(each.failed for each in reports),
        },
        "repeated": repeated,
        "errors": errors,
    }
    return json.dumps(shaped, indent=2)


def _rows(report: TlsReport) -> Iterator[tuple[str, ...]]:
    when = (short(report.reporter or "?"), period(report.begin, report.end))
    for policy in report.policies:
        of = (short(policy.domain or "?"), short(policy.type or "?"))
        if policy.successful:
            yield ("ok", str(policy.successful), *of, "", "", "", "", *when)
        for failure in policy.failures:
            mx = failure.receiving_mx_hostname or failure.receiving_ip
            reason = failure.failure_reason_code or failure.additional_information
            found = (failure.result_type or "?", failure.sending_mta_ip, mx, reason)
            yield ("FAIL", str(failure.count), *of, *map(short, found), *when)
        if rest := _unexplained(policy):
            yield ("FAIL", str(rest), *of, "no details", "", "", "", *when)


def _unexplained(policy: TlsPolicy) -> int:
    """Failed sessions that no failure explains; one session may have failed in several ways."""
    return max(0, policy.failed - sum(failure.count for failure in policy.failures))
