"""`signpost verify --batch`: a request a line in, a verdict a line out, in the same order.

Each verdict is written as soon as it and all before it are there, so that a program may wait for
one before it asks the next. Nothing on a line can end the process or spoil another line.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any, BinaryIO

from entrypoint.verify.answer import Verification as Verification
from entrypoint.verify.answer import as_json
from entrypoint.verify.question import QuestionError, read

# Lines in hand at one time: those that wait for DNS do not hold up the others.
_AT_ONCE = 16
# Bytes; a message of 70 MB as Base64.
_LONGEST_LINE = 100 * 1024**2

log = logging.getLogger(__name__)


async def run_batch(verification: Verification, requests: BinaryIO, verdicts: BinaryIO) -> None:
    """Answer every line until the end of the requests. Raises OSError where nobody reads."""
    waiting: asyncio.Queue[asyncio.Task[bytes] | None] = asyncio.Queue(_AT_ONCE)

    async def begin() -> None:
        async for line in _lines(requests):
            await waiting.put(asyncio.create_task(_answer(verification, line)))
        await waiting.put(None)

    async def write() -> None:
        while (task := await waiting.get()) is not None:
            verdicts.write(await task)
            verdicts.flush()

    await asyncio.gather(begin(), write())


async def _lines(requests: BinaryIO) -> AsyncIterator[bytes | None]:
    """The lines with anything on them; None for one that is too long."""
    while line := await asyncio.to_thread(requests.readline, _LONGEST_LINE):
        whole: bytes | None = line
        while line and not line.endswith(b"\n"):
            line = await asyncio.to_thread(requests.readline, _LONGEST_LINE)
            whole = whole if not line else None
        if whole is None or whole.strip():
            yield whole


async def _answer(verification: Verification, line: bytes | None) -> bytes:
    identity: object = None
    try:
        if line is None:
            raise QuestionError(f"the line has more than {_LONGEST_LINE} bytes; send it by itself")
        try:
            request = json.loads(line, parse_constant=_no_number)
        except ValueError as error:
            raise QuestionError(f"the line is no JSON: {error}") from error
        identity = request.get("id") if isinstance(request, dict) else None
        question = read(request)
        return _json({"id": identity, **as_json(question, *await verification.verify(question))})
    except QuestionError as error:
        return _json({"id": identity, "error": str(error)})
    except Exception as error:  # RecursionError and MemoryError among them
        log.error("a line could not be verified (%s)", type(error).__name__)
        return _json({"id": identity, "error": f"it could not be verified: {type(error).__name__}"})


def _no_number(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")


def _json(answer: dict[str, Any]) -> bytes:
    # ASCII only: what a stranger wrote cannot break a line or an encoding.
    return json.dumps(answer).encode("ascii") + b"\n"
