"""Verifying DKIM signatures (RFC 6376 §6): a typed result for every signature, never an error.

It must not know SPF, DMARC's policies or how results are written, nor how a signature is
computed (see dkim_check.py).
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from filters.mailauth.concurrently import concurrently
from filters.mailauth.dkim.check import TestedError, Work
from filters.mailauth.dkim.key_record import KeyRecordError, PublicKey, read_record
from filters.mailauth.dkim.signature import (
    Claims,
    Signature,
    SignatureError,
    SignatureField,
)
from filters.mailauth.dmarc.discovery import record_at
from filters.mailauth.dns.types import DnsTemporaryError, Resolver
from filters.mailauth.message import Field, Message, author
from filters.mailauth.results import DkimResult

MOST_SIGNATURES = 5
_MOST_READ = 50
NOT_VERIFIED = f"only {MOST_SIGNATURES} signatures are verified, those of the author's domain first"
_MOST_KEY_RECORDS = 3
_LARGEST_HEADER = 512 * 1024
_MOST_FIELDS = 1_000
# A second one of these above a signed one is what the reader sees (RFC 6376 §8.15).
_SHOWN = (b"subject", b"date", b"to", b"cc", b"from")

log = logging.getLogger(__name__)


async def verify(
    message: Message, resolver: Resolver, *, now: float | None = None
) -> tuple[DkimResult, ...]:
    """Verify at most five signatures, those of the author's domain first; the rest are `policy`.

    now: seconds since 1970, by default the clock's. Results stand in the order of the
    signatures; none gives an empty tuple.
    """
    moment = time.time() if now is None else now
    fields = message.named(b"dkim-signature")
    if not fields:
        return ()
    found = [_read(field, moment) for field in fields[:_MOST_READ]]
    chosen = _chosen(found, author(message).domain or "")
    refusal = refusal_of(message)
    if refusal is not None:
        outcomes = [(refusal, False)] * len(chosen)
    else:
        work = Work(message)
        outcomes = await concurrently(*(_one(work, found[place], resolver) for place in chosen))
    results = _results(found, dict(zip(chosen, outcomes, strict=True)))
    unread = DkimResult("policy", "", "", "", "", "", NOT_VERIFIED)
    return (*results, *[unread] * (len(fields) - len(found)))


@dataclass(frozen=True)
class _Read:
    """A field, what it claims, and what it says, or why that cannot pass whatever DNS has."""

    field: Field
    claims: Claims
    signature: Signature | SignatureError


def _read(field: Field, now: float) -> _Read:
    written = SignatureField(field.value)
    try:
        return _Read(field, written.claims(), written.read(now))
    except SignatureError as error:
        return _Read(field, written.claims(), error.with_traceback(None))


def _chosen(found: Sequence[_Read], author_domain: str) -> list[int]:
    """Return the places of those to verify, from the top.

    First what can pass; of that what can be aligned with the author's domain: whatever has the same
    organizational domain shares more labels with it than what has another.
    """

    def rank(place: int) -> tuple[bool, bool, int, int]:
        domain = found[place].claims.domain
        malformed = isinstance(found[place].signature, SignatureError)
        return malformed, domain != author_domain, -_common_labels(domain, author_domain), place

    return sorted(sorted(range(len(found)), key=rank)[:MOST_SIGNATURES])


def _common_labels(one: str, other: str) -> int:
    """Return how many labels are the same, from the right."""
    pairs = zip(reversed(one.split(".")), reversed(other.split(".")), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _results(
    found: Sequence[_Read], outcomes: Mapping[int, tuple[SignatureError, bool]]
) -> Iterator[DkimResult]:
    prefixes = Counter(one.claims.signature[:8] for one in found)
    others = SignatureError("policy", NOT_VERIFIED), False
    for place, one in enumerate(found):
        error, testing = outcomes.get(place, others)
        claims = one.claims
        # RFC 6008 §4: as much of b= as tells it from the others'.
        shown = claims.signature[: 400 if prefixes[claims.signature[:8]] > 1 else 8]
        yield DkimResult(
            error.result,
            claims.domain,
            claims.identity,
            claims.selector,
            claims.algorithm,
            shown,
            str(error),
            testing,
        )


def refusal_of(message: Message) -> SignatureError | None:
    """Return why no signature of this message can pass, if so."""
    if len(message.fields) > _MOST_FIELDS or message.body_start > _LARGEST_HEADER:
        return SignatureError("policy", "the header section is too large")
    if any(not field.key for field in message.fields):
        return SignatureError("permerror", "a line of the header section is no header field")
    written = author(message)
    if not written.well_formed:
        return SignatureError("permerror", written.reason)
    return None


async def _one(work: Work, one: _Read, resolver: Resolver) -> tuple[SignatureError, bool]:
    """Return the outcome of one signature, and whether its key is for testing only."""
    signature = one.signature
    if isinstance(signature, SignatureError):
        return signature, False
    try:
        keys = await fetch_keys(signature, resolver)
        key = await work.verify(one.field, signature, keys)
        testing = key.testing
        if await _is_public_suffix(signature.domain, resolver):
            return SignatureError("policy", "the signature's d= is a public suffix"), testing
        check_coverage(work, signature)
    except SignatureError as error:
        # Without the frames that it came through: they would hold it, and it them.
        return error.with_traceback(None), isinstance(error, TestedError)
    except DnsTemporaryError as error:
        return SignatureError("temperror", error.reason), False
    except Exception as error:  # nothing but a result leaves the engine
        log.error("a DKIM signature could not be evaluated (%s)", type(error).__name__)
        return SignatureError("neutral", "the signature could not be evaluated"), False
    return SignatureError("pass", "the key is for testing only" if testing else ""), testing


async def fetch_keys(signature: Signature, resolver: Resolver) -> list[PublicKey]:
    """Return the keys that may have made the signature; at least one."""
    answer = await resolver.query(f"{signature.selector}._domainkey.{signature.domain}", "TXT")
    if not answer.texts:
        raise SignatureError("permerror", "no key record for the signature")
    keys: list[PublicKey] = []
    reason = ""
    # RFC 6376 §3.6.2.2 leaves several records undefined; like OpenDKIM's successors, try each.
    for record in answer.texts[:_MOST_KEY_RECORDS]:
        try:
            key = read_record(record, signature.algorithm)
        except KeyRecordError as error:
            reason = reason or str(error)
            continue
        if key.strict and signature.identity.rpartition("@")[2].lower() != signature.domain:
            reason = reason or "the key's t=s wants i= in d= itself"
            continue
        keys.append(key)
    if not keys:
        raise SignatureError("permerror", reason)
    return keys


async def _is_public_suffix(domain: str, resolver: Resolver) -> bool:
    """Say whether the domain's own DMARC record says psd=y (RFC 9989): nobody's to sign for."""
    try:
        record = await record_at(domain, resolver)
    except DnsTemporaryError:
        # The signature is good; that this cannot be known does not make it bad.
        return False
    return record is not None and record.psd == "y"


def check_coverage(work: Work, signature: Signature) -> None:
    """Raise where a good signature leaves what the reader sees unsigned."""
    if signature.length is not None:
        length = len(work.body(signature.body_canon))
        if signature.length < length:
            raise SignatureError("policy", "l= leaves the end of the body unsigned")
    signed = Counter(signature.names)
    for name in _SHOWN:
        if 0 < signed[name] < work.count(name):
            shown = name.decode("ascii").capitalize()
            raise SignatureError("policy", f"an unsigned second {shown} above the signed one")
