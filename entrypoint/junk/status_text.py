"""How an account's junk filter stands, in words, for `signpost junk status`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from entrypoint.disks import size
from entrypoint.junk.account_report import AccountReport
from entrypoint.junk.score import LEAST, THRESHOLD
from entrypoint.text import minute, printable, second

HEADINGS = ("ACCOUNT", "SPAM", "HAM", "STILL MISSING", "THRESHOLD", "RULES", "SIZE", "LAST LESSON")


def row(account: str, report: AccountReport) -> tuple[str, ...]:
    """One line of the table of all accounts."""
    learned = ("?", "?") if report.learned is None else tuple(map(str, report.learned))
    return (
        account,
        *learned,
        "broken" if report.troubles else _missing(report, ", ") or "nothing",
        threshold_text(report.threshold),
        str(len(report.rules)),
        size(report.words_size + report.other_size),
        "never" if report.last is None else f"{minute(report.last[0])} UTC",
    )


def details(account: str, report: AccountReport) -> Iterator[str]:
    """Everything of one account."""
    yield f"{account}: {learned_text(report)}"
    yield f"threshold: {threshold_text(report.threshold)}"
    if report.last is not None:
        at, cls, source = report.last
        yield f"last lesson: {minute(at)} UTC, {cls}, {printable(source)}"
    yield f"addresses written to: {report.written_to}"
    yield f"size: {size(report.words_size)} of words, {size(report.other_size)} of the rest"
    for sender, rule in report.rules:
        yield f"{rule}: {printable(sender)}"


def learned_text(report: AccountReport) -> str:
    """`12 spam and 40 ham learned; no verdict by words before 38 spam and 60 ham more`."""
    if report.learned is None:
        return "what was learned cannot be read, so there is no verdict by words"
    text = f"{report.learned.spam} spam and {report.learned.ham} ham learned"
    missing = _missing(report, " and ")
    return f"{text}; no verdict by words before {missing} more" if missing else text


def threshold_text(value: float | None) -> str:
    """`7`, or `5 (default)`."""
    return f"{THRESHOLD:g} (default)" if value is None else f"{value:g}"


def as_json(account: str, report: AccountReport) -> Mapping[str, Any]:
    """The same for programs."""
    last = None
    if report.last is not None:
        at, cls, source = report.last
        last = {"at": second(at), "class": cls, "source": source}
    return {
        "account": account,
        "spam": None if report.learned is None else report.learned.spam,
        "ham": None if report.learned is None else report.learned.ham,
        "words_count": report.learned is not None and not _missing(report, ""),
        "threshold": THRESHOLD if report.threshold is None else report.threshold,
        "rules": dict(report.rules),
        "written_to": report.written_to,
        "last_lesson": last,
        "words_bytes": report.words_size,
        "other_bytes": report.other_size,
        "troubles": report.troubles,
    }


def _missing(report: AccountReport, between: str) -> str:
    """`38 spam and 60 ham`; "" where there is enough."""
    return between.join(
        f"{least - have} {name}"
        for name, have, least in zip(("spam", "ham"), report.learned or (), LEAST, strict=False)
        if have < least
    )
