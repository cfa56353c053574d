"""The addresses of a From field, read from its raw bytes (RFC 5322 §3.4, RFC 6854).

Strict where mail readers disagree with each other: what two readers could read as two authors
is refused with a reason. A name that should stand in quotes is none of that, where the field has
one @ and one pair of angle brackets. Who passes the message on puts it in quotes (`quoted`), for to
smtpd, and others, a bare word before a comma is an address. It must not know messages, only the
value of one field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from filters.mailauth.display_name import has_odd_pairs, split, without_pairs
from filters.mailauth.encoded_words import TooLongError, encoded_words
from filters.mailauth.names import a_label, readings

# A thousand authors have room in it. Reading takes a microsecond a byte.
_LONGEST = 65_536
# What longer ones say is not remembered.
LONGEST_KNOWN = 256

# RFC 5322's white space; U+0085, U+2028 and U+2029 end a line for some, and no name has them.
_ATOM = re.compile('[^ \t\x85\u2028\u2029()<>\\[\\]:;@\\\\,."]+')
_DOT_ATOM = re.compile(r"[^\s()<>\[\]:;@\\,.\"]+(?:\.[^\s()<>\[\]:;@\\,.\"]+)*")
# Dots wherever they may be: a large carrier's customers have them.
_LOCAL_PART = re.compile(r"\.*[^\s()<>\[\]:;@\\,.\"]+(?:\.+[^\s()<>\[\]:;@\\,.\"]+)*\.*")
# White space, and comments that nobody could take for a part of an address.
_HARMLESS = re.compile(r"[ \tA-Za-z0-9()-]*")
_ENCODED_WORD = re.compile(r"=\?[^?]*\?[A-Za-z]\?[^?]*\?=")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# `"Alice" <a@example.org>` or `a@example.org`: nearly all mail, and what needs no second look.
_PLAIN = re.compile(
    r'[ \t]*+(?P<phrase>(?:"[^"\\]*+"|[^\s()<>\[\]:;@\\,"]++|[ \t]++)*+<)?'
    rf"(?P<local>{_DOT_ATOM.pattern})@(?P<domain>{_DOT_ATOM.pattern})(?(phrase)>)[ \t]*+"
)


class UnreadableError(Exception):
    """The field does not say one thing to every reader; the text says why."""


class _Token(NamedTuple):
    kind: str  # "atom", "quoted", "literal" or the special character itself
    text: str
    before: str  # the white space and comments before it


def mailboxes(value: bytes) -> tuple[tuple[str, str | None], ...]:
    """Return (local part, domain) of every mailbox, group members included.

    The domain is a lower-case A-label, or None for an address literal. Raises UnreadableError.
    """
    text = _text(value)
    plain = _PLAIN.fullmatch(text)
    if plain is not None and "=?" not in text:
        return ((plain["local"], _host(plain["domain"])),)
    return _parsed(text)


def quoted(value: bytes) -> bytes:
    """Return the value with its name in quotes where a reader could take it for something else.

    The very same object where the name is clear, and where there is no author to be read.
    """
    clear = _known_quoted(value) if len(value) <= LONGEST_KNOWN else _quoted(value)
    return value if clear == value else clear


def _quoted(value: bytes) -> bytes:
    try:
        text = _text(value)
        if _PLAIN.fullmatch(text) and "=?" not in text:
            return value
        _parsed(text)
    except UnreadableError:
        return value
    clear = _in_quotes(text)
    if clear is None:
        return value
    line_end = b"\r\n" if value.endswith(b"\r\n") else b""
    return " ".join(("", *clear)).encode("utf-8", "surrogateescape") + line_end


# Whoever writes often writes the same From field.
_known_quoted = lru_cache(maxsize=1024)(_quoted)


def _in_quotes(text: str) -> tuple[str, str] | None:
    """Return the name in quotes and the address; None where the field says that as it is."""
    try:
        _strictly(text)
    except UnreadableError:
        return split(text)
    return without_pairs(text) if has_odd_pairs(text) else None


def _text(value: bytes) -> str:
    if len(value) > _LONGEST:
        raise UnreadableError("a From field that is too long")
    text = value.replace(b"\r\n", b"").decode("utf-8", "surrogateescape")
    if _CONTROL.search(text):
        raise UnreadableError("a control character in the From field")
    return text


def _parsed(text: str) -> tuple[tuple[str, str | None], ...]:
    _check_encoded_words(text)
    try:
        found = _strictly(text)
    except UnreadableError:
        named = split(text)
        if named is None:
            raise
        return _strictly(named[1])
    if has_odd_pairs(text) and without_pairs(text) is None:
        raise UnreadableError("a quoted pair beside a comma or comment in the From field")
    return found


def _strictly(text: str) -> tuple[tuple[str, str | None], ...]:
    return tuple(_mailbox(element) for element in _elements(list(_tokens(text))))


def _tokens(text: str) -> Iterator[_Token]:
    at = end = 0  # of what stands before the token
    while end < len(text):
        char = text[end]
        if char in " \t":
            end += 1
            continue
        if char == "(":
            end = _after_comment(text, end)
            continue
        before, start = text[at:end], end
        if char == '"':
            at = end = _closing(text, start, '"') + 1
            yield _Token("quoted", re.sub(r"\\(.)", r"\1", text[start + 1 : end - 1]), before)
        elif char == "[":
            at = end = _closing(text, start, "]") + 1
            yield _Token("literal", text[start:end], before)
        elif char in "<>@,;:.":
            at = end = start + 1
            yield _Token(char, char, before)
        else:
            atom = _ATOM.match(text, start)
            if atom is None:
                raise UnreadableError("a character in the From field that stands outside quotes")
            at = end = atom.end()
            yield _Token("atom", atom.group(), before)


def _closing(text: str, at: int, end: str) -> int:
    at += 1
    while at < len(text) and text[at] != end:
        at += 2 if text[at] == "\\" else 1
    if at >= len(text):
        raise UnreadableError("a quoted string or address literal without an end in the From field")
    return at


def _after_comment(text: str, at: int) -> int:
    depth = 0
    while at < len(text):
        if text[at] == "\\":
            # To smtpd it is none, and the comment may end behind it.
            raise UnreadableError("a quoted pair in a comment of the From field")
        if text[at] == "(":
            depth += 1
        elif text[at] == ")":
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    raise UnreadableError("a comment without an end in the From field")


def _elements(tokens: list[_Token]) -> Iterator[list[_Token]]:
    """Split the list at its commas; a group's members count as the list's (RFC 6854)."""
    element: list[_Token] = []
    in_group = in_angle = group_ended = False
    for token in tokens:
        if group_ended and token.kind != ",":
            raise UnreadableError("text after a group in the From field")
        if token.kind in "<>" and (token.kind == "<") == in_angle:
            raise UnreadableError("angle brackets that do not pair in the From field")
        if token.kind in "<>":
            in_angle = token.kind == "<"
        if in_angle or token.kind not in {",", ":", ";"}:
            element.append(token)
        elif token.kind == ":":
            if in_group or not element or any(t.kind not in _PHRASE for t in element):
                raise UnreadableError("a colon out of place in the From field")
            in_group, element = True, []
        elif token.kind == ";":
            if not in_group:
                raise UnreadableError("a semicolon out of place in the From field")
            if element:
                yield element
            in_group, group_ended, element = False, True, []
        elif group_ended:
            group_ended = False
        elif not element:
            raise UnreadableError("an empty place in the From field's list")
        else:
            yield element
            element = []
    if in_angle or in_group:
        raise UnreadableError("a group or an angle bracket without an end in the From field")
    if element:
        yield element
    elif not group_ended:
        raise UnreadableError(
            "no address in the From field" if not tokens else "a comma at its end"
        )


_PHRASE = {"atom", "quoted", "."}


def _mailbox(tokens: list[_Token]) -> tuple[str, str | None]:
    opening = next((n for n, token in enumerate(tokens) if token.kind == "<"), None)
    if opening is None:
        return _addr_spec(tokens)
    if tokens[-1].kind != ">":
        raise UnreadableError("text after an address in angle brackets in the From field")
    phrase, inner = tokens[:opening], tokens[opening + 1 : -1]
    if any(token.kind in {",", ":"} for token in inner):
        raise UnreadableError("a source route in the From field")
    address = _addr_spec(inner, bracketed=True)
    if all(token.kind in _PHRASE for token in phrase):
        return address
    if _addr_spec(phrase)[1] != address[1]:
        # Common in the wild as `a@b <a@b>`; two domains would be two authors.
        raise UnreadableError("two addresses for one author in the From field")
    return address


def _check_encoded_words(text: str) -> None:
    """Refuse encoded words that hide control characters, wherever a reader would decode them."""
    try:
        hidden = any(word.hides_control for word in encoded_words(text))
    except TooLongError:
        raise UnreadableError("an encoded word in the From field that is too long") from None
    if hidden:
        raise UnreadableError("an encoded control character in the From field")


def _addr_spec(tokens: list[_Token], *, bracketed: bool = False) -> tuple[str, str | None]:
    ats = [n for n, token in enumerate(tokens) if token.kind == "@"]
    if len(ats) != 1 or not 0 < ats[0] < len(tokens) - 1:
        raise UnreadableError("something that is no address in the From field")
    # RFC 5322 §3.4.1; without brackets, white space would part two words to some.
    around = (ats[0], ats[0] + 1) if bracketed else ()
    for place, token in enumerate(tokens[1:], 1):
        if token.before and (place not in around or not _HARMLESS.fullmatch(token.before)):
            raise UnreadableError("white space inside an address in the From field")
    left, right = tokens[: ats[0]], tokens[ats[0] + 1 :]
    quoted = len(left) == 1 and left[0].kind == "quoted"
    local = left[0].text if quoted else _dot_atom(left, _LOCAL_PART)
    if _ENCODED_WORD.search(local):
        raise UnreadableError("an encoded word in place of a local part in the From field")
    if len(right) == 1 and right[0].kind == "literal":
        return local, None
    return local, _host(_dot_atom(right, _DOT_ATOM))


def _host(text: str) -> str:
    domain = a_label(text)
    if domain is None and readings(text) and not text.isascii():
        raise UnreadableError(
            "a domain of the From field that the versions of IDNA do not all read alike"
        )
    if domain is None:
        raise UnreadableError("a domain of the From field that is no host name")
    return domain


def _dot_atom(tokens: list[_Token], pattern: re.Pattern[str]) -> str:
    text = "".join(token.text for token in tokens)
    if any(token.kind not in {"atom", "."} for token in tokens) or not pattern.fullmatch(text):
        raise UnreadableError("something that is no address in the From field")
    return text


def written(local: str, domain: str | None) -> str:
    """Return the address as text: a local part that is no dot-atom is quoted again."""
    if not _DOT_ATOM.fullmatch(local):
        local = '"' + re.sub(r'(["\\])', r"\\\1", local) + '"'
    return f"{local}@{domain or '[]'}"
