"""What becomes of mail by its author domain's DMARC policy: each outcome, as a client sees it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from filters.mailauth.arc.seal import seal
from filters.mailauth.auth_results import MethodResult
from filters.mailauth.dkim.signing_key import load_signing_key
from filters.mailauth.message import Message
from filters.mailauth.results import ArcResult

from .conftest import ALICE, STANDARD
from .harness.messages import key_pair, letter
from .harness.shell import fresh, run
from .harness.signpost import PEERS, Signpost
from .harness.swaks import Conversation, Swaks
from .harness.world import World

JUNK = "Maildir/.Junk"


def send(
    world: World,
    signpost: Signpost,
    domain: str,
    token: str,
    *,
    source: str = "stranger",
    to: str = ALICE[0],
    message: bytes | None = None,
) -> Conversation:
    author = f"someone@{domain}"
    return world.swaks(
        signpost.v4,
        source=getattr(world, source)[0],
        sender=author,
        to=to,
        message=message or letter(author, token=token),
    )


def decision(signpost: Signpost, token: str) -> str:
    """The line that tells what was decided about a message."""
    return signpost.wait_for_log(rf".* author=.* disposition=.*{token}.*")[0]


class TestPolicy:
    def test_a_failure_of_a_rejecting_domain_is_refused_with_the_reason(
        self, world: World, signpost: Signpost
    ) -> None:
        token = fresh("dmarc")
        refused = send(world, signpost, "reject.policy.test", token).outcome
        assert refused.code == 550
        assert refused.text.startswith("5.7.26 ")
        assert "reject.policy.test" in refused.text
        line = decision(signpost, token)
        assert "author=reject.policy.test " in line
        for part in ("disposition=reject", "dmarc=fail", "spf=fail", f"client={world.stranger[0]}"):
            assert part in line

    def test_a_subdomain_that_does_not_exist_has_the_policy_for_it(
        self, world: World, signpost: Signpost
    ) -> None:
        token = fresh("dmarc")
        send(world, signpost, "made-up.reject.policy.test", token).accepted()
        assert b"X-Spam: yes\n" in signpost.wait_for_mail(ALICE[0], token, folder=JUNK)

    def test_what_passes_is_delivered(self, world: World, signpost: Signpost) -> None:
        token = fresh("dmarc")
        send(world, signpost, "reject.policy.test", token, source="allowed").accepted()
        stored = signpost.wait_for_mail(ALICE[0], token)
        assert re.search(rb"dmarc=pass[^;]*header\.from=reject\.policy\.test", stored)
        assert b"X-Spam" not in stored

    def test_a_failure_of_a_quarantining_domain_is_delivered_as_junk(
        self, world: World, signpost: Signpost
    ) -> None:
        token = fresh("dmarc")
        send(world, signpost, "quarantine.policy.test", token).accepted()
        stored = signpost.wait_for_mail(ALICE[0], token, folder=JUNK)
        assert stored.count(b"X-Spam: yes\n") == 1
        assert b"dmarc=fail" in stored

    @pytest.mark.parametrize("domain", ["none.policy.test", "bare.policy.test"])
    def test_without_a_policy_a_failure_is_only_told(
        self, world: World, signpost: Signpost, domain: str
    ) -> None:
        """`-all` alone never rejects."""
        token = fresh("dmarc")
        send(world, signpost, domain, token).accepted()
        stored = signpost.wait_for_mail(ALICE[0], token)
        assert b"spf=fail" in stored
        assert b"X-Spam" not in stored

    def test_what_cannot_be_told_now_is_asked_for_again(
        self, world: World, signpost: Signpost
    ) -> None:
        refused = send(world, signpost, "late.policy.test", fresh("dmarc")).outcome
        assert refused.code == 451
        assert refused.text.startswith("4.7.5 ")
        assert "late.policy.test" in refused.text

    @pytest.mark.parametrize("role", ["postmaster@example.org", "abuse@example.net"])
    def test_mail_to_a_role_is_never_rejected(
        self, world: World, signpost: Signpost, role: str
    ) -> None:
        send(world, signpost, "reject.policy.test", fresh("dmarc"), to=role).accepted()

    def test_two_authors_are_no_author(self, world: World, signpost: Signpost) -> None:
        message = b"From: someone@outside.test\r\n" + letter("other@reject.policy.test")
        refused = send(
            world, signpost, "outside.test", "", source="allowed", message=message
        ).outcome
        assert refused.code == 550
        assert refused.text.startswith("5.7.26 ")

    def test_a_client_behind_dockers_gateway_may_be_anyone(
        self, world: World, signpost: Signpost
    ) -> None:
        token, name = fresh("dmarc"), fresh("signpost-test-host")
        run(
            *("docker", "run", "--detach", "--rm", "--init", "--name", name, "--network", "host"),
            *("--entrypoint", "sleep", PEERS, "infinity"),
        )
        try:
            Swaks(name)(
                signpost.v4,
                sender="someone@reject.policy.test",
                to=ALICE[0],
                message=letter("someone@reject.policy.test", token=token),
            ).accepted()
        finally:
            run("docker", "rm", "--force", name)
        assert b"X-Spam: yes\n" in signpost.wait_for_mail(ALICE[0], token, folder=JUNK)


@pytest.fixture(scope="module")
def sealer(world: World) -> tuple[bytes, str]:
    """A forwarder's key, published: its PEM and selector in outside.test."""
    private, record = key_pair()
    selector = fresh("arc")
    world.ns.publish("outside.test", f"{selector}._domainkey.outside.test. 1 IN TXT {record}")
    return private, selector


