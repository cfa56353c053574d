"""Looking at the ports 80 and 443: does a web server answer, and with which certificate?

It only looks, as listeners.py does; web.py and served.py judge. It must not know settings.
"""

from __future__ import annotations

import ssl
from dataclasses import replace

from entrypoint.doctor.https_get import PageError, get
from entrypoint.doctor.listeners import Listener, Look, look_by_tls, reason

WEB = (Listener(80, implicit_tls=False), Listener(443, implicit_tls=True))


async def look_web(address: str, listener: Listener, host: str, trust: ssl.SSLContext) -> Look:
    """Connect once or twice. host: the name to ask for. trust: verifies chains, not names."""
    seen = Look(address, listener)

    async def connect(context: ssl.SSLContext) -> Look:
        return await _look(seen, host, context if listener.implicit_tls else None)

    return await look_by_tls(seen, connect, trust)


async def _look(seen: Look, host: str, context: ssl.SSLContext | None) -> Look:
    try:
        page = await get(seen.address, seen.listener.port, host, "/", context)
    except PageError as error:
        return replace(seen, error=reason(error))
    return replace(seen, greeting=f"HTTP {page.status}", certificate=page.certificate)
