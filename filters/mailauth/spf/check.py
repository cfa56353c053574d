"""Evaluating SPF (RFC 7208): pyspf decides, our resolver answers.

pyspf runs once where every answer is in the cache, and again from the start whenever it needs one
that is not here yet: it never blocks, and no thread is needed. It does not run at all where its
result is known (result_cache.py). It must not know messages or how
results are written. Without pyspf installed, available() is False and nothing else here may be
called.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from contextlib import suppress
from importlib.util import find_spec
from typing import Literal, get_args

from filters.mailauth.concurrently import concurrently
from filters.mailauth.dns.lookup import Lookup
from filters.mailauth.dns.types import DnsTemporaryError, Question, Resolver, labels
from filters.mailauth.envelope import Envelope
from filters.mailauth.names import a_label
from filters.mailauth.results import SpfResult, SpfWord
from filters.mailauth.spf.result_cache import Looked, ResultCache

_RESULTS: dict[str, SpfWord] = {word: word for word in get_args(SpfWord)}

_UNPRINTABLE = re.compile(r"[^\x21-\x7e]")
_MOST_RUNS = 200

# Of all resolvers: a result is for those who get the same answers.
_results = ResultCache()

log = logging.getLogger(__name__)


def available() -> bool:
    """Say whether pyspf is installed."""
    return find_spec("spf") is not None


async def check(envelope: Envelope, resolver: Resolver) -> SpfResult:
    """Check MAIL FROM, or HELO for the null sender (RFC 7208 §2.4). Nothing is raised."""
    identity: Literal["mailfrom", "helo"] = "mailfrom" if envelope.sender else "helo"
    sender = envelope.sender or envelope.helo
    # The local part may be quoted and hold an @ itself; a domain never does.
    local, _at, host = sender.rpartition("@")
    domain = _domain(host)

    def result(word: SpfWord, reason: str, explanation: str = "") -> SpfResult:
        return SpfResult(word, identity, domain or "", sender, reason, explanation)

    if envelope.client_unknown:
        return result("none", "the client is unknown behind a proxy")
    address = _address(envelope.client_address)
    if address is None:
        return result("none", "the client has no address")
    if domain is None:
        # RFC 7208 §4.3: no multi-label domain, no result.
        return result("none", "no domain to check")
    try:
        return result(*await _evaluate(address, local, domain, envelope, resolver))
    except Exception as error:  # nothing but a result leaves the engine
        log.error("an SPF record could not be evaluated (%s)", type(error).__name__)
        return result("permerror", "the SPF record could not be evaluated")


def _domain(host: str) -> str | None:
    """Return the domain to check, or None (RFC 7208 §4.3). Underscores and the like may stand."""
    host = host.removesuffix(".")
    if not host.isascii():
        return a_label(host)
    if "." not in host or _UNPRINTABLE.search(host) or host.startswith("["):
        return None
    return host if labels(host) else None


def _address(text: str | None) -> str | None:
    """Return the client's address without a zone index (fe80::1%eth0), or None."""
    try:
        return str(ipaddress.ip_address((text or "").partition("%")[0]))
    except ValueError:
        return None


async def _evaluate(
    address: str, local: str, domain: str, envelope: Envelope, resolver: Resolver
) -> tuple[SpfWord, str, str]:
    lookup = resolver if isinstance(resolver, Lookup) else Lookup(resolver)
    client, sender = (address, domain), (local or "postmaster", envelope.sender, envelope.helo)
    result = _results.find(client, sender, lookup.cached)
    if result is not None:
        return result
    from filters.mailauth.spf.query import Evaluation, MissingError

    for _ in range(_MOST_RUNS):
        looked = Looked(lookup.cached)
        evaluation = Evaluation(address, sender[0], domain, *sender[1:], looked)
        try:
            word, reason, explanation = evaluation.run()
        except MissingError as missing:
            await concurrently(*(_ask(lookup, question) for question in missing.questions))
        else:
            result = _RESULTS[word], reason, explanation
            if not evaluation.looked_at_the_clock:
                seen = sender if evaluation.looked_at_the_sender else None
                _results.keep(client, seen, looked.at, result)
            return result
    return "permerror", "the SPF record needs too many look-ups", ""


async def _ask(lookup: Lookup, question: Question) -> None:
    with suppress(DnsTemporaryError):  # the Lookup remembers it
        await lookup.query(*question)
