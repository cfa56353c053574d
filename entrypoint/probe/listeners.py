"""Looking at the ports 25, 465 and 587: who greets, and which certificate is served.

It only looks; ports.py and served.py judge. It must not know settings.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from entrypoint.config.ports import SMTP_PORTS
from entrypoint.probe.smtp_dialog import Dialog, DialogError, dialog

SECONDS = 10.0


@dataclass(frozen=True)
class Listener:
    """A port, and whether TLS begins with the first byte (RFC 8314 §3.3)."""

    port: int
    implicit_tls: bool


LISTENERS = tuple(Listener(port.number, port.implicit_tls) for port in SMTP_PORTS)


@dataclass(frozen=True)
class Look:
    """What there was to see at an address and a port.

    error: why there is no greeting. greeting: its text, a stranger's. certificate: DER, b"" where
    there is none, and then tls_error says why. distrust: why its chain does not verify.
    """

    address: str
    listener: Listener
    error: str = ""
    greeting: str = ""
    certificate: bytes = b""
    tls_error: str = ""
    distrust: str = ""


async def look(address: str, listener: Listener, host: str, trust: ssl.SSLContext) -> Look:
    """Connect once or twice. host: the name to ask for. trust: verifies chains, not names."""
    seen = await _look(address, listener, host, trust)
    if seen.distrust:
        seen = replace(await _look(address, listener, host, _blind()), distrust=seen.distrust)
    return seen


async def look_by_tls(
    seen: Look, connect: Callable[[ssl.SSLContext], Awaitable[Look]], trust: ssl.SSLContext
) -> Look:
    """What `connect` sees where TLS comes first; if the chain does not verify, it looks again."""
    try:
        async with asyncio.timeout(SECONDS):
            try:
                return await connect(trust)
            except ssl.SSLCertVerificationError as error:
                return replace(await connect(_blind()), distrust=error.verify_message)
    except TimeoutError:
        return replace(seen, error=f"no answer within {SECONDS:g} s")
    except OSError as error:
        return replace(seen, error=reason(error))


def trusting(cafile: str | None = None) -> ssl.SSLContext:
    """A context that verifies chains with the system's authorities, or with those of a file."""
    context = ssl.create_default_context(cafile=cafile)
    context.check_hostname = False
    return context


def _blind() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _look(address: str, listener: Listener, host: str, context: ssl.SSLContext) -> Look:
    seen = Look(address, listener)
    try:
        async with asyncio.timeout(SECONDS):
            return await (_implicit if listener.implicit_tls else _explicit)(seen, host, context)
    except TimeoutError:
        return replace(seen, error=f"no answer within {SECONDS:g} s")
    except (OSError, DialogError) as error:
        return replace(seen, error=reason(error))


async def _implicit(seen: Look, host: str, context: ssl.SSLContext) -> Look:
    try:
        async with dialog(seen.address, seen.listener.port, tls=context, name=host) as said:
            return replace(await _greeted(seen, said), certificate=said.certificate())
    except ssl.SSLCertVerificationError as error:
        return replace(seen, distrust=error.verify_message)


async def _explicit(seen: Look, host: str, context: ssl.SSLContext) -> Look:
    async with dialog(seen.address, seen.listener.port) as said:
        seen = await _greeted(seen, said)
        try:
            # RFC 3207 §4: STARTTLS is offered in the reply to EHLO.
            await said.say(f"EHLO {host}")
            await said.start_tls(context, host)
        except ssl.SSLCertVerificationError as error:
            return replace(seen, distrust=error.verify_message)
        except (OSError, DialogError) as error:
            return replace(seen, tls_error=reason(error))
        return replace(seen, certificate=said.certificate())


async def _greeted(seen: Look, said: Dialog) -> Look:
    greeting = await said.reply()
    if greeting.code != 220:
        raise DialogError(f"it greets with {greeting.code} {greeting.text}")
    return replace(seen, greeting=greeting.text)


def reason(error: Exception) -> str:
    """An error of the network in a few words."""
    if isinstance(error, ssl.SSLError):
        return f"TLS fails ({error.reason or 'no reason given'})"
    if isinstance(error, OSError):
        # Not strerror: asyncio puts an address there.
        return os.strerror(error.errno) if error.errno else str(error) or type(error).__name__
    return str(error)


IMAPS = Listener(993, implicit_tls=True)
_LONGEST = 8_192  # octets of a greeting


async def look_imaps(address: str, listener: Listener, host: str, trust: ssl.SSLContext) -> Look:
    """Connect once or twice. host: the name to ask for. trust: verifies chains, not names."""
    seen = Look(address, listener)
    return await look_by_tls(seen, lambda context: _look_imaps(seen, host, context), trust)


async def _look_imaps(seen: Look, host: str, context: ssl.SSLContext) -> Look:
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
