"""The engine asked one question, with one shared resolver behind all that use the network."""

from __future__ import annotations

from collections.abc import Sequence

from entrypoint.verify.question import Question
from filters.mailauth.authenticate import MessageResult, authenticate
from filters.mailauth.dns.resolver import DnsResolver, Lookup
from filters.mailauth.policy import Decision, Enforce, decide


class Judge:
    """What holds for all questions: whom we trust, how strict we are, whom we ask.

    nameservers: empty for the system's. seconds: for all of DNS, a message.
    """

    def __init__(
        self,
        enforce: Enforce,
        trusted_sealers: frozenset[str],
        nameservers: Sequence[str],
        seconds: float,
    ) -> None:
        self._enforce = enforce
        self._trusted_sealers = trusted_sealers
        self._nameservers = nameservers
        self._seconds = seconds
        self._network: DnsResolver | None = None

    async def ask(self, question: Question) -> tuple[MessageResult, Decision]:
        """The verdict, and what we would do."""
        resolver = question.zone or self._from_network()
        lookup = Lookup(resolver, seconds=self._seconds)
        verdict = await authenticate(question.message, question.envelope, lookup, now=question.now)
        decision = decide(
            verdict,
            question.envelope,
            enforce=self._enforce,
            trusted_sealers=self._trusted_sealers,
        )
        return verdict, decision

    def _from_network(self) -> DnsResolver:
        if self._network is None:
            self._network = DnsResolver(list(self._nameservers) or None)
        return self._network
