"""Does mail leave, or does it wait? What `smtpctl show queue` lists."""

from __future__ import annotations

from collections.abc import Sequence

from entrypoint import smtpctl
from entrypoint.doctor.finding import Finding, Status, quote
from entrypoint.text import counted, hours

_LONG = 4 * 3600  # seconds; a server that defers new senders wants less
_MANY = 500


async def check_queue(now: float, command: Sequence[str] = smtpctl.SMTPCTL) -> Finding:
    """now: Unix time. command: smtpctl, without its arguments."""
    try:
        return judge_queue(await smtpctl.show_queue(command), now)
    except smtpctl.SmtpctlError as error:
        return _finding("fail", str(error), "`signpost start` must be running; see its log")


def judge_queue(envelopes: Sequence[smtpctl.QueuedEnvelope], now: float) -> Finding:
    """One finding for everything that waits."""
    if not envelopes:
        return _finding("ok", "the queue is empty")
    oldest = min(each.created for each in envelopes)
    # Only an attempt that failed leaves a reason.
    deferred = sorted((each for each in envelopes if each.reason), key=lambda each: each.created)
    detail = (
        f"{counted(len(envelopes), 'envelope')}, "
        f"the oldest of {hours(int(now) - oldest)}, "
        f"{len(deferred)} deferred"
    )
    if deferred and now - deferred[0].created >= _LONG:
        return _finding(
            "warn",
            f"{detail}; {deferred[0].evpid} waits because of {quote(deferred[0].reason)}",
            "look with `signpost queue list`; `signpost queue flush` tries again, "
            "`signpost queue remove` gives up",
        )
    if len(envelopes) >= _MANY:
        return _finding(
            "warn", detail, "look with `signpost queue list`: is this mail that you want to send?"
        )
    return _finding("ok", detail)


def _finding(status: Status, detail: str, cure: str = "") -> Finding:
    return Finding("queue", None, status, detail, cure)
