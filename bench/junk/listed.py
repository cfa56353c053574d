"""A message of a corpus that lies in a file, with what is known of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple


class Listed(NamedTuple):
    """A line of train.jsonl or test.jsonl."""

    path: Path
    spam: bool
    kind: str
    facts: dict[str, object]  # empty where nothing but the message is known
    line: str

    @classmethod
    def read(cls, listed: Path) -> list[Listed]:
        """Every message of a list."""
        return [
            cls(
                Path(record["path"]),
                record["label"] == "spam",
                record["kind"],
                record["facts"],
                line,
            )
            for line in listed.read_text("utf-8").splitlines()
            for record in [json.loads(line)]
        ]
