"""The only sockets of the web service: one request a connection, and everything bounded.

Who is slow meets a deadline, and where all places are taken the connection that has waited longest
gives way: a real client needs milliseconds. It must not know what is served.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from entrypoint.web.http import (
    MOST_HEAD,
    HttpRequest,
    HttpResponse,
    RequestRefusedError,
    parse_head,
    plain,
    serialise,
)

log = logging.getLogger(__name__)

_PAUSE = 1.0  # seconds, where no connection can be accepted (no file descriptors)


@dataclass(frozen=True)
class Limits:
    """connections: on all ports together. seconds: for a whole connection, the handshake too.
    farewell: of these, for the client to end TLS properly.
    """

    connections: int = 64
    seconds: float = 10.0
    farewell: float = 1.0


class Server:
    """respond: Request → Response; whatever it raises is a 500. certificate: the context of now."""

    def __init__(
        self,
        respond: Callable[[HttpRequest], HttpResponse],
        certificate: Callable[[], ssl.SSLContext],
        limits: Limits | None = None,
    ) -> None:
        self._respond = respond
        self._certificate = certificate
        self._limits = limits or Limits()
        self._open: dict[asyncio.Task[None], None] = {}  # the oldest first

    async def serve(self, listener: socket.socket, *, secure: bool) -> None:
        """Accept connections for ever. `listener` listens already."""
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(listener)
            except OSError as error:
                log.warning("no connection can be accepted: %s", error.strerror)
                await asyncio.sleep(_PAUSE)
                continue
            if len(self._open) >= self._limits.connections:
                oldest = next(iter(self._open))
                del self._open[oldest]
                oldest.cancel()
            task = loop.create_task(self._connection(accepted, secure))
            self._open[task] = None
            task.add_done_callback(lambda done: self._open.pop(done, None))
            # Where more wait, the next one is accepted at once: the others need a turn, too.
            await asyncio.sleep(0)

    async def _connection(self, accepted: socket.socket, secure: bool) -> None:
        transport: asyncio.Transport | None = None
        try:
            async with asyncio.timeout(self._limits.seconds):
                # asyncio does so for sockets that know their protocol; accepted ones do not.
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                reader = asyncio.StreamReader(limit=MOST_HEAD)
                protocol = asyncio.StreamReaderProtocol(reader)
                transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: protocol,
                    accepted,
                    ssl=self._certificate() if secure else None,
                    ssl_handshake_timeout=self._limits.seconds if secure else None,
                    ssl_shutdown_timeout=self._limits.farewell if secure else None,
                )
                writer = asyncio.StreamWriter(
                    transport, protocol, reader, asyncio.get_running_loop()
                )
                await self._exchange(reader, writer, secure)
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError, EOFError) as error:  # ssl's errors are OSErrors
            log.debug("a connection came to nothing: %s", type(error).__name__)
        except Exception as error:
            log.error("a connection failed: %s", type(error).__name__)
        finally:
            if transport is not None:  # else it was never made, or asyncio has closed it
                transport.abort()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, secure: bool
    ) -> None:
        head_only = False
        try:
            request = await _read(reader, writer, secure)
            head_only = request.method == "HEAD"
            response = self._answer(request)
        except RequestRefusedError as error:
            log.debug("refused: %d", error.response.status)
            writer.write(serialise(error.response))
        else:
            writer.write(serialise(response, head_only=head_only))
        await writer.drain()

    def _answer(self, request: HttpRequest) -> HttpResponse:
        try:
            response = self._respond(request)
        except Exception as error:
            log.error("no answer to a request: %s", type(error).__name__)
            response = plain(500)
        # The query and the body may hold an address, so they are never logged.
        log.debug("%s %s: %d", request.method, request.path, response.status)
        return response


async def _read(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, secure: bool
) -> HttpRequest:
    """A whole request. Raises RefusedError, or EOFError where the client goes away."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise RequestRefusedError(431) from None
    head = parse_head(raw, secure)
    if not head.length:
        return head.request
    if head.expects:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await reader.readexactly(head.length)
    asked = head.request
    return HttpRequest(asked.method, asked.host, asked.path, asked.query, body, asked.secure)
