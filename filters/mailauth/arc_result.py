"""What the verification of an ARC chain found (RFC 8617 §5.2): a value, and no more.

It must not know how a chain is verified or sealed, nor who is trusted.
"""

from dataclasses import dataclass
from typing import Literal

from filters.mailauth.auth_results_parser import MethodResult

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
