"""Does mail leave, or does it wait? What `smtpctl show queue` lists."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from entrypoint.doctor.finding import Finding, Status, quote
from entrypoint.probe.smtp_queue import Envelope

SMTPCTL = ("/usr/sbin/smtpctl", "show", "queue")
SECONDS = 20.0
_LONG = 4 * 3600  # seconds; a server that defers new senders wants less
_MANY = 500


async def check_queue(now: float, command: Sequence[str] = SMTPCTL) -> Finding:
    """now: Unix time. command: what lists the queue."""
    try:
        listed = await _output(command)
        envelopes = [Envelope.parse(line) for line in listed.splitlines() if line]
    except (OSError, ValueError, IndexError) as error:
        why = (
            error.strerror or f"no answer within {SECONDS:g} s"
            if isinstance(error, OSError)
            else "what it prints cannot be read"
        )
        return _finding("fail", f"smtpctl: {why}", "`signpost start` must be running; see its log")
    return judge_queue(envelopes, now)


def judge_queue(envelopes: Sequence[Envelope], now: float) -> Finding:
    """One finding for everything that waits."""
    if not envelopes:
        return _finding("ok", "the queue is empty")
    age = max(0, int(now) - min(each.created for each in envelopes))
    # Only an attempt that failed leaves a reason.
    deferred = sorted((each for each in envelopes if each.reason), key=lambda each: each.created)
    detail = (
        f"{_many(len(envelopes), 'envelope')}, the oldest of {age // 3600}h{age % 3600 // 60:02}m, "
        f"{len(deferred)} deferred"
    )
    if deferred and now - deferred[0].created >= _LONG:
        return _finding(
            "warn",
            f"{detail}; {deferred[0].evpid} waits because of {quote(deferred[0].reason)}",
            "look with `signpost queue list`; `flush` in its place tries again, `remove` gives up",
        )
    if len(envelopes) >= _MANY:
        return _finding(
            "warn", detail, "look with `signpost queue list`: is this mail that you want to send?"
        )
    return _finding("ok", detail)


async def _output(command: Sequence[str]) -> str:
    """What a command prints. Raises OSError where it does not run, fails or does not end."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(SECONDS):
            printed, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        said = (errors or printed).decode("utf-8", "backslashreplace").strip()
        raise OSError(process.returncode, quote(said))
    return printed.decode("utf-8", "backslashreplace")


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _finding(status: Status, detail: str, cure: str = "") -> Finding:
    return Finding("queue", None, status, detail, cure)
