"""Answers on the control socket (`control_socket` says what). It must not know what is done."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from entrypoint.maintenance.control_socket import ANSWERED_WITHIN, SOCKET, Outcome, Request

_ASKED_WITHIN = 5.0  # seconds

Handler = Callable[[], Awaitable[Outcome]]


async def listen(
    handlers: Mapping[Request, Handler], path: Path = SOCKET
) -> asyncio.AbstractServer:
    """Answer on the socket from now on. Raises OSError."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_ASKED_WITHIN):
                asked = _asked(await reader.readline())
            outcome = await _outcome(handlers, asked)
            writer.write(json.dumps(asdict(outcome)).encode("ascii") + b"\n")
            async with asyncio.timeout(_ASKED_WITHIN):
                await writer.drain()
        except (OSError, TimeoutError, ValueError):
            pass  # who does not ask, or has gone
        finally:
            writer.close()

    return await asyncio.start_unix_server(answer, sock=_bound(path))


def _bound(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)  # of the process before
    bound, before = socket.socket(socket.AF_UNIX), os.umask(0o177)
    try:
        bound.bind(str(path))
    finally:
        os.umask(before)
    return bound


def _asked(line: bytes) -> str:
    content = json.loads(line)
    return str(content.get("request")) if isinstance(content, dict) else ""


async def _outcome(handlers: Mapping[Request, Handler], asked: str) -> Outcome:
    handler = handlers.get(asked)  # type: ignore[call-overload]  # any text
    if handler is None:
        return Outcome() if asked == "ping" else Outcome(False, (f"no such request: {asked}",))
    try:
        async with asyncio.timeout(ANSWERED_WITHIN):
            return await handler()  # type: ignore[no-any-return]
    except TimeoutError:
        return Outcome(False, (f"it takes longer than {ANSWERED_WITHIN:g} s",))
    except Exception as error:
        return Outcome(False, (f"{type(error).__name__}: {error}",))
