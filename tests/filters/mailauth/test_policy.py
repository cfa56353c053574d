"""What becomes of a message: the owner's policy, the operator's, and who must be heard anyway."""

from collections.abc import Sequence
from typing import Any

import pytest

from filters.mailauth.auth_results import MethodResult
from filters.mailauth.authenticate import Envelope, MessageResult
from filters.mailauth.dmarc.alignment import Identifier
from filters.mailauth.dmarc.evaluate import DmarcResult
from filters.mailauth.message import Author
from filters.mailauth.policy import Decision, decide
from filters.mailauth.results import ArcResult, SpfResult

DOMAIN = "example.org"
EXACT = (Identifier("dkim", DOMAIN),)
NO_CHAIN = ArcResult("none", 0, None, "")
SPF_NONE = SpfResult("none", "mailfrom", "b.example", "a@b.example", "")


def dmarc(result: Any, policy: Any = "reject", aligned: tuple[Identifier, ...] = ()) -> DmarcResult:
    domain = None if result == "permerror" else DOMAIN
    return DmarcResult(result, domain, domain, policy, "why", aligned)


def arc(
    *said: MethodResult, result: Any = "pass", sealer: str | None = "list.example", **more: Any
) -> ArcResult:
    return ArcResult(result, 1, sealer, "", said, **more)


def decided(
    found: DmarcResult,
    *,
    enforce: Any = "yes",
    chain: ArcResult = NO_CHAIN,
    spf: SpfResult | None = SPF_NONE,
    trusted: Sequence[str] = ("list.example",),
    recipients: Sequence[str] = ("bob@example.net",),
    client: str | None = "192.0.2.1",
    **envelope: Any,
) -> Decision:
    facts = Envelope(client, "h.example", "a@b.example", tuple(recipients), **envelope)
    author = Author(found.author_domain, (), "", well_formed=True)
    verdict = MessageResult(spf, (), author, found, chain)
    return decide(verdict, facts, enforce=enforce, trusted_sealers=frozenset(trusted))


# result, policy, aligned → by DMARC_ENFORCE: yes, quarantine, no
OWNERS = [
    ("pass", "reject", EXACT, "none", "none", "none"),
    ("none", None, (), "none", "none", "none"),
    ("fail", "none", (), "none", "none", "none"),
    ("fail", "quarantine", (), "quarantine", "quarantine", "none"),
    ("fail", "reject", (), "reject", "quarantine", "none"),
    ("permerror", None, (), "reject", "quarantine", "none"),
    ("temperror", None, (), "none", "none", "none"),
    ("temperror", "reject", (), "defer", "defer", "none"),
    ("temperror", "quarantine", (), "defer", "defer", "none"),
    ("temperror", "none", (), "none", "none", "none"),
    ("temperror", None, EXACT, "none", "none", "none"),
]


@pytest.mark.parametrize(("result", "policy", "aligned", "yes", "quarantine", "no"), OWNERS)
def test_the_owner_asks_and_the_operator_decides(
    result: str, policy: str | None, aligned: Any, yes: str, quarantine: str, no: str
) -> None:
    found = dmarc(result, policy, aligned)
    by = {word: decided(found, enforce=word).disposition for word in ("yes", "quarantine", "no")}
    assert by == {"yes": yes, "quarantine": quarantine, "no": no}


@pytest.mark.parametrize(
    ("recipients", "fail", "temperror"),
    [
        (("postmaster@example.net",), "quarantine", "none"),
        (("Abuse@example.net", "POSTMASTER@example.net", "postmaster"), "quarantine", "none"),
        (("postmaster@example.net", "bob@example.net"), "reject", "defer"),
        (("postmaster.bob@example.net",), "reject", "defer"),
        ((), "reject", "defer"),
    ],
)
def test_postmaster_and_abuse_are_always_reached(
    recipients: tuple[str, ...], fail: str, temperror: str
) -> None:
    assert decided(dmarc("fail"), recipients=recipients).disposition == fail
    assert decided(dmarc("temperror"), recipients=recipients).disposition == temperror
    permerror = decided(dmarc("permerror", None), recipients=recipients)
    assert permerror.disposition == fail


