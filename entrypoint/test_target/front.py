"""Port 1025: SMTP as test suites speak it, with AUTH where there is no TLS. smtpd does the rest.

Every command goes to a listener of smtpd's on loopback and every reply comes back; a PROXY header
tells smtpd the client's own address and port. Three things are answered here, since smtpd would
not: EHLO's reply offers AUTH and STARTTLS, and both are done here. Who has logged in over which TLS
stands in `sessions`, by the client's address, where the filter finds it when mail comes: the
Received field of smtpd knows of neither.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import ssl

from entrypoint.test_target.front_dialog import FrontDialog
from entrypoint.test_target.front_session import FrontRules, FrontSession, Sessions

log = logging.getLogger(__name__)

_PATIENCE, _PAUSE = 10.0, 0.05  # seconds that smtpd is waited for, and between two tries
_BACKLOG = 1_024
_PROXY_V2 = b"\r\n\r\n\0\r\nQUIT\n\x21"


class Front:
    """Listens, and speaks to smtpd.

    backend: smtpd's listener; sessions: those that are open.
    """

    def __init__(self, backend: tuple[str, int], rules: FrontRules) -> None:
        self.sessions: Sessions = {}
        self._backend = backend
        self._rules = rules

    async def start(self, listener: socket.socket) -> asyncio.Server:
        """Serve who connects; takes the socket over."""
        tls = self._rules.tls if self._rules.implicit_tls else None
        return await asyncio.start_server(self._serve, sock=listener, backlog=_BACKLOG, ssl=tls)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        session = FrontSession((_address(peer[0]), peer[1]))
        session.cut = writer.transport.abort
        try:
            smtpd_reader, smtpd_writer = await self._connect()
        except OSError as error:
            log.error("smtpd cannot be reached: %s", error)
            writer.write(b"421 4.3.2 the mail server is not up, try again later\r\n")
            writer.close()
            return
        self.sessions[session.client] = session
        here = writer.get_extra_info("sockname")
        try:
            smtpd_writer.write(proxy_header(session.client, (_address(here[0]), here[1])))
            dialog = FrontDialog(reader, writer, smtpd_reader, smtpd_writer, session)
            await dialog.run(self._rules)
        except (OSError, EOFError, TimeoutError, ssl.SSLError, ValueError):
            pass  # one of the two has gone, or said what no SMTP is
        finally:
            if self.sessions.get(session.client) is session:
                del self.sessions[session.client]
                self._rules.ended(session)
            writer.close()
            smtpd_writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Waits as long as smtpd takes to start. Raises OSError."""
        until = asyncio.get_running_loop().time() + _PATIENCE
        while True:
            try:
                return await asyncio.open_connection(*self._backend)
            except OSError:
                if asyncio.get_running_loop().time() > until:
                    raise
            await asyncio.sleep(_PAUSE)


def proxy_header(client: tuple[str, int], server: tuple[str, int]) -> bytes:
    """The header that tells whose connection this is (PROXY protocol, version 2)."""
    source, target = (ipaddress.ip_address(address) for address, _ in (client, server))
    family = b"\x11" if source.version == 4 else b"\x21"
    ports = client[1].to_bytes(2, "big") + server[1].to_bytes(2, "big")
    addresses = source.packed + target.packed + ports
    return _PROXY_V2 + family + len(addresses).to_bytes(2, "big") + addresses


def _address(address: str) -> str:
    """As smtpd will have it: IPv4 on an IPv6 socket is IPv4 (RFC 4291 §2.5.5.2)."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    return str(getattr(ip, "ipv4_mapped", None) or ip)
