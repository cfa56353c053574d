"""The List-Unsubscribe field (RFC 2369 §3.2, RFC 8058), judged as Mailpit does."""

from __future__ import annotations

import re
from dataclasses import dataclass

from entrypoint.test_target.messages.header import Header

_MOST_CHARACTERS = 5_000  # of the field that are judged
_COMMENT = re.compile(r"\([^()]*\)")
_LINK = re.compile(r"<([^<>]*)>")


@dataclass(frozen=True)
class ListUnsubscribe:
    """header, post: as they stand, "" is none. errors: what is wrong, on one line."""

    header: str
    post: str
    links: tuple[str, ...]
    errors: str

    def to_json(self) -> dict[str, object]:
        """The object of the same name in a message."""
        return {
            "Header": self.header,
            "Links": list(self.links),
            "Errors": self.errors,
            "HeaderPost": self.post,
        }


def list_unsubscribe(header: Header) -> ListUnsubscribe:
    """At most one mailto: and one http(s): link, in brackets, with a comma between them."""
    value = header.text("List-Unsubscribe")
    if not value:
        return ListUnsubscribe("", "", (), "")
    post = header.text("List-Unsubscribe-Post")
    bare = _COMMENT.sub("", value[:_MOST_CHARACTERS]).strip()
    links, errors = _judge(bare)
    return ListUnsubscribe(value, post, tuple(links), ", ".join(errors))


def _judge(bare: str) -> tuple[list[str], list[str]]:
    found = _LINK.findall(bare)
    if not found:
        return [], [f'"{bare}" no valid unsubscribe links found']
    if not (bare.startswith("<") and bare.endswith(">")):
        return [], [f'"{bare}" should be enclosed in <>']
    if len(found) > 2:
        return [], [f'"{bare}" should include a maximum of one email and one HTTP link']
    between = _LINK.split(bare)[2:-1:2]
    if any(text.strip() != "," for text in between):
        return [], [f'"{bare}" <> should be split with a comma and optional spaces']
    links: list[str] = []
    errors: list[str] = []
    kinds: set[str] = set()
    for link in found:
        kind = _kind(link)
        if any(character.isspace() for character in link):
            errors.append(f'"{link}" should not contain spaces')
        elif not kind:
            errors.append(f'"{link}" should start with either http(s):// or mailto:')
        elif kind in kinds:
            errors.append(f'"{link}" should only contain one {kind}')
        else:
            kinds.add(kind)
            links.append(link)
    return links, errors


def _kind(link: str) -> str:
    if re.match(r"mailto:[a-zA-Z0-9]", link):
        return "mailto:"
    return "HTTP link" if re.match(r"https?://[a-zA-Z0-9]", link, re.IGNORECASE) else ""
