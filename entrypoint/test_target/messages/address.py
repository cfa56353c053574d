"""An address field's value → names and addresses (RFC 5322 §3.4), as far as it can be read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from entrypoint.test_target.messages.header import decode_words

MOST_ADDRESSES = 2_000  # of one field
_MOST_CHARACTERS = 200_000
_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | "(?P<quoted>(?:[^"\\]|\\.)*)"?
      | (?P<comment>\()
      | <(?P<angle>[^>]*)>?
      | (?P<sign>[,;:])
      | (?P<other>[^\s"(<,;:]+)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True)
class Address:
    """name: "" is none. address: as it stands in the field, without the brackets."""

    name: str
    address: str

    def to_json(self) -> dict[str, str]:
        """As Go's net/mail.Address."""
        return {"Name": self.name, "Address": self.address}


def parse_addresses(value: str) -> list[Address]:
    """The addresses in their order; groups are opened, what has no `@` and no brackets is none."""
    found: list[Address] = []
    for tokens in _mailboxes(value[:_MOST_CHARACTERS]):
        mailbox = _mailbox(tokens)
        if mailbox is not None:
            found.append(mailbox)
        if len(found) == MOST_ADDRESSES:
            break
    return found


def _mailboxes(value: str) -> Iterator[list[tuple[str, str]]]:
    """The tokens of each mailbox. A `:` ends a group's name if no address is before it."""
    tokens: list[tuple[str, str]] = []
    is_address = False
    place = 0
    while place < len(value):
        match = _TOKEN.match(value, place)
        if match is None:  # a lone character that begins nothing
            place += 1
            continue
        kind, text = str(match.lastgroup), match[str(match.lastgroup)]
        place = match.end()
        if kind == "comment":
            place = _end_of_comment(value, place)
        elif kind == "sign" and text == ":" and not is_address:
            tokens = []
        elif kind == "sign" and text in ",;":
            yield tokens
            tokens, is_address = [], False
        else:
            tokens.append((kind, text))
            is_address = is_address or kind == "angle" or "@" in text
    yield tokens


def _end_of_comment(value: str, place: int) -> int:
    depth = 1
    while place < len(value) and depth:
        character = value[place]
        if character == "\\":
            place += 1
        depth += {"(": 1, ")": -1}.get(character, 0)
        place += 1
    return place


def _mailbox(tokens: list[tuple[str, str]]) -> Address | None:
    angles = [text for kind, text in tokens if kind == "angle"]
    if angles:
        name = "".join(_written(token) for token in tokens if token[0] != "angle")
        return Address(_name(name), "".join(angles[-1].split()))
    # Without brackets: a quoted local part goes with what stands at it.
    address = "".join(
        f'"{text}"' if kind == "quoted" else text for kind, text in tokens if kind != "space"
    )
    return Address("", address) if "@" in address else None


def _written(token: tuple[str, str]) -> str:
    kind, text = token
    return _ESCAPE.sub(r"\1", text) if kind == "quoted" else text


def _name(text: str) -> str:
    return " ".join(decode_words(text).split())
