"""Verifying an ARC chain (RFC 8617 §5.2): one result, never an error.

An ARC-Message-Signature is verified as a DKIM-Signature, and so is an ARC-Seal over the ARC fields
alone; see arc_set.py for the structure. It must not know DMARC, nor whose chain is believed.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from filters.mailauth.arc.chain import SEAL, ArcSet, Chain, covered, newest_first, read_chain
from filters.mailauth.auth_results import parse_arc_field
from filters.mailauth.dkim.check import Work
from filters.mailauth.dkim.signature import Signature, SignatureError, SignatureField
from filters.mailauth.dkim.verify import check_coverage, fetch_keys, refusal_of
from filters.mailauth.dns.types import DnsTemporaryError, Resolver
from filters.mailauth.message import Field, Message
from filters.mailauth.results import ArcHop, ArcResult

_NOTHING = hashlib.sha256(b"").digest()
# What a DKIM-Signature has and a seal has not (§4.1.3).
_ABSENT_IN_SEALS = {"h": b"from", "bh": b"AAAA", "c": b"relaxed/relaxed"}

log = logging.getLogger(__name__)


async def verify(message: Message, resolver: Resolver, *, now: float | None = None) -> ArcResult:
    """Verify the newest ARC-Message-Signature and every ARC-Seal. Nothing but cancellation leaves.

    now: seconds since 1970, by default the clock's. Asks for at most 51 keys, one after another
    from the newest, and ends at the first that does not verify.
    """
    chain = Chain()
    try:
        chain = read_chain(message)
        if not chain.highest and not chain.problem:
            return ArcResult("none", 0, None, "")
        if chain.problem:
            raise SignatureError("fail", chain.problem)
        if refusal := refusal_of(message):
            raise refusal
        moment = time.time() if now is None else now
        await _signature(message, chain.sets[-1], resolver, moment)
        await _seals(chain.sets, resolver, moment)
    except SignatureError as error:
        return ArcResult("fail", chain.highest, chain.sealer, str(error))
    except DnsTemporaryError as error:
        return ArcResult("fail", chain.highest, chain.sealer, error.reason, temporary=True)
    except Exception as error:  # nothing but a result leaves the engine
        log.error("an ARC chain could not be evaluated (%s)", type(error).__name__)
        reason = "ARC could not be evaluated"
        return ArcResult("fail", chain.highest, chain.sealer, reason, temporary=True)
    hops = tuple(_hop(found) for found in chain.sets)
    last = hops[-1]
    return ArcResult(
        "pass",
        chain.highest,
        chain.sealer,
        "",
        results=last.results,
        authserv_id=last.authserv_id,
        hops=hops,
    )


def _hop(found: ArcSet) -> ArcHop:
    sealer = found.seal_tags["d"].decode("ascii").lower()
    parsed = parse_arc_field(found.results.value)
    said = parsed[1] if parsed else None
    return ArcHop(sealer, said.authserv_id, said.results) if said else ArcHop(sealer, None, ())


def _as_dkim(found: Mapping[str, bytes], now: float) -> Signature:
    """Return what the tags say, read as a DKIM-Signature's: only v= and i= differ (§4.1.2)."""
    written = {"v": b"1"} | {tag: value for tag, value in found.items() if tag not in {"v", "i"}}
    text = b";".join(tag.encode("ascii") + b"=" + value for tag, value in written.items())
    return SignatureField(text).read(now)


async def _signature(message: Message, newest: ArcSet, resolver: Resolver, now: float) -> None:
    """Raise unless the newest ARC-Message-Signature verifies (§5.2 step 4)."""
    try:
        signature = _as_dkim(newest.signature_tags, now)
        if SEAL in signature.names:
            raise SignatureError("fail", "h= holds ARC-Seal")
        work = Work(message)
        await _check(work, newest.signature, signature, resolver)
        check_coverage(work, signature)
    except SignatureError as error:
        raise _located("ARC-Message-Signature", newest, error) from None


async def _seals(sets: Sequence[ArcSet], resolver: Resolver, now: float) -> None:
    """Raise unless every ARC-Seal verifies, from the newest (§5.2 step 6)."""
    lines = [field.raw.removesuffix(b"\r\n") + b"\r\n" for field in newest_first(sets)]
    work = Work(Message(b"".join(lines)))
    for found in reversed(sets):
        try:
            only = {tag: found.seal_tags[tag] for tag in "abdst" if tag in found.seal_tags}
            signature = replace(
                _as_dkim(only | _ABSENT_IN_SEALS, now),
                names=covered(found.instance),
                body_hash=_NOTHING,
            )
            await _check(work, found.seal, signature, resolver)
        except SignatureError as error:
            raise _located("ARC-Seal", found, error) from None
        # The key may come from the cache: let others run, and let a deadline end this.
        await asyncio.sleep(0)


async def _check(work: Work, field: Field, signature: Signature, resolver: Resolver) -> None:
    await work.verify(field, signature, await fetch_keys(signature, resolver))


def _located(shown: str, found: ArcSet, error: SignatureError) -> SignatureError:
    return SignatureError("fail", f"{shown} of instance {found.instance}: {error}")
