"""Files as an operator has them → the reports in them, and every error, one line each.

The only one of the report modules that opens a file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from entrypoint.config.problems import Problems
from entrypoint.dmarc_report.error import ReportError
from entrypoint.dmarc_report.feedback import read_report
from entrypoint.dmarc_report.mail import attachments, is_mail
from entrypoint.dmarc_report.overview import ReadReport
from entrypoint.dmarc_report.unpack import MOST_XML, is_markup, is_packed, read_limited, unpack
from entrypoint.text import printable


def read_files(names: Iterable[str]) -> tuple[list[ReadReport], list[str]]:
    """The reports of all files in order, and the errors; `-` is standard input."""
    problems = Problems()
    reports: list[ReadReport] = []
    for name in names:
        label = "standard input" if name == "-" else printable(name)
        try:
            reports.extend(_reports(label, _content(name), problems))
        except ReportError as error:
            _note(problems, label, error)
        except OSError as error:
            problems.add(label, f"cannot be read: {error.strerror}", "check the path and its mode")
    return reports, problems.lines


def _content(name: str) -> bytes:
    if name == "-":
        return read_limited(sys.stdin.buffer)
    if Path(name).is_dir():
        raise ReportError("a directory", "give the files in it, like DIRECTORY/*")
    with Path(name).open("rb") as stream:
        return read_limited(stream)


def _reports(label: str, raw: bytes, problems: Problems) -> Iterator[ReadReport]:
    """One report, or one for each attachment; one bad attachment does not hide the others."""
    if is_packed(raw) or is_markup(raw) or not is_mail(raw):
        yield ReadReport(label, read_report(unpack(raw)))
        return
    left = MOST_XML
    for attachment in attachments(raw):
        place = f"{label}: attachment {printable(attachment.name) or 'without a name'}"
        try:
            if isinstance(attachment.content, ReportError):
                raise attachment.content
            xml = unpack(attachment.content, left)
            left -= len(xml)
            yield ReadReport(place, read_report(xml))
        except ReportError as error:
            _note(problems, place, error)


def _note(problems: Problems, label: str, error: ReportError) -> None:
    where = f"{label}: {printable(error.where)}" if error.where else label
    problems.broken(where, error, error.value)
