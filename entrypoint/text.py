"""Words for a person: strangers' text made harmless, lists, counts, dates and tables.

It must not know what a text is about, nor where it is shown.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime


def printable(text: str) -> str:
    r"""A stranger's text on one line; what does not print is escaped (`\x1b`, `\n`, `\u202e`).

    That covers control characters of both sets (C0, C1), bidirectional overrides, invisible
    format characters, line separators and lone surrogates. Letters of every script stay.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def printable_lines(text: str) -> str:
    """The same of a text of several lines; line feeds and tabs stay.

    Every command prints so what strangers wrote, to a pipe, too: behind `| head` or `docker exec`
    there is a terminal again, which cannot be seen from here.
    """
    return "\n".join(
        "\t".join(printable(part) for part in line.split("\t")) for line in text.split("\n")
    )


def listed(items: Iterable[object], last: str = "and") -> str:
    """`a, b and c`; "" for none. last: the word before the last one."""
    *most, end = [str(item) for item in items] or [""]
    return f"{', '.join(most)} {last} {end}" if most else end


def counted(count: int, noun: str) -> str:
    """`1 message`, `2 messages`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def day(moment: float) -> str:
    """`2026-11-25`: the day of a Unix time, in UTC."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d}"


def minute(moment: float) -> str:
    """`2026-11-25 08:20`: the minute of a Unix time, in UTC."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M}"


def second(moment: float) -> str:
    """`2026-11-25T08:20:40Z`: a Unix time as files and programs have it."""
    return datetime.fromtimestamp(int(moment), UTC).isoformat().replace("+00:00", "Z")


def hours(seconds: float) -> str:
    """`5h01m`; `0h00m` for less than nothing."""
    whole = max(0, int(seconds))
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"


def table(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> Iterator[str]:
    """Lines of aligned columns. The rows are of one length; the first has the headings.

    right: the numbers of the columns whose cells stand at the right.
    """
    widths = [max(map(columns, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield aligned(row, widths, right)


def aligned(cells: Sequence[str], widths: Sequence[int], right: Collection[int] = ()) -> str:
    """One line of a table, where the widths are known."""
    padded = []
    for number, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        space = " " * (width - columns(cell))
        padded.append(space + cell if number in right else cell + space)
    return "  ".join(padded).rstrip()


def columns(text: str) -> int:
    """Columns on a terminal: Chinese letters take two, combining marks none (UAX #11)."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )
