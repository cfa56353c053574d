"""How an account's junk filter stands: what it has learned, its rules and threshold, its trouble.

Whatever cannot be read is said in the report, and the rest is there. Nothing is made or changed.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path

from entrypoint.disks import explained
from entrypoint.junk.account_state import FOLDER, AccountState, StateError, open_existing
from entrypoint.junk.words import (
    WORDLIST,
    MessageCounts,
    WordsError,
    check_not_lost,
    message_counts,
)

_NONE = MessageCounts(0, 0)


@dataclass
class AccountReport:
    """learned: messages by class; None where they cannot be read.

    rules: addresses and domains, each `allow` or `block`.
    last: when the last lesson was taken (Unix time), its class, and what it was learned from.
    words_size, other_size: bytes on the disk. troubles: what is broken, one line each.
    """

    learned: MessageCounts | None = _NONE
    threshold: float | None = None
    rules: list[tuple[str, str]] = field(default_factory=list)
    written_to: int = 0
    last: tuple[int, str, str] | None = None
    words_size: int = 0
    other_size: int = 0
    troubles: list[str] = field(default_factory=list)


def account_report(home: Path) -> AccountReport:
    """Of the account whose home this is. Nothing is raised."""
    report = AccountReport()
    folder = home / FOLDER
    try:
        report.learned = message_counts(home)
    except WordsError as error:
        report.learned = None
        report.troubles.append(str(error))
    try:
        if (state := open_existing(home)) is not None:
            with contextlib.closing(state):
                _read_state(report, state)
                if report.learned is not None:
                    check_not_lost(home, report.learned, state.counts().total)
    except WordsError as error:
        report.learned = None
        report.troubles.append(str(error))
    except StateError as error:
        report.troubles.append(str(error))
    try:
        for path in folder.iterdir() if folder.is_dir() else ():
            with contextlib.suppress(FileNotFoundError):
                taken = path.lstat().st_size
                if path.name.startswith(WORDLIST):
                    report.words_size += taken
                else:
                    report.other_size += taken
    except OSError as error:
        report.troubles.append(explained(error))
    return report


def _read_state(report: AccountReport, state: AccountState) -> None:
    report.threshold = state.threshold()
    report.rules = state.sender_rules()
    ((report.written_to,),) = state.rows("SELECT count(*) FROM written_to")
    for at, cls, source in state.rows(
        "SELECT at, class, source FROM lessons ORDER BY rowid DESC LIMIT 1"
    ):
        report.last = int(at), cls, source
