"""Would a sender of mail find our MTA-STS policy, and keep to it? (RFC 8461; TLS-RPT: RFC 8460)

It judges; policy_fetch.py has fetched the policy.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from entrypoint.doctor.finding import Finding, Status, not_checked, quote
from entrypoint.doctor.policy_fetch import Fetched, Sender, fetch
from entrypoint.doctor.this_server import ThisServer
from entrypoint.web.mta_sts import Policy, covers, parse_policy, policy_host, record
from filters.mailauth.dns.resolver import DnsTemporaryError, Resolver


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
        return [not_checked("mta-sts", domain, error.reason)]
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
