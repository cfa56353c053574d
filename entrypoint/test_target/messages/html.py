"""HTML → its words, its links. One pass over the characters, whatever they are."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:-]{0,40})")
_ATTRIBUTE = re.compile(r"""([^\s"'>/=]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
_SPACE = re.compile(r"\s+")
_MOST_ATTRIBUTES = 20_000  # characters of one tag that are read for them
_UNSEEN = {"head", "script", "style", "template", "title"}
_BLOCKS = {
    *("address", "article", "aside", "blockquote", "body", "br", "center", "dd", "div", "dl", "dt"),
    *("fieldset", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr"),
    *("html", "li", "main", "nav", "ol", "p", "pre", "section", "table", "td", "th", "tr", "ul"),
}


@dataclass(frozen=True)
class Tag:
    """name: in lower case. end: `</name>`."""

    name: str
    end: bool
    attributes: dict[str, str]


def tokens(source: str) -> Iterator[str | Tag]:
    """Texts, with their entities read, and tags. What is never shown is left out."""
    lower = source.lower() if len(source.lower()) == len(source) else source
    place = 0
    while place < len(source):
        less = source.find("<", place)
        if less < 0:
            less = len(source)
        if less > place:
            yield html.unescape(source[place:less])
        if source.startswith("<!--", less):
            place = _behind(source, "-->", less + 4)
            continue
        match = _TAG.match(source, less)
        if match is None:
            # `<!DOCTYPE …>`, `<?xml …>`; any other `<` is a character of the text.
            is_markup = source[less + 1 : less + 2] in {"!", "?"}
            if not is_markup and less < len(source):
                yield "<"
            place = _behind(source, ">", less) if is_markup else less + 1
            continue
        place = _behind(source, ">", match.end())
        tag = Tag(
            match[2].lower(), bool(match[1]), _attributes(source[match.end() : max(place - 1, 0)])
        )
        if tag.name in _UNSEEN and not tag.end:
            end = lower.find(f"</{tag.name}", place)
            place = len(source) if end < 0 else _behind(source, ">", end)
            continue
        yield tag


def _behind(source: str, end: str, start: int) -> int:
    found = source.find(end, start)
    return len(source) if found < 0 else found + len(end)


def _attributes(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(text[:_MOST_ATTRIBUTES]):
        value = next((value for value in match.groups()[1:] if value is not None), "")
        found.setdefault(match[1].lower(), html.unescape(value).strip())
    return found


def words_of_html(source: str, *, links: bool) -> str:
    """All on one line. links: the address of each link stands behind its words."""
    return " ".join(text_of_html(source, links=links).split())


def text_of_html(source: str, *, links: bool) -> str:
    """The text, a line for each block. A link is `words ( address )`."""
    out: list[str] = []
    address = ""
    for token in tokens(source):
        if isinstance(token, str):
            out.append(_SPACE.sub(" ", token))
        elif token.name == "a":
            if token.end and links and address:
                out.append(f" ( {address} ) ")
            address = "" if token.end else token.attributes.get("href", "")
        elif token.name in _BLOCKS:
            out.append("\n")
    lines = [" ".join(line.split()) for line in "".join(out).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
