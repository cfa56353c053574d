"""Names that RFC 5322 §3.4 would have in quotes: `Foo, Inc. <a@example.org>`.

To smtpd, and others, a bare word before a comma is an address, and gets a domain. In quotes the
name is a name to everybody. Only where nothing but a name can be meant: one pair of angle brackets
at the end of the field and one @ within, and no encoded word that says more. It must not know what
an address is.
"""

from __future__ import annotations

import re

from filters.mailauth.encoded_words import TooLongError, encoded_words

# Quoted and with its address it is one line (RFC 5322 §2.1.1: 998 octets).
_LONGEST = 700
# To some readers these end a line.
_LINE_ENDS = re.compile("[\x85\u2028\u2029]")
_BRACKETS = re.compile(r"[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*")
# Anything beyond ASCII's signs and white space.
_LETTER = re.compile(r"[^ \t!-/:-@\[-`{-~]")
# An encoded word that can stand outside quotes, once what is in it has been written anew.
_WORD = re.compile(r"=\?[A-Za-z0-9_*'+-]+\?(?:[Bb]\?[A-Za-z0-9+/=]*|[Qq]\?[^?]*)\?=")
# RFC 2047 §5 (3): what else may stand in Q there, without 8-bit bytes, which nobody minds.
_NOT_IN_Q = re.compile(r"[^A-Za-z0-9!*+/=_\x80-\U0010ffff-]")
_AN_ADDRESS = re.compile(r"[@<>\\]")

_WITH_PAIRS = re.compile(
    r'[ \t]*+(?P<name>(?:"(?:[^"\\]|\\.)*+"|[^"\\<>()@])*+)(?P<address><[^<>\\]*+>)[ \t]*+'
)
_QUOTED_STRING = re.compile(r'"((?:[^"\\]|\\.)*+)"')


def split(text: str) -> tuple[str, str] | None:
    """Return the name in quotes and the address in its brackets, of an unfolded field.

    None where something else could be meant.
    """
    head, _opening, rest = text.partition("<")
    inner, closing, after = rest.partition(">")
    if not closing or after.strip(" \t") or "<" in inner or "\\" in text:
        return None
    if text.count("@") != 1 or "@" not in inner or not _is_name(head):
        return None
    name = _quoted(head.replace('"', ""))
    return None if len(name.encode("utf-8", "surrogateescape")) > _LONGEST else (name, f"<{inner}>")


def has_odd_pairs(text: str) -> bool:
    """Say whether smtpd could take a well-formed field apart.

    A backslash in quotes is none to it, so the quotes end at `\\"`. It completes what stands before
    a comma then, or all of it where quotes that end behind the last @ hide that.
    """
    return "\\" in text and ("," in text or '"' in text.rpartition("@")[2])


def without_pairs(text: str) -> tuple[str, str] | None:
    """Return the name, without a backslash or quotes in it, and the address, as `split` does.

    text: a well-formed field. None where it has no such name.
    """
    match = _WITH_PAIRS.fullmatch(text)
    if match is None or "=?" in match["name"] or len(match["name"]) > _LONGEST:
        return None
    name = _QUOTED_STRING.sub(lambda quoted: re.sub(r"\\(.)", r"\1", quoted[1]), match["name"])
    plain = name.replace('"', "'").replace("\\", "/").strip(" \t")
    return f'"{plain}"', match["address"]


def _is_name(head: str) -> bool:
    """Say whether quotes, brackets and parentheses pair, and encoded words say no address."""
    if not _LETTER.search(head) or _LINE_ENDS.search(head) or head.count('"') % 2:
        return False
    if not _BRACKETS.fullmatch(head) or not _parentheses_pair(head):
        return False
    if '"' in head and "(" in head:
        return False
    bare = head.replace('"', "")
    if "=?" in _WORD.sub(" ", bare):
        return False
    try:
        said = [word.text for word in encoded_words(bare)]
    except TooLongError:
        return False
    return all(text is not None and not _AN_ADDRESS.search(text) for text in said)


def _parentheses_pair(text: str) -> bool:
    depth = 0
    for char in text:
        depth += (char == "(") - (char == ")")
        if depth < 0:
            return False
    return depth == 0


def _quoted(name: str) -> str:
    parts = []
    at = 0
    for word in _WORD.finditer(name):
        parts += [_in_quotes(name[at : word.start()]), _outside_quotes(word.group())]
        at = word.end()
    return " ".join(filter(None, [*parts, _in_quotes(name[at:])]))


def _in_quotes(text: str) -> str:
    text = text.strip(" \t")
    return f'"{text}"' if text else ""


def _outside_quotes(word: str) -> str:
    """Return an encoded word, with what may not stand in it encoded, too."""
    charset, method, payload = word[2:-2].split("?")
    if method in "Qq":
        payload = payload.replace(" ", "_").replace("\t", "_")
        payload = _NOT_IN_Q.sub(lambda char: f"={ord(char.group()):02X}", payload)
    return f"=?{charset}?{method}?{payload}?="
