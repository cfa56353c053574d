"""Looking at a port: who greets there, and which certificate it shows, in each protocol.

It only looks: entrypoint.doctor judges what was seen. It must not know settings.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace

from entrypoint.config.ports import Port, Protocol
from entrypoint.probe.dialog import Dialog, DialogError, dialog, reason
from entrypoint.probe.greetings import GREETINGS
from entrypoint.probe.http import PageError, get
from entrypoint.probe.tls_contexts import unverified

SECONDS = 10.0  # for one connection

# What asks for TLS, how the line that answers begins, and how it does where TLS may begin:
# RFC 9051 §6.2.1 (which may have other lines before it), RFC 2595 §4, RFC 5804 §1.7.
_STARTTLS: Mapping[Protocol, tuple[str, str, str]] = {
    "imap": ("a STARTTLS", "a ", "a OK"),
    "pop3": ("STLS", "", "+OK"),
    "sieve": ("STARTTLS", "", "OK"),
}


@dataclass(frozen=True)
class Look:
    """What there was to see at an address and a port.

    error: why there is no greeting. greeting: its text, a stranger's. chain: DER, the server's own
    certificate first; none where there is no TLS, and then tls_error says why. distrust: why the
    chain does not verify, and distrust_code: X509_V_ERR_… of that.
    """

    address: str
    port: Port
    error: str = ""
    greeting: str = ""
    chain: tuple[bytes, ...] = ()
    tls_error: str = ""
    distrust: str = ""
    distrust_code: int = 0

    @property
    def certificate(self) -> bytes:
        """The server's own, DER, b"" where there is none."""
        return self.chain[0] if self.chain else b""


async def look(address: str, port: Port, host: str, trust: ssl.SSLContext) -> Look:
    """Connect once or twice. host: the name to ask for. trust: verifies chains, not names."""
    seen = Look(address, port)
    try:
        return await _bounded(seen, host, trust)
    except ssl.SSLCertVerificationError as error:
        seen = await _bounded(seen, host, unverified())
        return replace(seen, distrust=error.verify_message, distrust_code=error.verify_code)


async def _bounded(seen: Look, host: str, context: ssl.SSLContext) -> Look:
    """Raises ssl.SSLCertVerificationError."""
    try:
        async with asyncio.timeout(SECONDS):
            return await (_look_http if seen.port.protocol == "http" else _look)(
                seen, host, context
            )
    except ssl.SSLCertVerificationError:
        raise
    except TimeoutError:
        return replace(seen, error=f"no answer within {SECONDS:g} s")
    except (OSError, DialogError, PageError) as error:
        return replace(seen, error=reason(error))


async def _look(seen: Look, host: str, context: ssl.SSLContext) -> Look:
    async with _connected(seen.address, seen.port, host, context) as said:
        seen = replace(seen, greeting=await greeting(said, seen.port.protocol))
        if not seen.port.implicit_tls:
            try:
                await _start_tls(said, seen.port.protocol, host, context)
            except ssl.SSLCertVerificationError:
                raise
            except (OSError, DialogError) as error:
                return replace(seen, tls_error=reason(error))
        return replace(seen, chain=said.chain())


async def _look_http(seen: Look, host: str, context: ssl.SSLContext) -> Look:
    tls = context if seen.port.implicit_tls else None
    page = await get(seen.address, seen.port.number, host, "/", tls)
    return replace(seen, greeting=f"HTTP {page.status}", chain=page.chain)


def _connected(
    address: str, port: Port, host: str, context: ssl.SSLContext
) -> AbstractAsyncContextManager[Dialog]:
    return dialog(
        address,
        port.number,
        tls=context if port.implicit_tls else None,
        name=host,
        leave="QUIT" if port.protocol == "smtp" else "",
    )


async def greeting(said: Dialog, protocol: Protocol) -> str:
    """The text of a server's greeting. Raises DialogError or OSError."""
    if protocol == "smtp":
        reply = await said.reply()
        if reply.code != 220:
            raise DialogError(f"it greets with {reply.code} {reply.text}")
        return reply.text
    expected = GREETINGS[protocol]
    line = await said.line()
    if not line.startswith(expected.first):
        raise DialogError(f"no {expected.name} server")
    if expected.last != expected.first:
        await said.until(expected.last)
    return line


async def _start_tls(said: Dialog, protocol: Protocol, host: str, context: ssl.SSLContext) -> None:
    if protocol == "smtp":
        # RFC 3207 §4: STARTTLS is offered in the reply to EHLO.
        await said.say(f"EHLO {host}")
        reply = await said.say("STARTTLS")
        if reply.code != 220:
            raise DialogError(f"STARTTLS is refused with {reply.code}")
    else:
        command, answer, good = _STARTTLS[protocol]
        await said.send(command)
        line = await said.until(answer)
        if not line.startswith(good):
            raise DialogError(f"STARTTLS is refused: {line}")
    await said.begin_tls(context, host)


async def fingerprints(
    ports: Iterable[Port], host: str, address: str = "127.0.0.1"
) -> dict[int, str]:
    """SHA-256 of the certificate's DER by port, in hexadecimal, whoever may trust it; "" where
    there is none.
    """
    ports = tuple(ports)
    shown = await asyncio.gather(*(_chain(address, port, host) for port in ports))
    return {
        port.number: hashlib.sha256(chain[0]).hexdigest() if chain else ""
        for port, chain in zip(ports, shown, strict=True)
    }


async def _chain(address: str, port: Port, host: str) -> tuple[bytes, ...]:
    """Where TLS comes first, no greeting is waited for: a server may be slow to greet."""
    try:
        async with (
            asyncio.timeout(SECONDS),
            _connected(address, port, host, unverified()) as said,
        ):
            if not port.implicit_tls:
                await greeting(said, port.protocol)
                await _start_tls(said, port.protocol, host, unverified())
            return said.chain()
    except (OSError, DialogError):  # TimeoutError is an OSError
        return ()
