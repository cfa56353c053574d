"""Findings → lines for a person: by domain, each with its cure below it.

It must not know terminals: it says which status a line's mark has, and the caller paints it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from entrypoint.doctor.finding import STATUSES, Finding, Status

_TITLES = {"ok": "ok", "warn": "warnings", "fail": "failures"}


@dataclass(frozen=True)
class Line:
    """mark: what is painted by status, "" where nothing is."""

    before: str
    mark: Status | None = None
    after: str = ""


def table(host: str, findings: Sequence[Finding]) -> Iterator[Line]:
    """host: MAIL_HOSTNAME, the title of what belongs to no domain."""
    wide = max((len(finding.check) for finding in findings), default=0)
    for owner, group in groupby(findings, key=lambda finding: finding.domain):
        yield Line(owner if owner is not None else f"{host} (this server)")
        for finding in group:
            gap = " " * (4 - len(finding.status))
            yield Line("  ", finding.status, f"{gap}  {finding.check:<{wide}}  {finding.detail}")
            if finding.cure:
                yield Line(f"{' ' * (wide + 10)}-> {finding.cure}")
        yield Line("")
    yield Line(", ".join(f"{_count(findings, status)} {_TITLES[status]}" for status in STATUSES))


def _count(findings: Sequence[Finding], status: Status) -> int:
    return sum(finding.status == status for finding in findings)
