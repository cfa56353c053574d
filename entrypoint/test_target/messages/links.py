"""The links of a message: those of its HTML, with their words, then those of its text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from entrypoint.test_target.messages.html import Tag, tokens

MOST_LINKS = 2_000
_URL = re.compile(r"""https?://[^\s<>"'\\^`{|}]{1,2000}+""", re.IGNORECASE)
_TRAILING = ".,;:!?*_~"
_BRACKETS = {")": "(", "]": "["}


@dataclass(frozen=True)
class MailLink:
    """text: the words that are the link in the HTML; "" for one of the text part."""

    url: str
    text: str


def links_of(text: str, html: str) -> list[MailLink]:
    """http and https, each URL once."""
    found: dict[str, MailLink] = {}
    for link in (*_anchors(html), *(MailLink(url, "") for url in urls_of_text(text))):
        if _URL.match(link.url) and len(found) < MOST_LINKS:
            found.setdefault(link.url, link)
    return list(found.values())


def loaded_urls(html: str) -> list[str]:
    """What a mail program would load: images and style sheets, each URL once."""
    found: dict[str, None] = {}
    for token in tokens(html):
        if isinstance(token, Tag) and token.name in {"img", "link"} and len(found) < MOST_LINKS:
            url = token.attributes.get("src" if token.name == "img" else "href", "")
            if _URL.match(url):
                found[url] = None
    return list(found)


def urls_of_text(text: str) -> list[str]:
    """Without the punctuation of the sentence around them."""
    return [_without_punctuation(match[0]) for match in _URL.finditer(text)]


def _without_punctuation(url: str) -> str:
    end = len(url)
    unmatched = {close: url.count(close) - url.count(open_) for close, open_ in _BRACKETS.items()}
    while end and (url[end - 1] in _TRAILING or unmatched.get(url[end - 1], 0) > 0):
        end -= 1
        if url[end] in unmatched:
            unmatched[url[end]] -= 1
    return url[:end]


def _anchors(html: str) -> list[MailLink]:
    found: list[MailLink] = []
    url, words = "", []
    for token in tokens(html):
        if isinstance(token, str):
            words.append(token)
        elif token.name in {"a", "area"}:
            if url:
                found.append(MailLink(url, " ".join("".join(words).split())))
            url = "" if token.end else token.attributes.get("href", "")
            words = []
    if url:
        found.append(MailLink(url, " ".join("".join(words).split())))
    return found
