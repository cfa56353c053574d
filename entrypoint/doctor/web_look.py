"""Looking at the ports 80 and 443: does a web server answer, and with which certificate?

It only looks, as listeners.py does; web.py and served.py judge. It must not know settings.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace

from entrypoint.doctor.https_get import PageError, get
from entrypoint.doctor.listeners import SECONDS, Listener, Look, reason

WEB = (Listener(80, implicit_tls=False), Listener(443, implicit_tls=True))


async def look_web(address: str, listener: Listener, host: str, trust: ssl.SSLContext) -> Look:
    """Connect once or twice. host: the name to ask for. trust: verifies chains, not names."""
    seen = Look(address, listener)
    try:
        async with asyncio.timeout(SECONDS):
            try:
                return await _look(seen, host, trust if listener.implicit_tls else None)
            except ssl.SSLCertVerificationError as error:
                blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                blind.check_hostname = False
                blind.verify_mode = ssl.CERT_NONE
                return replace(await _look(seen, host, blind), distrust=error.verify_message)
    except TimeoutError:
        return replace(seen, error=f"no answer within {SECONDS:g} s")
    except (OSError, PageError) as error:
        return replace(seen, error=reason(error))


async def _look(seen: Look, host: str, context: ssl.SSLContext | None) -> Look:
    page = await get(seen.address, seen.listener.port, host, "/", context)
    return replace(seen, greeting=f"HTTP {page.status}", certificate=page.certificate)
