"""Files as an operator has them → the TLS reports in them, and every error, one line each."""

from __future__ import annotations

from collections.abc import Iterable

from entrypoint.config.problems import Problems
from entrypoint.dmarc_report.error import Notes, ReportError
from entrypoint.dmarc_report.mail import FailedMail
from entrypoint.dmarc_report.read import Content, note_left_out, read_contents
from entrypoint.dmarc_report.unpack import MOST_JSON, unpack_json
from entrypoint.tls_report.report import read_tls_report
from entrypoint.tls_report.shown import ReadTlsReport


def read_tls_files(names: Iterable[str]) -> tuple[list[ReadTlsReport], list[str]]:
    """The TLS reports of all files in order, and the errors; `-` is standard input."""
    problems = Problems()
    reports: list[ReadTlsReport] = []
    for name in names:
        left = MOST_JSON

        def take(place: str, content: Content) -> None:
            nonlocal left
            if isinstance(content, FailedMail):
                raise ReportError("a DMARC failure report", "read it with `signpost dmarc-report`")
            json = unpack_json(content, left)
            left -= len(json)
            notes = Notes()
            try:
                reports.append(ReadTlsReport(place, read_tls_report(json, notes)))
            finally:
                note_left_out(problems, place, notes)

        read_contents(name, take, problems)
    return reports, problems.lines
