"""One result of the doctor, and what all of them amount to.

A finding holds printable ASCII only, whoever wrote the text in it. It must not know any check.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, get_args

from entrypoint.text import aligned, counted, printable

Status = Literal["ok", "skipped", "warn", "fail"]

# From the best to the worst; what was not looked at is no worse than what is well.
STATUSES: tuple[Status, ...] = get_args(Status)
EXIT_STATUS: Mapping[Status, int] = {"ok": 0, "skipped": 0, "warn": 1, "fail": 2}

_LONGEST_DETAIL = 800  # characters
_LONGEST_QUOTE = 120


@dataclass(frozen=True)
class Finding:
    """What one check found.

    domain: whose it is, None for the host's own. cure: what to do, "" where nothing is to be done.
    subject: which one it is where a check has several findings for a domain (a port, an address).
    """

    check: str
    domain: str | None
    status: Status
    detail: str
    cure: str = ""
    subject: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail", _cut(_ascii(self.detail), _LONGEST_DETAIL))
        # Our own words and records: a key's record is long, and is to be pasted whole.
        object.__setattr__(self, "cure", _ascii(self.cure))

    def as_json(self) -> dict[str, str | None]:
        """The finding as `signpost doctor --json` has it."""
        return {
            "check": self.check,
            "domain": self.domain,
            "status": self.status,
            "detail": self.detail,
            "cure": self.cure,
        }


def worst(findings: Iterable[Finding]) -> Status:
    """The worst status among them; ok if there are none."""
    return max((each.status for each in findings), key=STATUSES.index, default="ok")


# The cure where a part of this server does not answer.
NOT_RUNNING = "start it with `docker compose up`; if it runs, its log says why"


def not_checked(check: str, domain: str | None, reason: str, subject: str = "") -> Finding:
    """DNS gave no answer, so nothing is known: no failure of this server's."""
    return Finding(
        check,
        domain,
        "warn",
        f"not checked: {reason}",
        "try again later; if it stays so, check DNS_SERVERS and the domain's name servers",
        subject,
    )


def skipped(
    check: str, domain: str | None, reason: str, cure: str = "", subject: str = ""
) -> Finding:
    """Not looked at: a setting turns it off, or it depends on what another finding tells."""
    return Finding(check, domain, "skipped", reason, cure, subject)


NO_ADDRESS = "no public address of this server is known"


def quote(text: str | bytes) -> str:
    """A stranger's text in double quotes, cut to a readable length."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    return f'"{_cut(_ascii(text), _LONGEST_QUOTE)}"'


def _ascii(text: str) -> str:
    return printable(text).encode("ascii", "backslashreplace").decode("ascii")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


_STATUS = max(map(len, STATUSES))
_TITLES = {"warn": "warning", "fail": "failure"}


@dataclass(frozen=True)
class Line:
    """mark: what is painted by status, "" where nothing is."""

    before: str
    mark: Status | None = None
    after: str = ""


def table(host: str, findings: Sequence[Finding]) -> Iterator[Line]:
    """host: MAIL_HOSTNAME, the title of what belongs to no domain."""
    wide = max((len(finding.check) for finding in findings), default=0)
    for owner, group in groupby(findings, key=lambda finding: finding.domain):
        yield Line(owner if owner is not None else f"{host} (this server)")
        for finding in group:
            line = aligned((finding.status, finding.check, finding.detail), (_STATUS, wide, 0))
            yield Line("  ", finding.status, line.removeprefix(finding.status))
            if finding.cure:
                yield Line(f"{' ' * (wide + _STATUS + 6)}-> {finding.cure}")
        yield Line("")
    found = {finding.status for finding in findings}
    counts = (_counted(findings, each) for each in STATUSES if each != "skipped" or each in found)
    yield Line(", ".join(counts))


def _counted(findings: Sequence[Finding], status: Status) -> str:
    count = sum(finding.status == status for finding in findings)
    return counted(count, _TITLES[status]) if status in _TITLES else f"{count} {status}"
