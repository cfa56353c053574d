"""MTA-STS: the policy, and its records (RFC 8461), with TLS-RPT's (RFC 8460)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Literal, get_args

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


@dataclass(frozen=True)
class Policy:
    """What a policy says (§3.2). mx: patterns, in lower case. max_age: seconds."""

    mode: Mode
    mx: tuple[str, ...]
    max_age: int


def parse_policy(text: bytes) -> Policy | None:
    """What a sender makes of a policy's file; None where it is no valid one (§3.2)."""
    first: dict[str, str] = {}
    mx: list[str] = []
    for line in text.decode("utf-8", "replace").splitlines():
        key, colon, value = line.partition(":")
        key, value = key.strip(), value.strip()
        if line.strip() and not colon:
            return None
        if key == "mx":
            mx.append(value.lower().removesuffix("."))
        else:
            first.setdefault(key, value)  # of what is there twice, the first counts
    mode = next((mode for mode in get_args(Mode) if mode == first.get("mode")), None)
    age = first.get("max_age", "")
    if first.get("version") != "STSv1" or mode is None or not re.fullmatch("[0-9]{1,10}", age):
        return None
    if mode != "none" and not mx:
        return None
    return Policy(mode, tuple(mx), int(age))


def covers(found: Policy, host: str) -> bool:
    """Is a host among the policy's mx (§4.1)? A "*" stands for the first label."""
    host = host.lower().removesuffix(".")
    parent = host.partition(".")[2]
    return any(pattern in (host, f"*.{parent}") for pattern in found.mx)
