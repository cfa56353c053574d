"""What becomes of a message, by its verdict and the operator's wishes.

SPF alone decides nothing here: a domain's -all is for its owner's DMARC record to enforce. It must
not know how anything was verified, nor how a refusal is worded on the wire.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from filters.mailauth.auth_results_parser import MethodResult
from filters.mailauth.envelope import ROLES, Envelope
from filters.mailauth.message_result import MessageResult
from filters.mailauth.names import a_label
from filters.mailauth.results import ArcResult

Enforce = Literal["no", "quarantine", "yes"]
Disposition = Literal["none", "quarantine", "reject", "defer"]


@dataclass(frozen=True)
class Decision:
    """disposition: none delivers, quarantine delivers as junk, defer asks to try again later.

    reason: why, in one line for the log and for the sender; "" where there was nothing to decide.
    """

    disposition: Disposition
    reason: str


def decide(
    verdict: MessageResult, envelope: Envelope, *, enforce: Enforce, trusted_sealers: frozenset[str]
) -> Decision:
    """Decide by the author domain's DMARC policy (RFC 9989 §5.3.6, §5.4).

    enforce: "no" delivers everything, "quarantine" refuses nothing for good. trusted_sealers:
    domains, in lower case, whose ARC chains are believed.
    """
    if envelope.user is not None or envelope.client_address is None:
        return Decision("none", "")
    wanted = _wanted(verdict)
    if wanted.disposition == "none":
        return wanted
    if enforce == "no":
        return Decision("none", f"not enforced: {wanted.reason}")
    wanted = _forwarded(wanted, verdict, trusted_sealers)
    if _for_roles(envelope.recipients):
        # Nothing was found against a message that would only have been deferred.
        milder: Disposition = "none" if wanted.disposition in {"none", "defer"} else "quarantine"
        return Decision(milder, wanted.reason)
    if wanted.disposition == "reject" and (enforce == "quarantine" or envelope.client_unknown):
        # Behind a proxy SPF could not speak for the message; it may be innocent.
        return Decision("quarantine", wanted.reason)
    return wanted


def _wanted(verdict: MessageResult) -> Decision:
    """Return what the author domain's owner asks for."""
    dmarc = verdict.dmarc
    if dmarc.result == "permerror":
        return Decision("reject", dmarc.reason)
    if dmarc.result == "fail" and verdict.spf is None:
        return Decision("none", f"SPF might have passed: {dmarc.reason}")
    if dmarc.result == "fail":
        return Decision(dmarc.policy or "none", dmarc.reason)
    # A temperror decides where the policy is known and asks for something; a domain whose record
    # cannot be read has asked for nothing, and its mail does not wait for its name server.
    if dmarc.result == "temperror" and dmarc.policy not in {None, "none"} and not dmarc.aligned:
        return Decision("defer", dmarc.reason)
    return Decision("none", "")


def _forwarded(
    wanted: Decision, verdict: MessageResult, trusted_sealers: frozenset[str]
) -> Decision:
    """Return what remains to be done where a trusted forwarder saw the message pass (RFC 8617)."""
    arc = verdict.arc
    sealer = (arc.sealer or "").lower()
    if verdict.dmarc.author_domain is None or sealer not in trusted_sealers:
        return wanted
    if is_vouched_for(verdict, trusted_sealers):
        return Decision("none", f"{sealer}, a trusted forwarder, saw it pass; {wanted.reason}")
    if arc.temporary:
        return Decision("defer", f"the ARC chain of {sealer} cannot be verified: {arc.reason}")
    return wanted


def is_vouched_for(verdict: MessageResult, trusted_sealers: frozenset[str]) -> bool:
    """Say whether a trusted forwarder saw the author domain authenticated (RFC 8617)."""
    arc, domain = verdict.arc, verdict.dmarc.author_domain
    return (
        domain is not None
        and arc.result == "pass"
        and (arc.sealer or "").lower() in trusted_sealers
        and _vouches(arc, domain)
    )


def _vouches(arc: ArcResult, domain: str) -> bool:
    """Say whether the newest sealer saw the author domain authenticated.

    Its word on DMARC counts alone if it has one. Else SPF or DKIM must have passed for the very
    author domain: its record's alignment mode as of then is unknown.
    """
    said = [result for result in arc.results if result.method == "dmarc"]
    if said:
        return any(r.result == "pass" and domain in _values(r, "header.from") for r in said)
    return any(
        result.result == "pass"
        and (
            (result.method == "dkim" and domain in _values(result, "header.d"))
            or (result.method == "spf" and domain in _values(result, "smtp.mailfrom"))
        )
        for result in arc.results
    )


def _values(result: MethodResult, name: str) -> set[str]:
    """Return the domains of a property, which may be given as addresses."""
    domains = (value.rpartition("@")[2] for found, value in result.properties if found == name)
    return {a_label(domain) or "" for domain in domains}


def _for_roles(recipients: Iterable[str]) -> bool:
    """Say whether the message is for postmaster or abuse, and for nobody else."""
    locals_ = [recipient.partition("@")[0].lower() for recipient in recipients]
    return bool(locals_) and ROLES.issuperset(locals_)
