"""A report as Markdown: what became of the messages, and what each fault looked like."""

from __future__ import annotations

import os
import platform
import re
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Sequence

from .faults import FAULTS
from .ledger import COLUMNS
from .report import Event, Report

_LONGEST = 100


def markdown(report: Report) -> str:
    """All of it."""
    return "\n".join(
        [
            *_heading(report),
            "",
            *_rows(("Route", *COLUMNS), _fates(report)),
            "",
            *_rows(("Beside it", ""), _beside(report)),
            "",
            *_rows(
                (
                    "Fault",
                    "Times",
                    "Lasted (s)",
                    "Mail again after (s)",
                    "`health` said",
                    "Clients saw",
                ),
                _faults(report.events),
            ),
            "",
            *_verdict(report),
            "",
        ]
    )


def _heading(report: Report) -> list[str]:
    day = time.strftime("%Y-%m-%d", time.gmtime())
    return [
        f"{report.messages:,} messages and {len(report.events)} faults in "
        f"{report.seconds / 60:.1f} minutes, {day}, seed {report.seed}, {os.cpu_count()} cores of "
        f"{platform.machine()}, Linux {platform.release().split('-')[0]}; volumes in memory.",
    ]


def _fates(report: Report) -> Iterable[Sequence[object]]:
    for route, row in sorted(report.tally.counts.items()):
        yield (route, *(f"{row[name]:,}" for name in COLUMNS))
    yield ("**all**", *(f"**{report.tally.total(name):,}**" for name in COLUMNS))


def _beside(report: Report) -> Iterable[Sequence[object]]:
    logins = ", ".join(f"{count:,} {what}" for what, count in report.logins.most_common())
    yield "logins with the right password", logins
    yield "tries whose data had no answer", f"{report.doubts:,}"
    yield "messages that were refused for good", f"{len(report.refused_for_good):,}"
    yield "messages that were never accepted", f"{report.unaccepted:,}"
    gone = report.tally.gone
    whole = sum(done and not missing - gone for done, _, missing, _ in report.backups)
    yield (
        "backups meanwhile",
        f"{len(report.backups)}, {whole} of them whole, with all that was accepted before",
    )
    yield "the queue was empty after", f"{report.drained:.0f} s"
    yield "lines of the log (JSON)", f"{report.log_lines:,}"


def _faults(events: Sequence[Event]) -> Iterable[Sequence[object]]:
    for fault in FAULTS:
        mine = [event for event in events if event.fault is fault]
        if not mine:
            continue
        lasted = [event.interval.end - event.interval.begin for event in mine]
        recovered = [event.recovery for event in mine if event.recovery is not None]
        yield (
            fault.name,
            len(mine),
            f"{min(lasted):.0f} to {max(lasted):.0f}",
            f"{statistics.median(recovered):.1f}, at most {max(recovered):.1f}"
            if recovered
            else "-",
            _common(event.health for event in mine),
            _common(event.seen for event in mine) or "nothing",
        )


def _common(counters: Iterable[Counter[str]]) -> str:
    total: Counter[str] = Counter()
    for counter in counters:
        for text, count in counter.items():
            total[_plain(text)] += count
    return "<br>".join(f"{_cell(text)} ({count:,})" for text, count in total.most_common(4))


def _plain(text: str) -> str:
    """Without what is another each time."""
    text = re.sub(r"\[\d{4}-\d\d-\d\d \S+\] \(.*?secs\)\.?", "", text)
    text = re.sub(r"(?<![\w.])[0-9a-f]{8,}\b|\d+(\.\d+)? (s|MiB|seconds?)\b|\b\d{5,}\b", "…", text)
    text = re.sub(r"(smtpctl show queue:).*", r"\1 …", text)
    return " ".join(text.split())


def _cell(text: str) -> str:
    text = text.replace("|", "\\|").replace("<", "&lt;")
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _verdict(report: Report) -> list[str]:
    problems = report.problems()
    if not problems:
        return ["Nothing lost, nothing in part, nothing doubled that SMTP could know."]
    return [
        f"**{len(problems)} problems**",
        "",
        *(f"- {_cell_long(each)}" for each in problems[:50]),
    ]


def _cell_long(text: str) -> str:
    return text if len(text) <= 600 else text[:599] + "…"


def _rows(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(map(str, row))} |" for row in rows),
    ]
