"""Files as an operator has them → the reports in them, and every error, one line each.

The only one of the report modules that opens a file.
"""

from __future__ import annotations

import codecs
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from entrypoint.config.problems import Problems
from entrypoint.dmarc_report.error import Notes, ReportError
from entrypoint.dmarc_report.failure import read_failure
from entrypoint.dmarc_report.feedback import read_report
from entrypoint.dmarc_report.mail import FailedMail, attachments, is_mail, mails
from entrypoint.dmarc_report.overview import ReadFailure, ReadReport
from entrypoint.dmarc_report.unpack import (
    MOST_XML,
    is_json,
    is_markup,
    is_packed,
    read_limited,
    unpack,
)
from entrypoint.text import printable

MOST_OF_A_FILE = 1_000  # attachments, and mails without one, of an mbox
Content = bytes | FailedMail


@dataclass
class Found:
    """What files hold. errors: what could not be read, and what was left out; safe to show."""

    reports: list[ReadReport] = field(default_factory=list)
    failures: list[ReadFailure] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def read_files(names: Iterable[str]) -> tuple[list[ReadReport], list[str]]:
    """The aggregate reports of all files in order, and the errors; `-` is standard input."""
    found = read_all(names)
    return found.reports, found.errors


def read_all(names: Iterable[str]) -> Found:
    """The aggregate and failure reports of all files in order; `-` is standard input."""
    problems = Problems()
    found = Found(errors=problems.lines)
    for name in names:
        left = MOST_XML

        def take(place: str, content: Content) -> None:
            nonlocal left
            if isinstance(content, FailedMail):
                found.failures.append(ReadFailure(place, read_failure(content)))
                return
            xml = unpack(content, left)
            left -= len(xml)
            notes = Notes()
            try:
                found.reports.append(ReadReport(place, read_report(xml, notes)))
            finally:
                note_left_out(problems, place, notes)

        read_contents(name, take, problems)
    return found


def read_contents(name: str, take: Callable[[str, Content], None], problems: Problems) -> None:
    """Call `take` with each content of a file that may be a report, and where it stood.

    What `take` raises as a ReportError is noted, and hides none of the others.
    """
    label = "standard input" if name == "-" else printable(name)
    try:
        for place, content in _contents(label, _content(name)):
            try:
                if isinstance(content, ReportError):
                    raise content
                take(place, content)
            except ReportError as error:
                note(problems, place, error)
    except ReportError as error:
        note(problems, label, error)
    except OSError as error:
        problems.add(label, f"cannot be read: {error.strerror}", "check the path and its mode")


def note(problems: Problems, label: str, error: ReportError) -> None:
    """Note what cannot be read, behind the file that it stands in."""
    where = f"{label}: {printable(error.where)}" if error.where else label
    problems.broken(where, error, error.value)


def note_left_out(problems: Problems, label: str, notes: Notes) -> None:
    """Note every part that was left out."""
    for error in notes.left_out:
        cure = f"{error.cure}; the rest was read"
        note(problems, label, ReportError(error.rule, cure, error.where, error.value))


def _content(name: str) -> bytes:
    if name == "-":
        return read_limited(sys.stdin.buffer)
    if Path(name).is_dir():
        raise ReportError("a directory", "give the files in it, like DIRECTORY/*")
    with Path(name).open("rb") as stream:
        return read_limited(stream)


def _contents(label: str, raw: bytes) -> Iterator[tuple[str, Content | ReportError]]:
    """The file, or each attachment of its mails; one bad attachment does not hide the others."""
    if is_packed(raw) or is_markup(raw) or is_json(raw) or not is_mail(_started(raw)):
        yield label, raw
        return
    count = 0
    for number, mail in enumerate(mails(_started(raw)), 1):
        message = label if number == 1 else f"{label}: message {number}"
        for place, content in _of_mail(message, mail):
            count += 1
            if count > MOST_OF_A_FILE:
                raise ReportError(
                    f"an mbox of more than {MOST_OF_A_FILE} reports",
                    "split it; the rest is left out",
                )
            yield place, content


def _started(raw: bytes) -> bytes:
    """A mail that was copied by hand may have empty lines first."""
    return raw.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n")


def _of_mail(label: str, mail: bytes) -> Iterator[tuple[str, Content | ReportError]]:
    try:
        found = attachments(mail)
    except ReportError as error:
        yield label, error
        return
    for each in found:
        if isinstance(each, FailedMail):
            yield label, each
        else:
            place = f"{label}: attachment {printable(each.name) or 'without a name'}"
            yield place, each.content
