"""smtpctl(8), which questions and controls the running smtpd, and the queue as it lists it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from entrypoint.text import printable

# smtpctl is set-gid, which a container may be denied (no-new-privileges): the group is taken here.
SMTPCTL = ("setpriv", "--regid", "opensmtpq", "--clear-groups", "/usr/sbin/smtpctl")
SECONDS = 20.0


class SmtpctlError(Exception):
    """smtpctl failed; the text begins with the command and says why, on one line."""


async def run(*arguments: str, command: Sequence[str] = SMTPCTL) -> str:
    """What smtpctl prints. Raises SmtpctlError where it fails, or does not end in time."""
    name = f"smtpctl {' '.join(arguments)}"
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise SmtpctlError(f"{name}: {command[0]}: {error.strerror}") from None
    try:
        async with asyncio.timeout(SECONDS):
            printed, errors = await process.communicate()
    except TimeoutError:
        raise SmtpctlError(f"{name}: no answer within {SECONDS:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        said = (errors or printed).decode("utf-8", "backslashreplace")
        why = printable(" ".join(said.split())) or f"exit status {process.returncode}"
        raise SmtpctlError(f"{name}: {why.removeprefix('smtpctl: ')}")
    return printed.decode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class QueuedEnvelope:
    """One line of `smtpctl show queue`: one recipient of one message."""

    evpid: str
    sender: str
    recipient: str
    created: int
    state: str
    reason: str

    @classmethod
    def parse(cls, line: str) -> QueuedEnvelope:
        """Fields by `|` as smtpctl(8) has them; the last may hold more of them."""
        fields = line.split("|", 13)
        return cls(fields[0], fields[4], fields[5], int(fields[7]), fields[11], fields[13])


async def show_queue(command: Sequence[str] = SMTPCTL) -> list[QueuedEnvelope]:
    """Every envelope in the queue. Raises SmtpctlError."""
    listing = await run("show", "queue", command=command)
    try:
        return [QueuedEnvelope.parse(line) for line in listing.splitlines() if line]
    except (ValueError, IndexError):
        raise SmtpctlError("smtpctl show queue: what it prints cannot be read") from None
