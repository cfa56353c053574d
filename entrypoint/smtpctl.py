"""smtpctl(8), which questions and controls the running smtpd, and the queue as it lists it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from entrypoint.text import printable

# smtpd's control socket is for this group; root takes it.
SMTPCTL = ("setpriv", "--regid", "opensmtpq", "--clear-groups", "/usr/sbin/smtpctl")
SECONDS = 20.0
_END = 1.0  # seconds, for one that was killed


class SmtpctlError(Exception):
    """smtpctl failed; the text begins with the command and says why, on one line."""


class SmtpctlRefusedError(SmtpctlError):
    """It came to an end, with a status that says that it failed."""


async def run(*arguments: str, command: Sequence[str] = SMTPCTL, seconds: float = SECONDS) -> str:
    """What smtpctl prints; strangers wrote most of it.

    Raises SmtpctlError where it fails, or does not end in time.
    """
    printed = await output(*arguments, command=command, seconds=seconds)
    return printed.decode("utf-8", "backslashreplace")


async def output(
    *arguments: str, command: Sequence[str] = SMTPCTL, seconds: float = SECONDS
) -> bytes:
    """The same, byte by byte."""
    async with _started(command, arguments) as process:
        try:
            async with asyncio.timeout(seconds):
                printed, errors = await process.communicate()
        except TimeoutError:
            raise SmtpctlError(f"{_name(arguments)}: no answer within {seconds:g} s") from None
        if process.returncode:
            raise _refusal(arguments, errors, printed, process.returncode)
        return printed


async def lines_of(*arguments: str, command: Sequence[str] = SMTPCTL) -> AsyncGenerator[str, None]:
    """The lines that smtpctl prints, as they come; time is for the caller to bound.

    Raises SmtpctlError where it fails.
    """
    async with _started(command, arguments) as process:
        assert process.stdout is not None and process.stderr is not None  # noqa: S101, PT018 -- PIPE
        last = b""
        async for last in process.stdout:
            yield last.decode("utf-8", "backslashreplace").rstrip("\n")
        errors = await process.stderr.read()
        if status := await process.wait():
            raise _refusal(arguments, errors, last, status)


@asynccontextmanager
async def _started(
    command: Sequence[str], arguments: Sequence[str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise SmtpctlError(f"{_name(arguments)}: {command[0]}: {error.strerror}") from None
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            # One that the kernel holds up is not waited for.
            with suppress(TimeoutError):
                async with asyncio.timeout(_END):
                    await process.wait()


def _name(arguments: Sequence[str]) -> str:
    return f"smtpctl {' '.join(arguments)}"


def _refusal(
    arguments: Sequence[str], errors: bytes, printed: bytes, status: int
) -> SmtpctlRefusedError:
    """What it printed says why, unless that is the queue, which smtpd's end cuts off."""
    said = errors or (b"" if b"|" in printed else printed)
    text = printable(" ".join(said.decode("utf-8", "backslashreplace").split()))
    why = text.removeprefix("smtpctl: ") or f"exit status {status}"
    return SmtpctlRefusedError(f"{_name(arguments)}: {why}")


NOT_RUNNING = "smtpd does not run in this container"


def in_words(error: SmtpctlError) -> str:
    """What a person is told of it who asked about the queue."""
    text = str(error)
    # Where smtpd does not run, smtpctl looks at the spool by itself, and there may be none yet.
    if "seem to be running" in text or "No such file" in text:
        return NOT_RUNNING
    if "no answer within" in text:
        return f"smtpd does not answer: {text.rpartition(': ')[2]}"
    return f"the queue cannot be read: {text.partition(': ')[2]}"


# Evpid, source, agent and flags; three addresses, whose local parts may hold a bar; created,
# expires, last try and tries; the state with its seconds, which are not there where it is offline;
# and the reason, which may hold bars, too.
_LISTED = re.compile(
    r"([^|]*)\|[^|]*\|([^|]*)\|[^|]*"
    r"\|(.*?@[^|]*)\|(.*?@[^|]*)\|.*?"
    r"\|(\d+)\|\d+\|\d+\|\d+"
    r"\|([a-z]+)\|(-?\d*)\|(.*)"
)


@dataclass(frozen=True)
class QueuedEnvelope:
    """One line of `smtpctl show queue`: one recipient of one message.

    agent: mda for a local delivery, mta for one elsewhere, bounce. seconds: until the next try of
    one that is pending; since the try of one that is inflight.
    """

    evpid: str
    agent: str
    sender: str
    recipient: str
    created: int
    state: str
    seconds: int
    reason: str

    @classmethod
    def parse(cls, line: str) -> QueuedEnvelope:
        """The 14 fields that smtpctl(8) prints, with `|` between. Raises ValueError."""
        if (found := _LISTED.fullmatch(line)) is None:
            raise ValueError("no envelope")
        evpid, agent, sender, recipient, created, state, seconds, reason = found.groups()
        return cls(evpid, agent, sender, recipient, int(created), state, int(seconds or 0), reason)


def envelopes_of(listing: str) -> Iterator[QueuedEnvelope]:
    """Every envelope that `smtpctl show queue` has printed. Raises SmtpctlError."""
    try:
        for line in listing.split("\n"):
            if line:
                yield QueuedEnvelope.parse(line)
    except ValueError:
        raise SmtpctlError("smtpctl show queue: what smtpctl prints is no listing") from None


async def show_queue(command: Sequence[str] = SMTPCTL) -> list[QueuedEnvelope]:
    """Every envelope in the queue. Raises SmtpctlError."""
    return list(envelopes_of(await run("show", "queue", command=command)))
