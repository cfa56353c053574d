"""HTML → its words, its links. One pass over the characters, whatever they are."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

# Any other `<` is a character of the text.
_MARKUP = re.compile(r"<(?:[!?]|(?P<end>/?)(?P<name>[a-zA-Z][a-zA-Z0-9:-]{0,40}))")
# A number of more digits than any character has. int() refuses 4,301 of them.
_LONG_NUMBER = re.compile(r"&#(?:[xX]([0-9a-fA-F]{7,}+)|([0-9]{8,}+));?")
# Possessive: a long name without a value is read once.
_ATTRIBUTE = re.compile(r"""([^\s"'>/=]++)\s*+(?:=\s*+(?:"([^"]*)"|'([^']*)'|([^\s"'>]++)))?""")
_SPACE = re.compile(r"\s+")
_MOST_ATTRIBUTES = 20_000  # characters of one tag that are read for them
_UNSEEN = {
    name: re.compile(f"</{name}", re.IGNORECASE)
    for name in ("head", "script", "style", "template", "title")
}
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
    place = 0
    while place < len(source):
        markup = _MARKUP.search(source, place)
        begin = markup.start() if markup else len(source)
        if begin > place:
            yield unescape(source[place:begin])
        if markup is None:
            return
        if source.startswith("<!--", begin):
            place = _behind(source, "-->", begin + 4)
        elif not markup["name"]:  # <!DOCTYPE …>, <?xml …>
            place = _behind(source, ">", begin)
        else:
            place = _behind(source, ">", markup.end())
            attributes = _attributes(source[markup.end() : max(place - 1, 0)])
            tag = Tag(markup["name"].lower(), bool(markup["end"]), attributes)
            if tag.name in _UNSEEN and not tag.end:
                end = _UNSEEN[tag.name].search(source, place)
                place = _behind(source, ">", end.start()) if end else len(source)
            else:
                yield tag


def unescape(text: str) -> str:
    """Its entities read. Never raises."""
    return html.unescape(_LONG_NUMBER.sub(_short_number, text))


def _short_number(match: re.Match[str]) -> str:
    sign, digits = ("x", match[1]) if match[1] else ("", match[2])
    digits = digits.lstrip("0") or "0"
    return f"&#{sign}{digits};" if len(digits) <= 7 else "\ufffd"


def _behind(source: str, end: str, start: int) -> int:
    found = source.find(end, start)
    return len(source) if found < 0 else found + len(end)


def _attributes(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(text[:_MOST_ATTRIBUTES]):
        value = next((value for value in match.groups()[1:] if value is not None), None)
        if value is not None:
            found.setdefault(match[1].lower(), unescape(value).strip())
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
