"""What was found out about a message, as JSON: for people and tests, line by line."""

from __future__ import annotations

import re
from typing import Any

from filters.capture.zones import RecordingResolver
from filters.mailauth.message_result import MessageResult
from filters.verifier import Judgement

_FIELD = re.compile(rb"^Authentication-Results:(.*?)\r\n(?![ \t])", re.DOTALL | re.MULTILINE)


def verdict_json(
    judged: Judgement, resolver: RecordingResolver, stamped: bytes, *, enforced: bool
) -> dict[str, Any]:
    """enforced: whether this server does itself what the disposition says."""
    verdict, decision = judged.verdict, judged.decision
    field = _FIELD.search(stamped)
    return {
        "SPF": _spf(verdict),
        "DKIM": [
            {
                "Result": each.result,
                "Domain": each.domain,
                "Selector": each.selector,
                "Algorithm": each.algorithm,
                "Identity": each.identity,
                "Reason": each.reason,
            }
            for each in verdict.dkim
        ],
        "DMARC": _dmarc(verdict),
        "ARC": {
            "Result": verdict.arc.result,
            "Instances": verdict.arc.instances,
            "Sealer": verdict.arc.sealer or "",
            "Reason": verdict.arc.reason,
        },
        "IPRev": _iprev(verdict),
        "Disposition": decision.disposition,
        "Reason": decision.reason,
        "Enforced": enforced,
        "DNS": resolver.to_json(),
        "AuthenticationResults": " ".join(field[1].decode("ascii").split()) if field else "",
    }


def _spf(verdict: MessageResult) -> dict[str, Any] | None:
    spf = verdict.spf
    if spf is None:
        return None
    return {
        "Result": spf.result,
        "Identity": spf.identity,
        "Domain": spf.domain,
        "Sender": spf.sender,
        "Reason": spf.reason,
        "Explanation": spf.explanation,
    }


def _dmarc(verdict: MessageResult) -> dict[str, Any]:
    dmarc = verdict.dmarc
    return {
        "Result": dmarc.result,
        "Domain": dmarc.author_domain or "",
        "OrganizationalDomain": dmarc.organizational_domain or "",
        "Policy": dmarc.policy,
        "Aligned": [
            {"Method": each.method.upper(), "Domain": each.domain} for each in dmarc.aligned
        ],
        "Reason": dmarc.reason,
    }


def _iprev(verdict: MessageResult) -> dict[str, Any] | None:
    for result in verdict.results():
        if result.method == "iprev":
            return {"Result": result.result, "Name": verdict.envelope.client_name or ""}
    return None
