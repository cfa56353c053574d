"""A message verified by the engine, and its verdict in words: JSON for programs, text for a person.

It must not know where the message came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from entrypoint.resolv_conf import chosen
from entrypoint.text import printable
from entrypoint.verify.question import Question
from filters.mailauth.auth_results import format_field
from filters.mailauth.authenticate import MessageResult, authenticate
from filters.mailauth.dns.resolver import DnsResolver, Lookup
from filters.mailauth.policy import Decision, Enforce, decide


class Verification:
    """What holds for all questions: trusted sealers, how strict, which name servers.

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

    async def verify(self, question: Question) -> tuple[MessageResult, Decision]:
        """The verdict, and what the server would do with the message."""
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
            self._network = DnsResolver(list(self._nameservers) or chosen())
        return self._network


def as_json(question: Question, verdict: MessageResult, decision: Decision) -> dict[str, Any]:
    """The verdict of one line of `--batch`, without its id."""
    spf, dmarc, arc = verdict.spf, verdict.dmarc, verdict.arc
    return {
        "spf": {
            "result": spf.result if spf else "none",
            "identity": spf.identity if spf else "mailfrom",
            "domain": spf.domain if spf else "",
            "reason": spf.reason if spf else "pyspf is not installed",
        },
        "dkim": [
            {
                "result": one.result,
                "domain": one.domain,
                "selector": one.selector,
                "identity": one.identity,
                "algorithm": one.algorithm,
                "reason": one.reason,
            }
            for one in verdict.dkim
        ],
        "dmarc": {
            "result": dmarc.result,
            "author_domain": dmarc.author_domain,
            "organizational_domain": dmarc.organizational_domain,
            "policy": dmarc.policy,
            "disposition": decision.disposition,
            "reason": dmarc.reason or decision.reason,
        },
        "arc": {
            "result": arc.result,
            "instances": arc.instances,
            "sealer": arc.sealer,
            "reason": arc.reason,
        },
        "authentication_results": _field(question, verdict),
        "author_domain": verdict.author.domain,
    }


_FATES = {
    "none": "accept it",
    "quarantine": "accept it into the Junk folder",
    "reject": "reject it (550 5.7.26)",
    "defer": "ask the sender to try again later (451 4.7.5)",
}


def as_text(question: Question, verdict: MessageResult, decision: Decision) -> str:
    """The same for a person, a line for each result and its reason."""
    return "\n".join(printable(line) for line in _lines(question, verdict, decision)) + "\n"


def _lines(question: Question, verdict: MessageResult, decision: Decision) -> Iterator[str]:
    writer, facts = verdict.author, question.envelope
    yield _line("author", writer.domain or "none", writer.reason)
    yield _line(
        "client", facts.client_address or "unknown", f"HELO {facts.helo}" if facts.helo else ""
    )
    if (spf := verdict.spf) is not None:
        said = f"{'MAIL FROM' if spf.identity == 'mailfrom' else 'HELO'} {spf.sender or '<>'}"
        yield _line("SPF", spf.result, said, spf.reason)
    for one in verdict.dkim:
        said = f"d={one.domain} s={one.selector} {one.algorithm}"
        yield _line("DKIM", one.result, said, one.reason)
    if not verdict.dkim:
        yield _line("DKIM", "none", "no signature")
    if (arc := verdict.arc).instances:
        yield _line("ARC", arc.result, f"{arc.instances} by {arc.sealer or '?'}", arc.reason)
    dmarc = verdict.dmarc
    policy = f"policy {dmarc.policy}" if dmarc.policy else ""
    yield _line("DMARC", dmarc.result, policy, dmarc.reason)
    yield _line("we would", _FATES[decision.disposition], decision.reason)
    yield ""
    yield _field(question, verdict)


def _line(name: str, result: str, *more: str) -> str:
    return f"{name:<9} {result}".rstrip() + "".join(f"; {text}" for text in more if text)


def _field(question: Question, verdict: MessageResult) -> str:
    """Our field, unfolded."""
    field = format_field(question.authserv_id, verdict.results()).decode("ascii")
    return " ".join(field.split())
