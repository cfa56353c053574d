"""Examples as files: one a message, and a list with what is known of each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from bench.junk.corpus.example import Example


def write(folder: Path, part: str, examples: Iterable[Example]) -> Path:
    """Write FOLDER/PART/*.eml and FOLDER/PART.jsonl, which is returned."""
    (folder / part).mkdir(parents=True, exist_ok=True)
    listed = folder / f"{part}.jsonl"
    with listed.open("w", encoding="utf-8") as lines:
        for example in examples:
            path = folder / part / f"{example.name}.eml"
            path.write_bytes(example.message)
            record = {
                "path": str(path),
                "label": "spam" if example.spam else "ham",
                "kind": example.kind,
                "topic": example.topic,
                "language": example.language,
                "facts": example.facts.record(),
            }
            lines.write(json.dumps(record, ensure_ascii=False) + "\n")
    return listed
