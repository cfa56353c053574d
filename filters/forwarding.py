"""ARC seals for mail that an alias forwards to another domain (RFC 8617).

It knows the addresses and the sealing key, and not how a chain is verified.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from filters.addresses import AddressFile
from filters.bare_addresses import add_domains
from filters.keyring import KeyRing
from filters.mailauth.arc.seal import seal
from filters.mailauth.authenticate import MessageResult
from filters.mailauth.message import Message

log = logging.getLogger(__name__)


class Forwarding:
    """Seals with the one key in `keys` what `addresses` sends elsewhere."""

    def __init__(self, keys: KeyRing, addresses: AddressFile) -> None:
        self._keys = keys
        self._addresses = addresses

    def concerns(self, recipients: Iterable[str]) -> bool:
        """Whether mail for any of these goes to another domain, too."""
        ours = self._addresses.content
        return any(ours.leaves(address) for address in recipients)

    async def seal(
        self, stamped: bytes, verdict: MessageResult, authserv_id: str, hostname: str
    ) -> bytes:
        """The message under a set of ours; it must be as it leaves otherwise."""
        # In a thread: it hashes the whole message.
        return await asyncio.to_thread(self._seal, stamped, verdict, authserv_id, hostname)

    def _seal(
        self, stamped: bytes, verdict: MessageResult, authserv_id: str, hostname: str
    ) -> bytes:
        (domain,) = self._keys.domains
        try:
            # As smtpd would after us, and break the seal with it.
            message = add_domains(Message(stamped), hostname)
            arc_set = seal(
                message,
                chain=verdict.arc,
                authserv_id=authserv_id,
                results=verdict.results(),
                key=self._keys.keys_for(domain)[0],
            )
        except Exception as error:
            # Forwarded without a seal the message is worse off; not forwarded it is lost.
            log.error("a message could not be sealed: %s: %s", type(error).__name__, error)
            return stamped
        return arc_set + message.raw
