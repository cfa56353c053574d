"""The bounds of one message's questions to DNS: a deadline and a budget.

It must not know how a question is answered, nor why it is asked.
"""

from __future__ import annotations

import asyncio

from filters.mailauth.dns.types import (
    Answer,
    DnsTemporaryError,
    Known,
    Outcome,
    Question,
    Resolver,
    question,
)


class Lookup:
    """One message's view of a resolver: one deadline over everything, and a query budget.

    The clock starts at the first question that has to wait. A question that was asked before
    costs nothing, and what failed once fails again at once.
    """

    def __init__(self, resolver: Resolver, *, seconds: float = 20.0, queries: int = 150) -> None:
        self._resolver = resolver
        # Where it is a CachingResolver; isinstance() with a protocol costs too much here.
        self._memory: Known | None = getattr(resolver, "cached", None)
        self._seconds = seconds
        self._left = queries
        self._deadline: float | None = None
        self._known: dict[Question, Outcome] = {}
        self._waiting: dict[Question, asyncio.Future[Outcome]] = {}

    def cached(self, name: str, rdtype: str) -> Outcome | None:
        """Return what is known without waiting; None if the question has to be asked."""
        key = question(name, rdtype)
        outcome = self._known.get(key)
        if outcome is None and self._memory is not None and key not in self._waiting:
            outcome = self._memory(name, rdtype)
            if outcome is not None:
                # What a message may ask must not depend on what others asked before it.
                self._known[key] = outcome = self._spend() or outcome
        return outcome

    async def query(self, name: str, rdtype: str) -> Answer:
        """Answer through the shared resolver while time and budget last."""
        outcome = self.cached(name, rdtype)
        if outcome is None:
            outcome = await self._wait(question(name, rdtype))
        if isinstance(outcome, DnsTemporaryError):
            raise DnsTemporaryError(outcome.reason)
        return outcome

    async def _wait(self, key: Question) -> Outcome:
        waiting = self._waiting.get(key)
        if waiting is not None:
            return await asyncio.shield(waiting)
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting[key] = future
        outcome: Outcome = DnsTemporaryError("the DNS look-up was abandoned")
        try:
            outcome = self._known[key] = self._spend() or await self._ask(key)
        finally:
            # Whoever waits for the same answer must not wait for ever.
            future.set_result(outcome)
            del self._waiting[key]
        return outcome

    def _spend(self) -> DnsTemporaryError | None:
        if self._left <= 0:
            return DnsTemporaryError("the message needs more DNS look-ups than one may")
        self._left -= 1
        return None

    async def _ask(self, key: Question) -> Outcome:
        loop = asyncio.get_running_loop()
        if self._deadline is None:
            self._deadline = loop.time() + self._seconds
        spent = f"no DNS answer within the message's {self._seconds:g} s"
        if loop.time() >= self._deadline:
            return DnsTemporaryError(spent)
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._resolver.query(*key)
        except DnsTemporaryError as error:
            # A new one: the other holds the frames that it came through.
            return DnsTemporaryError(error.reason)
        except TimeoutError:
            return DnsTemporaryError(spent)
