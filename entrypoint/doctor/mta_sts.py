"""Would a sender of mail find our MTA-STS policy, and keep to it? (RFC 8461; TLS-RPT: RFC 8460)

The policy is fetched as a sender does (§3.3): from each address of its host, over HTTPS, and no
redirect is followed.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from entrypoint.doctor.certificate import has_name
from entrypoint.doctor.finding import Finding, Status, not_checked, quote, skipped
from entrypoint.doctor.this_server import ThisServer
from entrypoint.probe.addresses import addresses_of
from entrypoint.probe.dialog import reason
from entrypoint.probe.http import Page, PageError, get
from entrypoint.web.mta_sts import Policy, covers, parse_policy, policy_host, record
from filters.mailauth.dns.resolver import DnsTemporaryError, Resolver

SECONDS = 15.0  # for one address; §3.3 gives senders a minute
_PATH = "/.well-known/mta-sts.txt"
_MOST_ADDRESSES = 4
_UNTRUSTED = (
    "senders want one that a public authority has issued, with its full chain: see what is said of "
    "the certificate below"
)


@dataclass(frozen=True)
class Sender:
    """How a sender asks: with which authorities, on which port, and where for an address."""

    trust: ssl.SSLContext
    port: int
    at: Callable[[str], str]


@dataclass(frozen=True)
class Fetched:
    """trouble: why a sender would have no policy. inside: may that be so from inside only?"""

    text: bytes = b""
    trouble: str = ""
    cure: str = ""
    inside: bool = False


async def fetch(domain: str, server: ThisServer, resolver: Resolver, sender: Sender) -> Fetched:
    """What every address of the policy's host has; the first trouble, if there is any.

    Raises DnsTemporaryError.
    """
    name = policy_host(domain)
    addresses = (await addresses_of(name, resolver)).all()[:_MOST_ADDRESSES]
    if not addresses:
        return Fetched(trouble=f"{name}: no such name", cure=server.publish(name, "CNAME"))
    pages = await asyncio.gather(*(_page(name, ip, server, sender) for ip in addresses))
    # Where one address can only not be reached from inside, the other one says.
    return max(pages, key=lambda page: (bool(page.trouble) and not page.inside, bool(page.text)))


async def _page(name: str, address: str, server: ThisServer, sender: Sender) -> Fetched:
    where = f"{name} ({address})"
    try:
        async with asyncio.timeout(SECONDS):
            page = await get(sender.at(address), sender.port, name, _PATH, sender.trust)
    except ssl.SSLCertVerificationError as error:
        why = f"the certificate does not verify: {error.verify_message}"
        return Fetched(trouble=f"{where}: {why}", cure=_UNTRUSTED)
    except TimeoutError:
        return _unreached(where, f"no answer within {SECONDS:g} s")
    except (OSError, PageError) as error:
        return _unreached(where, reason(error))
    return _of_page(where, name, page, server)


def _unreached(where: str, why: str) -> Fetched:
    return Fetched(
        trouble=f"{where}: no answer from inside ({why})",
        cure="try it from another network; if it fails there, too, open port 443",
        inside=True,
    )


def _of_page(where: str, name: str, page: Page, server: ThisServer) -> Fetched:
    if not has_name(page.certificate, name):
        why = "the certificate does not cover the name"
        return Fetched(trouble=f"{where}: {why}", cure=server.name_cure)
    cure = f"point {name} to this server, which has the policy if MTA_STS is set"
    if page.status != 200:  # §3.3: a redirect is not followed
        return Fetched(trouble=f"{where}: HTTP status {page.status}, no policy", cure=cure)
    if page.type != "text/plain":  # §3.2
        kind = quote(page.type)
        return Fetched(trouble=f"{where}: the media type is {kind}, not text/plain", cure=cure)
    return Fetched(page.body)


async def check_mta_sts(
    domain: str, server: ThisServer, resolver: Resolver, sender: Sender
) -> list[Finding]:
    """The record, the policy, and the record of TLS-RPT, for a domain that is to have them."""
    policy = server.policy or ""
    try:
        texts = await _records(f"_mta-sts.{domain}", b"v=STSv1", resolver)
        reports = await _records(f"_smtp._tls.{domain}", b"v=TLSRPTv1", resolver)
        exchanges = [host for _, host in (await resolver.query(domain, "MX")).exchanges]
        fetched = await fetch(domain, server, resolver, sender)
    except DnsTemporaryError as error:
        others = ("mta-sts-policy", "tls-rpt")
        unknown = [skipped(each, domain, "DNS does not answer for all of it") for each in others]
        return [not_checked("mta-sts", domain, error.reason), *unknown]
    found = _policy(domain, fetched, policy, exchanges, known=bool(texts))
    early = found.status != "ok" and not fetched.inside

    def publish(name: str) -> str:
        """What to do about a record that is missing or wrong."""
        if early:
            return f"fix the policy first; {_WHEN}"
        # What cannot be seen from inside may be well or not.
        return _WHEN if fetched.inside else server.publish(name, "TXT")

    return [
        _record(domain, texts, record(policy), publish(f"_mta-sts.{domain}"), early=early),
        found,
        _reports(domain, reports, publish(f"_smtp._tls.{domain}")),
    ]


async def _records(name: str, version: bytes, resolver: Resolver) -> list[bytes]:
    """The TXT records that begin so; any others do not count."""
    texts = (await resolver.query(name, "TXT")).texts
    return [text for text in texts if re.match(re.escape(version) + rb"[ \t]*(?:;|\Z)", text)]


# -- the records ----------------------------------------------------------------------------

_WHEN = "`signpost dns` prints the record when it may be published"


def _record(
    domain: str, texts: Sequence[bytes], ours: str, publish: str, *, early: bool
) -> Finding:
    def finding(status: Status, detail: str, cure: str = "") -> Finding:
        return Finding("mta-sts", domain, status, f"_mta-sts.{domain}: {detail}", cure)

    if not texts:
        why = "and there must be none yet" if early else "so senders do not look for the policy"
        return finding("warn", f"no record, {why}", publish)
    if len(texts) > 1:
        return finding("fail", f"{len(texts)} records: all of them are ignored", publish)
    if _identity(texts[0]) != _identity(ours.encode()):
        return finding(
            "warn",
            f"the id is not that of the current policy: {quote(texts[0])}; senders go on with "
            "the policy that they have",
            publish,
        )
    return finding("ok", "the record matches the policy")


def _reports(domain: str, texts: Sequence[bytes], publish: str) -> Finding:
    def finding(status: Status, detail: str, cure: str = "") -> Finding:
        return Finding("tls-rpt", domain, status, f"_smtp._tls.{domain}: {detail}", cure)

    if not texts:
        return finding("warn", "no record: nobody reports TLS failures", publish)
    if len(texts) > 1:  # RFC 8460 §3
        return finding("fail", f"{len(texts)} records: all of them are ignored", publish)
    if re.search(rb";[ \t]*rua=[ \t]*(?:mailto:|https://)[^\s;]", texts[0]) is None:
        return finding("fail", f"no address for reports: {quote(texts[0])}", publish)
    return finding("ok", "reports of TLS failures have an address")


def _identity(text: bytes) -> bytes:
    """The id of a record (RFC 8461 §3.1), b"" if it has none."""
    found = re.search(rb";[ \t]*id[ \t]*=[ \t]*([A-Za-z0-9]{1,32})[ \t]*(?:;|\Z)", text)
    return found[1] if found else b""


# -- the policy -----------------------------------------------------------------------------


def _policy(
    domain: str, fetched: Fetched, ours: str, exchanges: Sequence[str], *, known: bool
) -> Finding:
    """known: is there a record, so that senders look for it?"""
    bad: Status = "fail" if known else "warn"

    def finding(status: Status, detail: str, cure: str = "") -> Finding:
        return Finding("mta-sts-policy", domain, status, detail, cure)

    if fetched.trouble:
        return finding("warn" if fetched.inside else bad, fetched.trouble, fetched.cure)
    found = parse_policy(fetched.text)
    restart = f"point {policy_host(domain)} to this server; a changed MTA_STS needs a restart"
    if found is None:
        return finding(bad, f"no valid policy: {quote(fetched.text)}", restart)
    missing = [host for host in exchanges if host and not covers(found, host)]
    if found.mode != "none" and missing:
        return finding(
            bad,
            f"the policy (mode {found.mode}) does not list the MX {', '.join(missing)}: senders "
            + ("do not deliver to it" if found.mode == "enforce" else "report it"),
            "remove the other MX records: this server's policy lists its own name alone",
        )
    if found != parse_policy(ours.encode()):
        return finding(bad, f"another policy than this server's: {_shown(found)}", restart)
    return finding("ok", f"senders get it: {_shown(found)}")


def _shown(policy: Policy) -> str:
    names = f", mx {', '.join(policy.mx)}" if policy.mx else ""
    return f"mode {policy.mode}{names}"
