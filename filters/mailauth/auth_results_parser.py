"""Reading Authentication-Results (RFC 8601 §2.2) and ARC-Authentication-Results (RFC 8617 §4.1.1).

Values are read a little more leniently than the grammar, as others write them unquoted
(`header.b=a/b+c=`), and so are names. It must not know who may be believed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(r"[^\s\x00-\x20()<>@,;:\\\"/\[\]?=\x7f]+")
# Names of methods, results and properties: the grammar has letters, digits and hyphens only.
NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,100}")
# Unquoted pvalues run to white space, a semicolon or a comment.
_PVALUE = re.compile(r"[^\s\x00-\x20();\"\x7f]+")
_BAD = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_LONGEST = 65_536


@dataclass(frozen=True)
class MethodResult:
    """One method's result. properties: (ptype.property, value) in order."""

    method: str
    result: str
    reason: str | None = None
    comment: str = ""
    properties: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ParsedAuthResults:
    """What a field says; an empty tuple of results is its `none`."""

    authserv_id: str
    version: int | None
    results: tuple[MethodResult, ...]


class _SyntaxError(Exception):
    pass


def parse_field(value: bytes) -> ParsedAuthResults | None:
    """Read everything after the colon; None where it is no Authentication-Results value."""
    if len(value) > _LONGEST:
        return None
    try:
        text = value.replace(b"\r\n", b"").decode("utf-8")
        if _BAD.search(text):
            return None
        return _Reader(text).field()
    except (UnicodeDecodeError, _SyntaxError):
        return None


def parse_arc_field(value: bytes) -> tuple[int, ParsedAuthResults | None] | None:
    """Read everything after the colon of an ARC-Authentication-Results field.

    Return its instance, 0 to 99, and what follows, None where that cannot be read; None where
    there is no instance: RFC 8617 judges a chain by the instances alone.
    """
    if len(value) > _LONGEST:
        return None
    unfolded = value.replace(b"\r\n", b"")
    reader = _Reader(unfolded.decode("latin-1"))
    try:
        instance = reader.instance()
    except _SyntaxError:
        return None
    return instance, parse_field(unfolded[reader.at :])


class _Reader:
    """A cursor over the text; every method reads one element of the grammar."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.comments: list[str] = []

    def field(self) -> ParsedAuthResults:
        self.space()
        authserv_id = self.value(_TOKEN)
        self.space()
        version = None
        if self.at < len(self.text) and self.text[self.at] != ";":
            digits = self.name()
            if not re.fullmatch(r"[0-9]{1,9}", digits):
                raise _SyntaxError
            version = int(digits)
            self.space()
        results: list[MethodResult] = []
        none = False
        while self.at < len(self.text):
            self.expect(";")
            self.comments = []
            self.space()
            if self.at == len(self.text):
                break  # a last semicolon is common
            method = self.name()
            self.space()
            if method.lower() == "none" and not results and self.at == len(self.text):
                none = True
                break
            results.append(self.result(method))
        if not results and not none:
            raise _SyntaxError
        return ParsedAuthResults(authserv_id, version, tuple(results))

    def instance(self) -> int:
        self.space()
        if self.name() != "i":
            raise _SyntaxError
        self.space()
        self.expect("=")
        self.space()
        digits = self.name()
        if not re.fullmatch(r"[0-9]{1,2}", digits):
            raise _SyntaxError
        self.space()
        self.expect(";")
        return int(digits)

    def result(self, method: str) -> MethodResult:
        if self.peek() == "/":
            self.at += 1
            self.space()
            self.name()
            self.space()
        self.expect("=")
        self.space()
        word = self.name()
        self.space()
        reason: str | None = None
        properties: list[tuple[str, str]] = []
        while self.peek() not in {"", ";"}:
            name = self.name()
            self.space()
            self.expect("=")
            self.space()
            value = self.value(_PVALUE)
            self.space()
            if name.lower() == "reason" and reason is None and not properties:
                reason = value
            elif "." in name:
                properties.append((name.lower(), value))
            # Anything else (Microsoft's action=none) is no property: skipped, as §2.2 has it.
        comment = " ".join(self.comments)
        return MethodResult(method.lower(), word.lower(), reason, comment, tuple(properties))

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def expect(self, char: str) -> None:
        if self.peek() != char:
            raise _SyntaxError
        self.at += 1

    def name(self) -> str:
        match = NAME.match(self.text, self.at)
        if match is None:
            raise _SyntaxError
        self.at = match.end()
        return match.group()

    def value(self, unquoted: re.Pattern[str]) -> str:
        if self.peek() == '"':
            return self.quoted()
        match = unquoted.match(self.text, self.at)
        if match is None:
            raise _SyntaxError
        self.at = match.end()
        return match.group()

    def quoted(self) -> str:
        end = self.at + 1
        while end < len(self.text) and self.text[end] != '"':
            end += 2 if self.text[end] == "\\" else 1
        if end >= len(self.text):
            raise _SyntaxError
        inner = self.text[self.at + 1 : end]
        self.at = end + 1
        return re.sub(r"\\(.)", r"\1", inner)

    def space(self) -> None:
        """Skip white space and comments, which may nest (RFC 5322 §3.2.2)."""
        while self.at < len(self.text):
            if self.text[self.at] in " \t":
                self.at += 1
            elif self.text[self.at] == "(":
                self.comment()
            else:
                return

    def comment(self) -> None:
        start, depth = self.at, 0
        while self.at < len(self.text):
            char = self.text[self.at]
            self.at += 2 if char == "\\" else 1
            depth += (char == "(") - (char == ")")
            if depth == 0:
                inner = self.text[start + 1 : self.at - 1]
                self.comments.append(re.sub(r"\\(.)", r"\1", inner))
                return
        raise _SyntaxError
