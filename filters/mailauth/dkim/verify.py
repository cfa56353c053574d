"""Verifying DKIM signatures (RFC 6376 §6): a typed result for every signature, never an error.

It must not know SPF, DMARC's policies or how results are written, nor how a signature is
computed (see dkim_check.py).
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence

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
_MOST_KEY_RECORDS = 3
_LARGEST_HEADER = 512 * 1024
_MOST_FIELDS = 1_000
# A second one of these above a signed one is what the reader sees (RFC 6376 §8.15).
_SHOWN = (b"subject", b"date", b"to", b"cc", b"from")

log = logging.getLogger(__name__)


async def verify(
    message: Message, resolver: Resolver, *, now: float | None = None
) -> tuple[DkimResult, ...]:
    """Verify the first five signatures from the top; the rest are `policy`.

    now: seconds since 1970, by default the clock's. Results stand in the order of the
    signatures; none gives an empty tuple.
    """
    moment = time.time() if now is None else now
    fields = message.named(b"dkim-signature")
    if not fields:
        return ()
    signatures = [(field, SignatureField(field.value)) for field in fields]
    evaluated = signatures[:MOST_SIGNATURES]
    refusal = refusal_of(message)
    if refusal is not None:
        outcomes = [(refusal, False) for _ in evaluated]
    else:
        work = Work(message)
        outcomes = await concurrently(
            *(_one(work, field, read, resolver, moment) for field, read in evaluated)
        )
    limit = f"only the first {MOST_SIGNATURES} signatures are verified"
    outcomes += [(SignatureError("policy", limit), False)] * (len(fields) - len(outcomes))
    return tuple(
        DkimResult(
            error.result,
            claim.domain,
            claim.identity,
            claim.selector,
            claim.algorithm,
            prefix,
            str(error),
            testing,
        )
        for (claim, prefix), (error, testing) in zip(
            _claims([read for _field, read in signatures]), outcomes, strict=True
        )
    )


def _claims(signatures: Sequence[SignatureField]) -> list[tuple[Claims, str]]:
    """Return what each field claims, and its unique part of b= (RFC 6008 §4)."""
    found = [signature.claims() for signature in signatures]
    prefixes = Counter(claim.signature[:8] for claim in found)
    return [
        (claim, claim.signature[: 400 if prefixes[claim.signature[:8]] > 1 else 8])
        for claim in found
    ]


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


async def _one(
    work: Work, field: Field, read: SignatureField, resolver: Resolver, now: float
) -> tuple[SignatureError, bool]:
    """Return the outcome of one signature, and whether its key is for testing only."""
    try:
        signature = read.read(now)
        keys = await fetch_keys(signature, resolver)
        key = await work.verify(field, signature, keys)
        testing = key.testing
        if await _is_public_suffix(signature.domain, resolver):
            return SignatureError("policy", "the signature's d= is a public suffix"), testing
        check_coverage(work, signature)
    except SignatureError as error:
        return error, isinstance(error, TestedError)
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