@pytest.fixture(scope="module")
def lenient(world: World, image: None) -> Iterator[Signpost]:
    """A server that trusts outside.test's seals, seals what it forwards, and never rejects."""
    changed = {
        "DMARC_ENFORCE": "quarantine",
        "ARC_TRUSTED_SEALERS": "outside.test",
        "ARC_SEAL": "yes",
        "DKIM_SELECTOR": "lenient",
    }
    with world.signpost({**STANDARD, **changed}, place=102) as signpost:
        yield signpost


class TestForwarders:
    def test_quarantine_at_most(self, world: World, lenient: Signpost) -> None:
        token = fresh("dmarc")
        send(world, lenient, "reject.policy.test", token).accepted()
        assert b"X-Spam: yes\n" in lenient.wait_for_mail(ALICE[0], token, folder=JUNK)

    @pytest.mark.parametrize(
        ("said", "junk"), [("pass", False), ("fail", True)], ids=["it passed", "it failed"]
    )
    def test_a_trusted_forwarders_word_counts(
        self, world: World, lenient: Signpost, sealer: tuple[bytes, str], said: str, junk: bool
    ) -> None:
        token = fresh("arc")
        author = "someone@reject.policy.test"
        message = sealed(letter(author, token=token), sealer, said)
        send(world, lenient, "reject.policy.test", token, message=message).accepted()
        stored = lenient.wait_for_mail(ALICE[0], token, folder=JUNK if junk else "Maildir")
        assert b"arc=pass" in stored
        assert b"dmarc=fail" in stored

    def test_a_stranger_who_seals_is_not_believed(
        self, world: World, signpost: Signpost, sealer: tuple[bytes, str]
    ) -> None:
        message = sealed(letter("someone@reject.policy.test"), sealer, "pass")
        refused = send(world, signpost, "reject.policy.test", "", message=message).outcome
        assert refused.code == 550

    def test_what_is_forwarded_is_sealed_and_mailboxes_see_the_seal(
        self, world: World, lenient: Signpost
    ) -> None:
        world.publish_keys(lenient, "example.org")
        token = fresh("arc")
        message = letter("someone@outside.test", to="both@example.org", token=token)
        send(
            world,
            lenient,
            "outside.test",
            token,
            source="allowed",
            to="both@example.org",
            message=message,
        ).accepted()
        away = world.outside.wait_for_mail("two@far.test", token).message
        here = lenient.wait_for_mail(ALICE[0], token)
        for copy in (away, here):
            for name in (b"ARC-Seal", b"ARC-Message-Signature", b"ARC-Authentication-Results"):
                assert len(re.findall(rb"(?mi)^" + name + rb": *i=1;", copy)) == 1
        assert world.verify_arc(away) == "pass"

    def test_what_stays_is_not_sealed(self, world: World, lenient: Signpost) -> None:
        token = fresh("arc")
        send(world, lenient, "outside.test", token, source="allowed").accepted()
        assert b"ARC-" not in lenient.wait_for_mail(ALICE[0], token)


def sealed(message: bytes, sealer: tuple[bytes, str], said: str) -> bytes:
    """The message as a forwarder passes it on, who says what it saw of DMARC."""
    key = load_signing_key("outside.test", sealer[1], sealer[0])
    results = [
        MethodResult("dmarc", said, properties=(("header.from", "reject.policy.test"),)),
    ]
    chain = ArcResult("none", 0, None, "")
    arc_set = seal(
        Message(message), chain=chain, authserv_id="mx.outside.test", results=results, key=key
    )
    return arc_set + message
