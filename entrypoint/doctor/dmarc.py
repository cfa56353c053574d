"""What a domain asks others to do with mail that fails, and whether ours is aligned (RFC 9989)."""

from __future__ import annotations

from entrypoint.doctor.finding import Finding, Status, not_checked, quote, skipped
from entrypoint.doctor.this_server import ThisServer
from filters.mailauth.dmarc.alignment import Alignment, Identifier
from filters.mailauth.dmarc.discovery import Discovery, discover
from filters.mailauth.dns.resolver import DnsTemporaryError, Resolver


async def check_dmarc(name: str, server: ThisServer, resolver: Resolver) -> list[Finding]:
    """name: a domain, or the host, whose mail are bounces; a host needs no record of its own."""
    domain = server.owner(name)
    try:
        found = await discover(name, resolver)
        texts = (await resolver.query(f"_dmarc.{name}", "TXT")).texts
    except DnsTemporaryError as error:
        unknown = skipped("alignment", domain, "DNS does not say what the DMARC record is")
        return [not_checked("dmarc", domain, error.reason), unknown]
    findings = [] if domain is None else [_policy(domain, found, texts, server)]
    if found.record is None:
        findings.append(skipped("alignment", domain, f"no DMARC record for {name} is known"))
    else:
        findings.append(await _alignment(name, found, server, resolver))
    return findings


def _policy(domain: str, found: Discovery, texts: tuple[bytes, ...], server: ThisServer) -> Finding:
    publish = server.publish(f"_dmarc.{domain}", "TXT")
    record = found.record

    def finding(status: Status, detail: str, cure: str = "") -> Finding:
        return Finding("dmarc", domain, status, detail, cure)

    if record is None and found.error:
        return not_checked("dmarc", domain, found.error)
    if found.several:
        return finding("fail", "several DMARC records: all of them are ignored", publish)
    if record is None:
        if texts:
            return finding(
                "fail", f"_dmarc.{domain} holds no DMARC record: {quote(texts[0])}", publish
            )
        return finding("fail", f"_dmarc.{domain} has no record", publish)
    said = "" if found.inherited or not texts else f": {quote(texts[0])}"
    policy = record.inherited(exists=True) if found.inherited else record.own()
    if policy is None:
        return finding(
            "fail", f"the record has no valid p=, and so asks for nothing{said}", publish
        )
    if record.testing:
        return finding(
            "warn", f"t=y weakens the policy to {policy}{said}", "remove t=y when all is well"
        )
    if policy == "none":
        return finding(
            "warn",
            f"the policy is none: forged mail is not stopped{said}",
            f"when the reports show no mail of yours that fails, {publish}",
        )
    origin = f", inherited from {found.organizational_domain}" if found.inherited else ""
    return finding("ok", f"the policy is {policy}{origin}")


async def _alignment(
    name: str, found: Discovery, server: ThisServer, resolver: Resolver
) -> Finding:
    """Are both domains that our mail passes with the author's, as its record wants them?

    SPF's is the author's own: the envelope sender's, and for bounces the host's.
    """
    domain = server.owner(name)
    assert found.record is not None  # noqa: S101 -- the caller has looked
    # The keys of a name are its own or those of the nearest domain above it.
    above = [each for each in server.signing_domains if f".{name}".endswith(f".{each}")]
    signs = max(above, key=len)
    alignment = Alignment(name, found.organizational_domain, found.record, resolver)
    aligned = await alignment.decide(Identifier("dkim", signs))
    if aligned is None:
        return not_checked("alignment", domain, "the organizational domain could not be determined")
    if aligned:
        return Finding("alignment", domain, "ok", f"DKIM d={signs} and SPF {name} are aligned")
    return Finding(
        "alignment",
        domain,
        "warn",
        f"SPF {name} is aligned, DKIM d={signs} is not: mail from {name} that is forwarded fails "
        "DMARC",
        "remove adkim=s from the DMARC record",
    )
