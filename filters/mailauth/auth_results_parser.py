"""Reading an Authentication-Results field (RFC 8601 §2.2).

Values are read a little more leniently than the grammar, as others write them unquoted
(`header.b=a/b+c=`). It must not know who may be believed.
"""

import re
from dataclasses import dataclass

_TOKEN = re.compile(r"[^\s\x00-\x20()<>@,;:\\\"/\[\]?=\x7f]+")
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
            digits = self.token()
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
            method = self.token()
            self.space()
            if method.lower() == "none" and not results and self.at == len(self.text):
                none = True
                break
            results.append(self.result(method))
        if not results and not none:
            raise _SyntaxError
        return ParsedAuthResults(authserv_id, version, tuple(results))

    def result(self, method: str) -> MethodResult:
        if self.peek() == "/":
            self.at += 1
            self.space()
            self.token()
            self.space()
        self.expect("=")
        self.space()
        word = self.token()
        self.space()
        reason: str | None = None
        properties: list[tuple[str, str]] = []
        while self.peek() not in {"", ";"}:
            name = self.token()
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

    def token(self) -> str:
        match = _TOKEN.match(self.text, self.at)
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
