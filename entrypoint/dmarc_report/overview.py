"""Reports → what a person asks of them: which sources send, which fail, how much in all.

It must not know files, XML or how anything is shown.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from entrypoint.dmarc_report.failure import FailureReport
from entrypoint.dmarc_report.feedback import (
    DISPOSITIONS,
    AggregateReport,
    DkimAuthResult,
    ReportRecord,
    SpfAuthResult,
)


@dataclass(frozen=True)
class ReadReport:
    """A report and the file that it was in, for a person."""

    file: str
    report: AggregateReport

    @property
    def messages(self) -> int:
        """How many messages it is about."""
        return sum(record.count for record in self.report.records)

    @property
    def failing(self) -> int:
        """How many of them failed DMARC."""
        return sum(record.count for record in self.report.records if not record.passes)


@dataclass(frozen=True)
class ReadFailure:
    """A failure report and the file that it was in, for a person."""

    file: str
    report: FailureReport

    @property
    def failed(self) -> str:
        """What failed, in the reporter's words."""
        report = self.report
        what = report.auth_failure or report.identity_alignment or report.feedback_type or "?"
        return what if report.incidents == 1 else f"{what} ({report.incidents} times)"


@dataclass(frozen=True)
class Source:
    """All messages of an author domain from one address that fared alike, over all reports.

    reasons: the types of overrides; begin, end: the time that the reports cover, epoch seconds.
    """

    header_from: str
    source_ip: str
    passes: bool
    count: int
    disposition: str
    dkim: str
    dkim_results: tuple[DkimAuthResult, ...]
    spf: str
    spf_results: tuple[SpfAuthResult, ...]
    reasons: tuple[str, ...]
    reporters: tuple[str, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Overview:
    """reports, failures: as they were given, each once. sources: failing first, then by count.

    dispositions: messages by disposition, every one of DISPOSITIONS. repeated: the files whose
    report was read before. errors: one line each, safe to show.
    """

    reports: tuple[ReadReport, ...]
    sources: tuple[Source, ...]
    dispositions: dict[str, int]
    repeated: tuple[str, ...]
    errors: tuple[str, ...]
    failures: tuple[ReadFailure, ...] = ()

    @property
    def messages(self) -> int:
        """Messages in all reports."""
        return sum(source.count for source in self.sources)

    @property
    def failing(self) -> int:
        """Messages that failed DMARC."""
        return sum(source.count for source in self.sources if not source.passes)


def overview(
    read: Iterable[ReadReport],
    errors: Iterable[str] = (),
    failures: Iterable[ReadFailure] = (),
) -> Overview:
    """Fold reports together. One that came twice (in its mail and as a file, say) counts once.

    Twice is the very same report: one that only claims the same Report-ID hides nothing.
    """
    once: dict[AggregateReport, ReadReport] = {}
    repeated = []
    for each in read:
        if each.report in once:
            repeated.append(each.file)
        else:
            once[each.report] = each
    failed: dict[FailureReport, ReadFailure] = {}
    for failure in failures:
        if failed.setdefault(failure.report, failure) is not failure:
            repeated.append(failure.file)
    dispositions = Counter(dict.fromkeys(DISPOSITIONS, 0))
    alike: dict[object, list[tuple[AggregateReport, ReportRecord]]] = defaultdict(list)
    for report in once:
        for record in report.records:
            dispositions[record.disposition] += record.count
            alike[_key(record)].append((report, record))
    sources = sorted(_sources(alike.values()), key=_order)
    return Overview(
        tuple(once.values()),
        tuple(sources),
        dict(dispositions),
        tuple(repeated),
        tuple(errors),
        tuple(failed.values()),
    )


def _key(record: ReportRecord) -> object:
    return (
        *(record.header_from, record.source_ip, record.disposition, record.dkim, record.spf),
        *(record.dkim_results, record.spf_results),
    )


def _sources(groups: Iterable[list[tuple[AggregateReport, ReportRecord]]]) -> Iterator[Source]:
    for group in groups:
        first = group[0][1]
        yield Source(
            header_from=first.header_from,
            source_ip=first.source_ip,
            passes=first.passes,
            count=sum(record.count for _, record in group),
            disposition=first.disposition,
            dkim=first.dkim,
            dkim_results=first.dkim_results,
            spf=first.spf,
            spf_results=first.spf_results,
            reasons=tuple(
                sorted({why.type for _, record in group for why in record.reasons if why.type})
            ),
            reporters=tuple(sorted({report.called for report, _ in group})),
            begin=min(report.begin for report, _ in group),
            end=max(report.end for report, _ in group),
        )


def _order(source: Source) -> tuple[bool, int, str, str, str]:
    return (source.passes, -source.count, source.header_from, source.source_ip, source.disposition)
