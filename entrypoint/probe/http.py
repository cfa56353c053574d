"""A small HTTP client: one GET of one address, in TLS or not, with everything bounded.

Time is for the caller to bound (asyncio.timeout). It follows no redirect, and must not know what
is looked for.
"""

from __future__ import annotations

import asyncio
import io
import ssl
from dataclasses import dataclass

from entrypoint.probe.tls_contexts import shown_chain

_MOST = 65_536  # octets of head and body
_BEGIN = b"HTTP/"


class PageError(Exception):
    """What the other side says is no HTTP; the text says why."""


@dataclass(frozen=True)
class Page:
    """type: the media type without its parameters. chain: DER, the server's own certificate
    first, none without TLS.
    """

    status: int
    type: str
    body: bytes
    chain: tuple[bytes, ...] = ()

    @property
    def certificate(self) -> bytes:
        """The server's own, DER, b"" without TLS."""
        return self.chain[0] if self.chain else b""


async def get(
    address: str, port: int, name: str, path: str, tls: ssl.SSLContext | None = None
) -> Page:
    """Ask an address for a path under a name. Raises PageError, OSError or ssl.SSLError."""
    reader, writer = await asyncio.open_connection(
        address, port, ssl=tls, server_hostname=name if tls else None
    )
    try:
        shown = shown_chain(writer.get_extra_info("ssl_object"))
        lines = (f"GET {path} HTTP/1.1", f"Host: {name}", "Connection: close", "", "")
        writer.write("\r\n".join(lines).encode("ascii"))
        await writer.drain()
        said = bytearray()
        while len(said) < _MOST and (more := await reader.read(_MOST - len(said))):
            said += more
            if not said.startswith(_BEGIN[: len(said)]):
                raise PageError("no HTTP server")  # it may wait for more
        return _parsed(bytes(said), shown)
    finally:
        # Not close(): it would wait for the other side's end of TLS.
        writer.transport.abort()


class _Heard:
    """What http.client takes for a socket."""

    def __init__(self, said: bytes) -> None:
        self._said = said

    def makefile(self, *_: object) -> io.BytesIO:
        return io.BytesIO(self._said)


def _parsed(said: bytes, chain: tuple[bytes, ...]) -> Page:
    # Here, because it brings the mail parser with it: maintenance looks at ports, and asks no page.
    import http.client

    answer = http.client.HTTPResponse(_Heard(said))  # type: ignore[arg-type]
    try:
        answer.begin()
        body = answer.read()
    except (http.client.HTTPException, ValueError, OSError):
        raise PageError("no HTTP server" if said else "the connection was closed") from None
    return Page(answer.status, answer.headers.get_content_type(), body, chain)
