"""Tells a program of the tester's own of each message, as MP_WEBHOOK_URL does.

Only where that is this machine or a private network: nothing else is ever called from here.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from contextlib import suppress
from urllib.parse import urlsplit

import dns.asyncresolver
import dns.exception

from entrypoint.test_target.api.webhook_url import check_url, is_near
from entrypoint.test_target.store.changes import Change, MessageAdded
from entrypoint.test_target.store.mailbox import Mailbox
from filters.quoting import quoted

log = logging.getLogger(__name__)

_MOST_UNTOLD = 10_000  # messages
_SECONDS = 5.0  # for one of them


class Webhook:
    """url: http or https. One call a message, one after the other; a failure is only logged.

    limit: calls a second, 0 for no bound. name_server: HOST:PORT of who knows the names of the
    container's network, which are single words; it is asked for nothing else.
    """

    def __init__(
        self, mailbox: Mailbox, url: str, *, limit: float = 0.0, name_server: str | None = None
    ) -> None:
        """Raises ValueError for a URL that is none, or that names a public address."""
        check_url(url)
        self._pause = 1 / limit if limit else 0.0
        self._name_server = name_server
        parts = urlsplit(url)
        self._host, self._secure = str(parts.hostname), parts.scheme == "https"
        self._port = parts.port or (443 if self._secure else 80)
        self._authority = parts.netloc.rpartition("@")[2]
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._items: asyncio.Queue[dict[str, object]] = asyncio.Queue(_MOST_UNTOLD)
        mailbox.changes.listen(self._changed)

    async def run(self) -> None:
        """For ever."""
        while True:
            item = await self._items.get()
            try:
                async with asyncio.timeout(_SECONDS):
                    status = await self._post(json.dumps(item).encode())
                if not 200 <= status < 300:
                    log.warning("the webhook %s answered %d", self._host, status)
            except (OSError, ValueError) as error:
                said = str(error) or f"no answer within {_SECONDS:g} s"
                subject = quoted(str(item.get("Subject", "")))
                log.warning("the webhook %s did not get %s: %s", self._host, subject, said)
            await asyncio.sleep(self._pause)

    def _changed(self, change: Change) -> None:
        if isinstance(change, MessageAdded):
            try:
                self._items.put_nowait(change.item)
            except asyncio.QueueFull:
                log.warning("the webhook %s is too slow: a message is not told", self._host)

    async def _post(self, body: bytes) -> int:
        address = await self._address()
        reader, writer = await asyncio.open_connection(
            address,
            self._port,
            ssl=ssl.create_default_context() if self._secure else None,
            server_hostname=self._host if self._secure else None,
        )
        try:
            head = (
                f"POST {self._path} HTTP/1.1\r\nHost: {self._authority}\r\n"
                "Content-Type: application/json\r\nUser-Agent: Signpost\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            )
            writer.write(head.encode() + body)
            await writer.drain()
            return int((await reader.readline()).split()[1])
        except IndexError:
            raise ValueError("the answer is not HTTP") from None
        finally:
            writer.transport.abort()

    async def _address(self) -> str:
        """The one that is looked at is the one that is called."""
        found = await self._addresses()
        near = [address for address in found if is_near(address)]
        if not near:
            raise ValueError("the name has no loopback or private address")
        return near[0]

    async def _addresses(self) -> list[str]:
        loop = asyncio.get_running_loop()
        with suppress(OSError):
            return [str(info[4][0]) for info in await loop.getaddrinfo(self._host, self._port)]
        if self._name_server is None or "." in self._host:
            raise ValueError("the name is not known; give an address, or put it into the zone")
        address, _, port = self._name_server.rpartition(":")
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers, resolver.port, resolver.lifetime = [address], int(port), _SECONDS
        try:
            answer = await resolver.resolve(f"{self._host}.", "A")
        except dns.exception.DNSException as error:
            raise ValueError(f"the name is not known: {error}") from None
        return [record.to_text() for record in answer]
