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

from entrypoint.dmarc_report.error import Notes, ReportError

MOST_DEPTH = 32  # a report needs 5; extensions may nest
MOST_TEXT = 65_536  # characters of one element, bytes of one tag
MOST_ELEMENTS = 1_500_000  # and attributes, of a document: some 80,000 records
MOST_ELEMENTS_OF_A_CHILD = 10_000  # of the root; RFC 9990: at most 100 signatures a record
_NOT_OURS = "it is no report as a mail receiver makes it: leave it alone"
_BROKEN = "ask the reporter for the report again, or leave it out"

# By Python's names: character sets that mail has, and nothing that hides one text in another
# (UTF-7, punycode). UTF-16 is known by its first bytes.
_CODECS = re.compile(
    r"utf-8|ascii|iso8859-\d+|cp\d+|koi8-[rtu]|mac-roman|gb2312|gbk|gb18030|big5|big5hkscs"
    r"|euc_jp|shift_jis|iso2022_jp|euc_kr|tis-620"
)
_DECLARED = re.compile(rb"""<\?xml[^<>]{0,200}?\sencoding\s{0,9}=\s{0,9}["']([^"'<>]{1,40})["']""")
# `<` cannot stand in an attribute's value nor in text: this finds long tags and long text alike,
# before expat makes a dictionary of a million attributes.
_LONG = re.compile(rb"<[^<]{%d}" % MOST_TEXT)
_UTF_16 = {b"<\0": "utf-16-le", b"\0<": "utf-16-be"}  # without a byte order mark

# What is written in place of an element of the report's own, whatever it is prefixed with.
_DMARC = re.compile(r"https?://dmarc\.org/dmarc-xml/.{0,100}|urn:ietf:params:xml:ns:dmarc-[\d.]+")
# What keeps a document from being XML, and has one reading only.
_DECLARATION = re.compile(rb"<\?xml\s[^<>]{0,200}\?>")
_NO_CHARACTER = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]")
_ADDRESS = re.compile(rb"<([^<>\s/!?@]{1,64}@[^<>\s]{1,255})>")
_AMPERSAND = re.compile(
    rb"&(?!(?:amp|lt|gt|quot|apos|#(?:[0-9]{1,7}|x[0-9A-Fa-f]{1,6}));)"
    rb"|&(?=#(?:0*(?:[0-8]|1[124-9]|2[0-9]|3[01])|x0*(?:[0-8bBcCeEfF]|1[0-9A-Fa-f]));)"
)
_REPAIRS = (
    (_DECLARATION, b"", "an XML declaration that is not at the start"),
    (_NO_CHARACTER, "\ufffd".encode(), "control characters, shown as \ufffd"),
    (_ADDRESS, rb"&lt;\1&gt;", "an address in angle brackets, where XML has tags"),
    (_AMPERSAND, b"&amp;", "an & that is no reference of XML"),
)
_MOST_REPAIRS = 10_000


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


@dataclass(frozen=True)
class Document:
    """What was learned besides the children. broken: why what follows them could not be read."""

    namespace: str
    broken: ReportError | None


def read_xml(data: bytes, root: str, take: Callable[[Element], None], notes: Notes) -> Document:
    """Call `take` with each child of the root when it is complete.

    Children in the root's namespace, DMARC's or none count, and those that only declare another
    default; what has a prefix of another is an extension and skipped, as are attributes. What
    stands around the root is skipped and noted. Raises ReportError, or what `take` raises.
    """
    text = _utf8(data, notes)
    _check(text)
    if not _well_formed(text):
        text = _repaired(text, notes)
        _check(text)
    builder = _Builder(root, take, notes)
    broken = None
    try:
        builder.parser.Parse(text, True)
    except expat.ExpatError as error:
        message = expat.ErrorString(error.code)
        broken = ReportError(f"not XML: {message}", _BROKEN, f"line {error.lineno}")
    if builder.closed and broken:
        notes.read_anyway(f"after the report it is {broken.rule}", broken.where)
        broken = None
    elif not builder.started:
        raise builder.another(broken)
    return Document(builder.namespace, broken)


def _check(text: bytes) -> None:
    if b"<!DOCTYPE" in text:
        raise ReportError("it has a document type declaration (DTD), a way to attack", _NOT_OURS)
    if long := _LONG.search(text):
        raise ReportError(
            f"a tag or a text of more than {MOST_TEXT} bytes",
            _NOT_OURS,
            f"line {text[: long.start()].count(10) + 1}",
        )


def _well_formed(text: bytes) -> bool:
    try:
        expat.ParserCreate("utf-8", " ").Parse(text, True)
    except expat.ExpatError:
        return False
    return True


def _repaired(text: bytes, notes: Notes) -> bytes:
    for pattern, instead, what in _REPAIRS:
        repaired, count = pattern.subn(instead, text, _MOST_REPAIRS)
        if count == _MOST_REPAIRS:
            raise ReportError(f"{what}, {count} times", _NOT_OURS)
        if count:
            first = pattern.search(text)
            line = text[: first.start() if first else 0].count(10) + 1
            notes.read_anyway(what, f"line {line}")
            text = repaired
    return text


