"""Paragraphs as plain text and as HTML, in the style of their sender."""

from __future__ import annotations

import html
import re
import textwrap
from collections.abc import Sequence

from bench.junk.corpus.disguise import commented
from bench.junk.corpus.draw import Draw
from bench.junk.corpus.letter import Paragraph

_url = re.compile(r"https?://\S+")
_link = re.compile(r"([^\n]*?)(https?://\S+)")


def plain(paragraphs: Sequence[Paragraph], style: Draw) -> str:
    """As text."""
    width = style.one((72, 72, 76, 0))
    gap = style.one(("\n\n", "\n\n", "\n"))
    blocks = []
    for role, text in paragraphs:
        if role == "hidden":
            continue
        text = text.replace(": http", ":\nhttp") if style.chance(0.3) else text
        if width:
            lines = [
                textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)
                for line in text.splitlines()
            ]
            text = "\n".join(lines)
        if role == "quote":
            text = "\n".join(f"> {line}" for line in text.splitlines())
        blocks.append(text)
    return gap.join(blocks) + "\n"


def rich(paragraphs: Sequence[Paragraph], style: Draw, draw: Draw, how: frozenset[str]) -> str:
    """As HTML; images that are part of the message have the Content-ID `picture`."""
    font = style.one(
        ("Arial, sans-serif", "Helvetica, Arial", "Georgia, serif", "Verdana", "Calibri")
    )
    colour = style.letters(6, "0123456789abcdef")
    table, button = style.chance(0.5), style.chance(0.6)
    hide = style.one(
        (
            "display:none",
            "font-size:1px;color:#ffffff",
            "display:none;max-height:0;overflow:hidden",
            "color:#fefefe;font-size:0",
        )
    )
    blocks = [
        _block(paragraph, table=table, button=button, colour=colour, hide=hide)
        for paragraph in paragraphs
    ]
    body = "\n".join(blocks)
    if "comments" in how:
        body = commented(draw, body)
    if table:
        width = style.one((560, 600, 640))
        body = (
            f'<table width="{width}" cellpadding="{style.one((0, 8, 16))}" cellspacing="0" '
            f'border="0" align="center" style="font-family:{font}">\n{body}\n</table>'
        )
    head = '<meta charset="utf-8">' if style.chance(0.4) else ""
    if style.chance(0.35):
        head += f"<style>a {{ color: #{colour} }} .c{draw.letters(3)} {{ margin: 0 }}</style>"
    page = (
        f'<body style="font-family:{font}" bgcolor="#{style.one(("ffffff", "f4f4f4", "fafafa"))}">'
    )
    tracked = ""
    if style.chance(0.45):
        tracked = (
            f'<img src="https://{style.letters(5)}.example/o/{draw.letters(18)}.gif" '
            'width="1" height="1" alt="">'
        )
    start = style.one(("<!DOCTYPE html>\n<html>", "<html>", "<HTML>"))
    return f"{start}<head>{head}</head>\n{page}\n{body}\n{tracked}</body></html>\n"


def _block(paragraph: Paragraph, *, table: bool, button: bool, colour: str, hide: str) -> str:
    role, text = paragraph
    found = _link.fullmatch(text)
    if role in {"link", "small"} and found:
        words = html.escape(found[1].strip(" :|")) or html.escape(found[2])
        look = (
            f"background:#{colour};color:#ffffff;padding:10px" if button and role == "link" else ""
        )
        inner = f'<a href="{html.escape(found[2])}"{_style(look)}>{words}</a>'
    else:
        inner = _url.sub(lambda found: f'<a href="{found[0]}">{found[0]}</a>', html.escape(text))
    if role == "quote":
        inner = f'<blockquote type="cite">{inner}</blockquote>'
    look = {"small": "font-size:11px;color:#777777", "hidden": hide}.get(role, "")
    if table:
        return f"<tr><td{_style(look)}>{inner}</td></tr>"
    return (
        f"<div{_style(look)}>{inner}</div>" if role == "hidden" else f"<p{_style(look)}>{inner}</p>"
    )


def _style(look: str) -> str:
    return f' style="{look}"' if look else ""
