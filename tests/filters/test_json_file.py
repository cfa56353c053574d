"""Small JSON files: what is no such file, and what an earlier process left."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from filters.json_file import parse_json, read_state, write_json


def ages(found: Mapping[str, Any]) -> dict[str, int]:
    return {name: int(entry["age"]) for name, entry in found.items()}


BROKEN = ["", "{", "[]", "1", '{"a": 1}', '{"a": {}}', '{"a": {"age": "x"}}', "[" * 100_000]


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_not_of_the_form_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        parse_json(text, ages)


@pytest.mark.parametrize("content", [*(text.encode() for text in BROKEN), b"\xff"])
def test_state_that_cannot_be_read_is_logged_and_begun_afresh(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    path = tmp_path / "ages.json"
    path.write_bytes(content)
    assert read_state(path, ages) is None
    (line,) = caplog.messages
    assert line.startswith(f"{path}: begun afresh: ")


def test_state_that_is_not_there_yet_is_no_news(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert read_state(tmp_path / "ages.json", ages) is None
    assert caplog.messages == []


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "ages.json"
    write_json(path, {"a": {"age": 3}})
    assert read_state(path, ages) == {"a": 3}
    with pytest.raises(TypeError):
        write_json(path, {"a": {"age": 4}, "b": object()})
    assert json.loads(path.read_text()) == {"a": {"age": 3}}
    assert list(tmp_path.iterdir()) == [path]
