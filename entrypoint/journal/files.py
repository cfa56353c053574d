"""The journal's files: `2026-11-27-00.jsonl`, one JSON object a line, in days of UTC.

A day has more than one file where it has much mail, so that what is oldest can go first when all of
them take as much as they may. Several programs append to the same file.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from entrypoint.paths import DATA

JOURNAL = DATA / "journal"
# Bytes. A message takes about 2,000.
MOST_BYTES = 256 * 1024**2
FILE_BYTES = MOST_BYTES // 16

_NAME = re.compile(r"(\d{4}-\d\d-\d\d)-(\d{2,4})\.jsonl")


def journal_files(folder: Path = JOURNAL) -> list[Path]:
    """All of them, the oldest first."""
    try:
        names = [each.name for each in folder.iterdir()]
    except OSError:
        return []
    return [folder / name for name in sorted(filter(_NAME.fullmatch, names), key=_place)]


def _place(name: str) -> tuple[str, int]:
    match = _NAME.fullmatch(name)
    assert match is not None  # noqa: S101 -- the callers look first
    return match[1], int(match[2])


def current_file(folder: Path, now: float, file_bytes: int = FILE_BYTES) -> Path:
    """Where to append now."""
    today = _day(now)
    last = next((each for each in reversed(journal_files(folder)) if each.name[:10] == today), None)
    if last is None:
        return folder / f"{today}-00.jsonl"
    with contextlib.suppress(OSError):
        if last.stat().st_size >= file_bytes:
            return folder / f"{today}-{_place(last.name)[1] + 1:02}.jsonl"
    return last


def is_of_today(path: Path, now: float) -> bool:
    """Whether the day of the file has not ended yet."""
    return path.name[:10] == _day(now)


def sweep(folder: Path, days: int, now: float, most_bytes: int = MOST_BYTES) -> None:
    """Remove what is older than so many days (0: everything), and the oldest of too much."""
    files = journal_files(folder)
    first = _day(now - timedelta(days=days - 1).total_seconds()) if days else "9999"
    too_old = [each for each in files if each.name[:10] < first]
    left = files[len(too_old) :]
    sizes = dict(_sizes(left))
    total = sum(sizes.values())
    for each in left[:-1]:
        if total <= most_bytes:
            break
        total -= sizes.get(each, 0)
        too_old.append(each)
    for each in too_old:
        with contextlib.suppress(OSError):
            each.unlink()


def _sizes(files: list[Path]) -> Iterator[tuple[Path, int]]:
    for each in files:
        with contextlib.suppress(OSError):
            yield each, each.stat().st_size


def _day(now: float) -> str:
    return f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d}"
