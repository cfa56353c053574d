"""MTA-STS: the policy, and the records that lead to it (RFC 8461), with TLS-RPT's (RFC 8460)."""

from __future__ import annotations

import hashlib
from typing import Literal

Mode = Literal["testing", "enforce", "none"]

# Seconds. RFC 8461 §3.2 expects weeks; while one only tries, or withdraws, a day is soon over.
_MAX_AGE: dict[Mode, int] = {"testing": 86_400, "enforce": 14 * 86_400, "none": 86_400}


def policy(mode: Mode, host: str) -> str:
    """The policy of every domain whose one MX is the host (§3.2)."""
    lines = ("version: STSv1", f"mode: {mode}", f"mx: {host}", f"max_age: {_MAX_AGE[mode]}")
    return "".join(f"{line}\r\n" for line in lines)


def policy_host(domain: str) -> str:
    """Where a domain's policy is looked for (§3.3)."""
    return f"mta-sts.{domain}"


def record(text: str) -> str:
    """The TXT record at `_mta-sts.DOMAIN`: another policy has another id (§3.1, 32 at most)."""
    return f"v=STSv1; id={hashlib.sha256(text.encode()).hexdigest()[:32]}"


def report_record(domain: str) -> str:
    """The TXT record at `_smtp._tls.DOMAIN` (RFC 8460 §3)."""
    return f"v=TLSRPTv1; rua=mailto:postmaster@{domain}"
