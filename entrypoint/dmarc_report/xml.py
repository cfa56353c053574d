"""Hostile XML → the elements below its root, one after the other, within fixed bounds.

It must not know what a DMARC report is. Why the standard library's expat and no package: the
usual one, defusedxml, had its last stable release in 2021 and forbids DTDs and entities only;
depth, length and number would still be checked here. Forbidding a DTD is one search, made before
expat sees a byte, so that no version of expat has anything to expand or to fetch.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.parsers import expat

from entrypoint.dmarc_report.error import ReportError

MOST_DEPTH = 32  # a report needs 5; extensions may nest
MOST_TEXT = 65_536  # characters of one element, bytes of one tag
MOST_ELEMENTS = 1_500_000  # and attributes, of a document: some 80,000 records
MOST_ELEMENTS_OF_A_CHILD = 10_000  # of the root; RFC 9990: at most 100 signatures a record
_NOT_OURS = "it is no report as a mail receiver makes it: leave it alone"
_BROKEN = "ask the reporter for the report again, or leave it out"

# All of them write ASCII as ASCII; UTF-16 is known by its byte order mark.
_CODECS = {"utf-8", "us-ascii", "ascii", "iso-8859-1", "iso-8859-15", "windows-1252"}
_DECLARED = re.compile(rb"""<\?xml[^<>]{0,200}?\sencoding\s{0,9}=\s{0,9}["']([^"'<>]{1,40})["']""")
# `<` cannot stand in an attribute's value nor in text: this finds long tags and long text alike,
# before expat makes a dictionary of a million attributes.
_LONG = re.compile(rb"<[^<]{%d}" % MOST_TEXT)


@dataclass(slots=True)
class Element:
    """One element: its name without namespace, its text without white space around it.

    path: the names from below the root, by `/`; line: where it starts, from 1.
    """

    name: str
    path: str
    line: int
    text: str = ""
    children: list[Element] = field(default_factory=list)

    @property
    def where(self) -> str:
        """The place for an error: `line 12: record/row/count`."""
        return f"line {self.line}: {self.path}"

    def every(self, name: str) -> list[Element]:
        """The children of this name, in order."""
        return [child for child in self.children if child.name == name]

    def optional(self, name: str) -> Element | None:
        """The one child of this name, or None. Raises ReportError where there are several."""
        found = self.every(name)
        if len(found) > 1:
            raise ReportError(
                "an element that may stand once is there again", _BROKEN, found[1].where
            )
        return found[0] if found else None

    def required(self, name: str) -> Element:
        """The one child of this name. Raises ReportError where there is none or several."""
        found = self.optional(name)
        if found is None:
            raise ReportError(f"the element {name} is missing", _BROKEN, self.where)
        return found

    def text_of(self, name: str) -> str:
        """The text of the one child of this name, "" where there is none."""
        found = self.optional(name)
        return found.text if found else ""


def read_xml(data: bytes, root: str, take: Callable[[Element], None]) -> str:
    """Call `take` with each child of the root when it is complete; return the root's namespace.

    Children in the root's namespace or in none count; what is in another is an extension and
    skipped, as are attributes. Raises ReportError, or what `take` raises.
    """
    text = _utf8(data)
    if b"<!DOCTYPE" in text:
        raise ReportError("it has a document type declaration (DTD), a way to attack", _NOT_OURS)
    if long := _LONG.search(text):
        raise ReportError(
            f"a tag or a text of more than {MOST_TEXT} bytes",
            _NOT_OURS,
            f"line {text[: long.start()].count(10) + 1}",
        )
    builder = _Builder(root, take)
    try:
        builder.parser.Parse(text, True)
    except expat.ExpatError as error:
        message = expat.ErrorString(error.code)
        raise ReportError(f"not XML: {message}", _BROKEN, f"line {error.lineno}") from None
    return builder.namespace


def _utf8(data: bytes) -> bytes:
    """The document in UTF-8, so that every check and expat read the same characters."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        codec = "utf-16"
    else:
        data = data.removeprefix(codecs.BOM_UTF8).strip(b"\0 \t\r\n")
        declared = _DECLARED.match(data)
        codec = declared[1].decode("latin-1").lower() if declared else "utf-8"
        if codec not in _CODECS:
            raise ReportError(
                "an encoding that is not read", "convert the file to UTF-8", "line 1", codec
            )
    try:
        return data.decode(codec).strip().encode()
    except UnicodeError:
        raise ReportError(f"bytes that are not {codec}", "convert the file to UTF-8") from None


class _Builder:
    """Expat's events → Elements. Keeps one child of the root at a time."""

    def __init__(self, root: str, take: Callable[[Element], None]) -> None:
        self.namespace = ""
        self._root = root
        self._take = take
        self._open: list[Element] = []
        self._texts: list[list[str]] = []
        self._foreign = 0  # elements of an extension that are open
        self._total = self._kept = self._length = 0
        # The encoding given here overrides the one that the document declares.
        self.parser = parser = expat.ParserCreate("utf-8", " ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        namespace, _, name = tag.rpartition(" ")
        line = self.parser.CurrentLineNumber
        self._total += 1 + len(attributes)
        self._kept += 1 + len(attributes)
        self._length = 0
        if len(self._open) + self._foreign >= MOST_DEPTH:
            raise ReportError(f"nested deeper than {MOST_DEPTH} levels", _NOT_OURS, f"line {line}")
        for count, most in (
            (self._total, MOST_ELEMENTS),
            (self._kept, MOST_ELEMENTS_OF_A_CHILD),
        ):
            if count > most:
                rule = f"more than {most} elements and attributes"
                raise ReportError(rule, _NOT_OURS, f"line {line}")
        if not self._open:
            if name != self._root:
                raise ReportError(
                    f"not a DMARC aggregate report: its root is not {self._root}",
                    "give an aggregate report (the mail to rua=)",
                    f"line {line}",
                    name,
                )
            self.namespace = namespace
        elif self._foreign or namespace not in ("", self.namespace):
            self._foreign += 1
            return
        path = f"{self._open[-1].path}/{name}" if len(self._open) > 1 else name
        self._open.append(Element(name, path, line))
        self._texts.append([])

    def _end(self, _tag: str) -> None:
        self._length = 0
        if self._foreign:
            self._foreign -= 1
            return
        element = self._open.pop()
        element.text = "".join(self._texts.pop()).strip()
        if len(self._open) > 1:
            self._open[-1].children.append(element)
        elif self._open:
            self._kept = 0
            self._take(element)

    def _characters(self, text: str) -> None:
        self._length += len(text)
        if self._length > MOST_TEXT:
            where = self._open[-1].where
            raise ReportError(f"a text of more than {MOST_TEXT} characters", _NOT_OURS, where)
        # White space between elements is most of the text, and none of it is kept.
        if not self._foreign and (self._texts[-1] or not text.isspace()):
            self._texts[-1].append(text)
