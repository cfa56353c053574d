"""What SPF, DKIM and ARC found out about a message: typed results, and no more.

It must not know how anything is verified, nor who is trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from filters.mailauth.auth_results_parser import MethodResult

# RFC 8601 §2.7.1 and §2.7.2.
DkimWord = Literal["pass", "fail", "neutral", "none", "policy", "temperror", "permerror"]
SpfWord = Literal["pass", "fail", "softfail", "neutral", "none", "temperror", "permerror"]
# RFC 8617 §4.4, and all that RFC 8601's registry has for the method arc.
ChainStatus = Literal["none", "pass", "fail"]


@dataclass(frozen=True)
class ArcHop:
    """What one sealer of a chain that passes vouches for.

    sealer: d= of its ARC-Seal. authserv_id, results: what its ARC-Authentication-Results says,
    None and empty where that cannot be read.
    """

    sealer: str
    authserv_id: str | None
    results: tuple[MethodResult, ...]


@dataclass(frozen=True)
class ArcResult:
    """What became of the message's chain.

    result: cv= in a next seal would say so, unless `temporary`: then DNS could not tell, the
    chain is not believed, and it must not be sealed as failed either. instances: the highest
    instance of any ARC field, 0 for none. sealer: d= of the newest ARC-Seal, None where it cannot
    be read; a claim unless the result is pass. results, authserv_id: what the newest
    ARC-Authentication-Results says, and hops: every set from the oldest; all three are empty
    unless the result is pass.
    """

    result: ChainStatus
    instances: int
    sealer: str | None
    reason: str
    results: tuple[MethodResult, ...] = ()
    authserv_id: str | None = None
    temporary: bool = False
    hops: tuple[ArcHop, ...] = ()


@dataclass(frozen=True)
class DkimResult:
    """What became of one signature.

    result: RFC 8601's word. domain, identity, selector, algorithm: d=, i=, s=, a=, "" where they
    cannot be read. signature_b: the first characters of b=, at least 8 and unique in the message
    (RFC 6008). testing: the key says t=y.
    """

    result: DkimWord
    domain: str
    identity: str
    selector: str
    algorithm: str
    signature_b: str
    reason: str
    testing: bool = False


@dataclass(frozen=True)
class SpfResult:
    """What SPF says of one identity.

    identity: "mailfrom", or "helo" for the null sender. domain: what was checked, "" if there is
    none. sender: MAIL FROM's address, or the HELO name. explanation: what the domain says about a
    fail; a stranger's text.
    """

    result: SpfWord
    identity: Literal["mailfrom", "helo"]
    domain: str
    sender: str
    reason: str
    explanation: str = ""
