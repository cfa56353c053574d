"""The bounds of one message's questions to DNS: a deadline and a budget.

It must not know how a question is answered, nor why it is asked.
"""

import asyncio

from filters.mailauth.dns_types import Answer, DnsTemporaryError, Resolver


class Lookup:
    """One message's view of a resolver: one deadline over everything, and a query budget.

    The clock starts at the first question. A question that was asked before costs nothing, and
    what failed once fails again at once.
    """

    def __init__(self, resolver: Resolver, *, seconds: float = 20.0, queries: int = 150) -> None:
        self._resolver = resolver
        self._seconds = seconds
        self._left = queries
        self._deadline: float | None = None
        self._asked: dict[tuple[str, str], asyncio.Future[Answer | DnsTemporaryError]] = {}

    async def query(self, name: str, rdtype: str) -> Answer:
        """Answer through the shared resolver while time and budget last."""
        key = (name.lower().removesuffix("."), rdtype)
        future = self._asked.get(key)
        if future is None:
            future = asyncio.get_running_loop().create_future()
            self._asked[key] = future
            try:
                future.set_result(await self._ask(name, rdtype))
            except DnsTemporaryError as error:
                future.set_result(error)
            except BaseException:
                # Whoever waits for the same answer must not wait for ever.
                future.set_result(DnsTemporaryError("the DNS look-up was abandoned"))
                del self._asked[key]
                raise
        outcome = await asyncio.shield(future)
        if isinstance(outcome, DnsTemporaryError):
            raise DnsTemporaryError(outcome.reason)
        return outcome

    async def _ask(self, name: str, rdtype: str) -> Answer:
        if self._left <= 0:
            raise DnsTemporaryError("the message needs more DNS look-ups than one may")
        self._left -= 1
        loop = asyncio.get_running_loop()
        if self._deadline is None:
            self._deadline = loop.time() + self._seconds
        spent = f"no DNS answer within the message's {self._seconds:g} s"
        if loop.time() >= self._deadline:
            raise DnsTemporaryError(spent)
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._resolver.query(name, rdtype)
        except TimeoutError:
            raise DnsTemporaryError(spent) from None
