"""What the engine found out about a message, and the same in RFC 8601's words.

It must not know how anything is verified, nor how a field is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from filters.mailauth.auth_results_parser import MethodResult
from filters.mailauth.dkim import verify as dkim_verify
from filters.mailauth.dmarc.evaluate import DmarcResult
from filters.mailauth.envelope import Envelope
from filters.mailauth.message import Author
from filters.mailauth.results import ArcResult, DkimResult, SpfResult

_NO_CHAIN = ArcResult("none", 0, None, "")
_NO_SESSION = Envelope(None, "", "")


@dataclass(frozen=True)
class MessageResult:
    """What the engine found out about a message.

    spf: None where it was not asked for or pyspf is missing. dkim: a result for each signature,
    top first. envelope: what was known of the session.
    """

    spf: SpfResult | None
    dkim: tuple[DkimResult, ...]
    author: Author
    dmarc: DmarcResult
    arc: ArcResult = _NO_CHAIN
    envelope: Envelope = _NO_SESSION

    def results(self, disposition: str | None = None) -> tuple[MethodResult, ...]:
        """Return the results in RFC 8601's words, as they stand in the field.

        disposition: what was decided to do with the message, if that is to be said.
        """
        return (*self._before_dmarc, _dmarc(self.dmarc, disposition))

    @cached_property
    def _before_dmarc(self) -> tuple[MethodResult, ...]:
        # Asked for by the log, the stamp and the seal; frozen as it all is, it stays true.
        return (
            *_auth(self.envelope),
            *_iprev(self.envelope),
            *(() if self.spf is None else (_spf(self.spf),)),
            *_dkim(self.dkim),
            *_arc(self.arc, self.envelope),
        )


def _auth(envelope: Envelope) -> tuple[MethodResult, ...]:
    if envelope.user is None:
        return ()
    return (MethodResult("auth", "pass", properties=(("smtp.auth", envelope.user),)),)


def _iprev(envelope: Envelope) -> tuple[MethodResult, ...]:
    """RFC 8601 §2.7.3, from what the mail server has looked up already."""
    if envelope.reverse is None or envelope.client_address is None or envelope.client_unknown:
        return ()
    properties = (("policy.iprev", envelope.client_address),)
    if envelope.client_name is None:
        # That DNS failed looks the same to smtpd, and is rarer.
        return (MethodResult("iprev", "permerror", "the address has no name", "", properties),)
    result = {"pass": "pass", "fail": "fail"}.get(envelope.reverse, "temperror")
    return (MethodResult("iprev", result, None, envelope.client_name, properties),)


def _spf(spf: SpfResult) -> MethodResult:
    name = "smtp.mailfrom" if spf.identity == "mailfrom" else "smtp.helo"
    properties = ((name, spf.sender),) if spf.sender else ()
    return MethodResult("spf", spf.result, spf.reason or None, properties=properties)


def _dkim(results: tuple[DkimResult, ...]) -> tuple[MethodResult, ...]:
    if not results:
        return (MethodResult("dkim", "none"),)
    verified = [result for result in results if result.reason != dkim_verify.NOT_VERIFIED]
    shown = [_signature(result) for result in verified]
    if rest := len(results) - len(shown):
        # A thousand signatures must not make a field of a thousand results.
        reason = f"{rest} more signatures were not verified"
        shown.append(MethodResult("dkim", "policy", reason))
    return tuple(shown)


def _signature(result: DkimResult) -> MethodResult:
    properties = (
        ("header.d", result.domain),
        ("header.i", result.identity),
        ("header.s", result.selector),
        ("header.a", result.algorithm),
        ("header.b", result.signature_b),
    )
    return MethodResult(
        "dkim",
        result.result,
        result.reason or None,
        properties=tuple((name, value) for name, value in properties if value),
    )


def _arc(arc: ArcResult, envelope: Envelope) -> tuple[MethodResult, ...]:
    """RFC 8617 §10.2. Without a chain there is nothing to say, and of one that DNS could not
    tell of there is no word: whoever seals next would take fail for an answer.
    """
    if arc.result == "none" or arc.temporary:
        return ()
    comment = f"i={arc.instances}" + (f" sealer={arc.sealer}" if arc.sealer else "")
    address = envelope.client_address
    properties = (("smtp.remote-ip", address),) if address else ()
    return (MethodResult("arc", arc.result, arc.reason or None, comment, properties),)


def _dmarc(result: DmarcResult, disposition: str | None) -> MethodResult:
    said = (("p", result.policy), ("dis", disposition))
    comment = " ".join(f"{name}={value}" for name, value in said if value)
    domain = result.author_domain
    properties = (("header.from", domain),) if domain else ()
    return MethodResult("dmarc", result.result, result.reason or None, comment, properties)
