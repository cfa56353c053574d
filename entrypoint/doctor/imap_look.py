"""Looking at the port that mail programs read on, 993: who greets, and with which certificate.

It only looks, as listeners.py does; the same judge both.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace

from entrypoint.doctor.listeners import Listener, Look, look_by_tls

IMAPS = Listener(993, implicit_tls=True)
_LONGEST = 8_192  # octets of a greeting


async def look_imaps(address: str, listener: Listener, host: str, trust: ssl.SSLContext) -> Look:
    """Connect once or twice. host: the name to ask for. trust: verifies chains, not names."""
    seen = Look(address, listener)
    return await look_by_tls(seen, lambda context: _look(seen, host, context), trust)


async def _look(seen: Look, host: str, context: ssl.SSLContext) -> Look:
    reader, writer = await asyncio.open_connection(
        seen.address, seen.listener.port, limit=_LONGEST, ssl=context, server_hostname=host
    )
    try:
        # RFC 9051 §7.1: an untagged OK. A line that is too long is a ValueError.
        try:
            greeting = await reader.readline()
        except ValueError:
            greeting = b""
        if not greeting.startswith(b"* OK"):
            return replace(seen, error="no IMAP server")
        tls = writer.get_extra_info("ssl_object")
        certificate = tls.getpeercert(binary_form=True) or b""
        return replace(
            seen, greeting=greeting.decode("ascii", "backslashreplace"), certificate=certificate
        )
    finally:
        # Not close(): it would wait for the other side's end of TLS.
        writer.transport.abort()