def _utf8(data: bytes, notes: Notes) -> bytes:
    """The document in UTF-8, so that every check and expat read the same characters."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        codec = "utf-16"
    elif data[:2] in _UTF_16:
        codec = _UTF_16[data[:2]]
    else:
        data = data.removeprefix(codecs.BOM_UTF8).strip(b"\0 \t\r\n")
        codec = _declared_codec(data, notes)
    try:
        text = data.decode(codec)
    except UnicodeDecodeError as error:
        text = data.decode(codec, "replace")
        line = data[: error.start].count(10) + 1
        notes.read_anyway(f"bytes that are not {codec}, shown as \ufffd", f"line {line}")
    utf8 = text.strip("\ufeff\0 \t\r\n").encode("utf-8", "replace")
    # The declaration has had its say; expat would have more to ask of it.
    first = _DECLARATION.match(utf8)
    return b"\n" * first[0].count(b"\n") + utf8[first.end() :] if first else utf8


def _declared_codec(data: bytes, notes: Notes) -> str:
    declared = _DECLARED.match(data)
    name = declared[1].decode("latin-1") if declared else "utf-8"
    try:
        codec = codecs.lookup(name).name if re.fullmatch(r"[A-Za-z][\w-]*", name, re.A) else ""
    except LookupError:
        codec = ""
    if codec.startswith("utf-16"):
        return "utf-8"  # it has been read as ASCII here, so it is not
    if not _CODECS.fullmatch(codec):
        notes.read_anyway(f"the unknown encoding {name}, read as UTF-8", "line 1")
        return "utf-8"
    return codec


class _Builder:
    """Expat's events → Elements. Keeps one child of the root at a time."""

    def __init__(self, root: str, take: Callable[[Element], None], notes: Notes) -> None:
        self.namespace = ""
        self.started = self.closed = False  # the root
        self._root = root
        self._take = take
        self._notes = notes
        self._around = 0  # elements around the root, or after it, that are open
        self._first: tuple[str, int] | None = None  # of those
        self._open: list[Element] = []
        self._texts: list[list[str]] = []
        self._renamed = False  # an element was in another namespace, and read
        self._foreign = 0  # elements of an extension that are open
        self._total = self._kept = self._length = 0
        # The encoding given here overrides the one that the document declares.
        self.parser = parser = expat.ParserCreate("utf-8", " ")
        parser.buffer_text = True
        parser.namespace_prefixes = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        namespace, name, prefix = _split(tag)
        line = self.parser.CurrentLineNumber
        self._total += 1 + len(attributes)
        self._kept += 1 + len(attributes)
        self._length = 0
        if len(self._open) + self._foreign + self._around >= MOST_DEPTH:
            raise ReportError(f"nested deeper than {MOST_DEPTH} levels", _NOT_OURS, f"line {line}")
        for count, most in (
            (self._total, MOST_ELEMENTS),
            (self._kept, MOST_ELEMENTS_OF_A_CHILD),
        ):
            if count > most:
                rule = f"more than {most} elements and attributes"
                raise ReportError(rule, _NOT_OURS, f"line {line}")
        if not self._open:
            if self.closed or name != self._root:
                self._outside(name, line)
                return
            self.started = True
            self.namespace = namespace
            if self._first:
                what = f"the element {self._first[0]} around {self._root}"
                self._notes.read_anyway(what, f"line {self._first[1]}")
        elif self._foreign or not self._ours(namespace, prefix, line):
            self._foreign += 1
            return
        path = f"{self._open[-1].path}/{name}" if len(self._open) > 1 else name
        self._open.append(Element(name, path, line))
        self._texts.append([])

    def another(self, broken: ReportError | None) -> ReportError:
        """The error of a document without the root."""
        if broken and not self._first:
            return broken
        name, line = self._first or ("", 1)
        return ReportError(
            f"not a DMARC aggregate report: its root is not {self._root}",
            "give an aggregate report (the mail to rua=)",
            f"line {line}",
            name,
        )

    def _outside(self, name: str, line: int) -> None:
        self._around += 1
        if name == self._root:
            rule = f"a second {self._root} in one document"
            self._notes.leave_out(
                ReportError(rule, "put it into a file of its own", f"line {line}")
            )
        elif not self._first:
            self._first = (name, line)

    def _ours(self, namespace: str, prefix: str, line: int) -> bool:
        if namespace in ("", self.namespace):
            return True
        if prefix and not _DMARC.fullmatch(namespace):
            return False
        if not self._renamed:
            self._renamed = True
            self._notes.read_anyway("a namespace on an element inside the report", f"line {line}")
        return True

    def _end(self, _tag: str) -> None:
        self._length = 0
        if not self._open:
            self._around -= 1
            return
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
        else:
            self.closed = True

    def _characters(self, text: str) -> None:
        self._length += len(text)
        if self._length > MOST_TEXT:
            where = self._open[-1].where if self._open else ""
            raise ReportError(f"a text of more than {MOST_TEXT} characters", _NOT_OURS, where)
        # White space between elements is most of the text, and none of it is kept.
        if self._open and not self._foreign and (self._texts[-1] or not text.isspace()):
            self._texts[-1].append(text)


def _split(tag: str) -> tuple[str, str, str]:
    """Namespace, name and prefix: expat gives `name`, `namespace name` or all three."""
    namespace, name, prefix = ([*tag.split(" "), "", ""])[:3]
    return (namespace, name, prefix) if name else ("", namespace, "")