@pytest.mark.parametrize("found", [dmarc("fail"), dmarc("permerror", None)])
def test_a_client_behind_a_proxy_is_not_refused(found: DmarcResult) -> None:
    assert decided(found, client_unknown=True).disposition == "quarantine"


@pytest.mark.parametrize(
    "found", [dmarc("fail"), dmarc("permerror", None), dmarc("temperror")], ids=lambda d: d.result
)
@pytest.mark.parametrize("facts", [{"user": "alice"}, {"client": None}])
def test_our_own_users_and_the_machine_itself_are_not_judged(
    found: DmarcResult, facts: dict[str, Any]
) -> None:
    assert decided(found, **facts) == Decision("none", "")


def said(method: str, result: str, name: str, value: str) -> MethodResult:
    return MethodResult(method, result, properties=((name, value),))


PASSED = said("dmarc", "pass", "header.from", DOMAIN)
OTHER = said("dmarc", "pass", "header.from", "other.example")
DENIED = said("dmarc", "fail", "header.from", DOMAIN)
SIGNED = said("dkim", "pass", "header.d", DOMAIN)

CHAINS = [
    ("dmarc passed there", arc(PASSED), "none"),
    ("the sealer's case is no matter", arc(PASSED, sealer="LIST.example"), "none"),
    ("another author then", arc(OTHER), "reject"),
    ("dmarc failed there", arc(DENIED), "reject"),
    ("its word on DMARC counts alone", arc(DENIED, SIGNED), "reject"),
    ("an IDN or a case", arc(said("dmarc", "pass", "header.from", "Example.ORG")), "none"),
    ("a signature of the domain", arc(SIGNED), "none"),
    ("a sender of the domain", arc(said("spf", "pass", "smtp.mailfrom", "a@example.org")), "none"),
    ("one of a subdomain", arc(said("dkim", "pass", "header.d", "a.example.org")), "reject"),
    ("a signature that failed", arc(said("dkim", "fail", "header.d", DOMAIN)), "reject"),
    ("a HELO name", arc(said("spf", "pass", "smtp.helo", DOMAIN)), "reject"),
    ("it said nothing", arc(), "reject"),
    ("a stranger's chain", arc(PASSED, sealer="stranger.example"), "reject"),
    ("a subdomain of the trusted", arc(PASSED, sealer="a.list.example"), "reject"),
    ("nobody's chain", arc(PASSED, sealer=None), "reject"),
    ("a broken chain", arc(PASSED, result="fail"), "reject"),
    ("no chain", arc(result="none"), "reject"),
    ("a chain that DNS cannot tell of", arc(result="fail", temporary=True), "defer"),
    ("and a stranger's", arc(result="fail", temporary=True, sealer="x.example"), "reject"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("chain", "disposition"), [c[1:] for c in CHAINS], ids=[c[0] for c in CHAINS]
)
def test_a_trusted_forwarder_can_vouch(chain: ArcResult, disposition: str) -> None:
    assert decided(dmarc("fail"), chain=chain).disposition == disposition


def test_a_vouched_message_is_not_deferred_either() -> None:
    assert decided(dmarc("temperror"), chain=arc(PASSED)).disposition == "none"


def test_nobody_vouches_for_nobody() -> None:
    assert decided(dmarc("permerror", None), chain=arc(PASSED)).disposition == "reject"


def test_no_sealer_is_trusted_unless_named() -> None:
    assert decided(dmarc("fail"), chain=arc(PASSED), trusted=()).disposition == "reject"


def test_a_failure_that_spf_could_have_averted_is_none() -> None:
    """SPF=no, or no pyspf: half of DMARC was not looked at."""
    assert decided(dmarc("fail"), spf=None).disposition == "none"
    assert decided(dmarc("permerror", None), spf=None).disposition == "reject"


def test_the_reason_is_dmarc_s() -> None:
    assert decided(dmarc("fail")).reason == "why"
    assert "list.example" in decided(dmarc("fail"), chain=arc(PASSED)).reason
    assert decided(dmarc("fail"), enforce="no").reason == "not enforced: why"
