"""Tables, times and counts as a person reads them."""

from __future__ import annotations

import pytest

from entrypoint.text import aligned, columns, counted, day, hours, minute, second, table


def test_columns_are_aligned_and_lines_have_no_spaces_at_their_end() -> None:
    rows = [("NAME", "COUNT", "NOTE"), ("a", "7", ""), ("longer", "1000", "x")]
    assert list(table(rows)) == ["NAME    COUNT  NOTE", "a       7", "longer  1000   x"]
    assert list(table(rows, right=(1,)))[1:] == ["a           7", "longer   1000  x"]
    assert list(table([])) == []


def test_columns_are_those_of_a_terminal() -> None:
    assert [columns(text) for text in ("abc", "é", "日本", "e\u0301")] == [3, 1, 4, 1]
    assert list(table([("日本", "x"), ("abcd", "y")])) == ["日本  x", "abcd  y"]


def test_a_line_whose_widths_are_known() -> None:
    assert aligned(("ok", "dns", "a long detail"), (4, 5, 0)) == "ok    dns    a long detail"


def test_times_are_in_utc() -> None:
    moment = 1764058840.9
    assert day(moment) == "2025-11-25"
    assert minute(moment) == "2025-11-25 08:20"
    assert second(moment) == "2025-11-25T08:20:40Z"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0h00m"), (-5, "0h00m"), (59, "0h00m"), (18_061, "5h01m")]
)
def test_hours(seconds: float, text: str) -> None:
    assert hours(seconds) == text


def test_counts() -> None:
    assert [counted(count, "message") for count in (0, 1, 2)] == [
        "0 messages",
        "1 message",
        "2 messages",
    ]
