"""Mail through a relay host: the login, and the certificate that must be right before it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .harness.messages import letter
from .harness.peers import Outside
from .harness.shell import fresh, wait_until
from .harness.signpost import Signpost
from .harness.world import World

ALICE = ("alice@example.org", "secret1")
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


@pytest.fixture(scope="module")
def trusting(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The mount that makes a Signpost trust the authority of postfix's certificate."""
    bundle = tmp_path_factory.mktemp("authority") / "ca.pem"
    bundle.write_bytes(world.outside.authority())
    return {BUNDLE: bundle}


@contextmanager
def relaying(world: World, mounts: dict[str, Path], **relay: str) -> Iterator[Signpost]:
    environment = {
        "DOMAINS": "example.org",
        "ACCOUNTS": ":".join(ALICE),
        "RELAY_HOST": "relay.outside.test",
        **relay,
    }
    with world.signpost(environment, mounts=mounts) as signpost:
        yield signpost


def submit(world: World, signpost: Signpost) -> str:
    """Hand in a letter for someone outside; the address."""
    recipient = fresh("reader") + "@far.test"
    signpost.submit(world.swaks, ALICE, to=recipient, message=letter(ALICE[0])).accepted()
    return recipient


RIGHT = {"RELAY_USER": Outside.user, "RELAY_PASSWORD": Outside.password}


@pytest.mark.parametrize("port", ["", "587", "465"], ids=["no port", "587", "465"])
def test_it_logs_in_and_relays(
    world: World, image: None, trusting: dict[str, Path], port: str
) -> None:
    with relaying(world, trusting, **RIGHT, RELAY_PORT=port) as signpost:
        received = world.outside.wait_for_mail(submit(world, signpost))
        assert b"with ESMTPSA" in received.message
        assert Outside.password not in signpost.logs()


@pytest.mark.parametrize(
    ("wrong", "cause"),
    [
        ({"RELAY_PASSWORD": "wrong"}, "535"),
        ({"RELAY_HOST": "other.outside.test"}, "(?i:certificate|tls|ssl)"),
        ({"RELAY_PORT": "2587"}, "(?i:certificate|tls|ssl)"),
        ({"RELAY_PORT": "2525"}, "(?i:tls)"),
    ],
    ids=["wrong password", "another name", "untrusted certificate", "no TLS"],
)
def test_what_is_wrong_is_logged_and_the_mail_stays_queued(
    world: World,
    image: None,
    trusting: dict[str, Path],
    wrong: dict[str, str],
    cause: str,
) -> None:
    logins = world.outside.logs().count("sasl_username")
    with relaying(world, trusting, **{**RIGHT, **wrong}) as signpost:
        recipient = submit(world, signpost)
        signpost.wait_for_log(rf"mta (error|delivery).*({cause})")
        wait_until(lambda: recipient in signpost.exec("signpost", "queue", "list"), "the queue")
        assert world.outside.received(recipient) == []
        if "RELAY_PASSWORD" not in wrong:
            # The password was not given to a host that had not proved its name.
            assert world.outside.logs().count("sasl_username") == logins


def test_an_authority_that_nobody_trusts_gets_no_password(world: World, image: None) -> None:
    with relaying(world, {}, **RIGHT) as signpost:
        recipient = submit(world, signpost)
        signpost.wait_for_log(r"mta (error|delivery).*((?i:certificate|tls|ssl))")
        assert world.outside.received(recipient) == []


def test_without_a_login_any_certificate_may_do(world: World, image: None) -> None:
    with relaying(world, {}, RELAY_PORT="25", RELAY_TLS="no-verify") as signpost:
        received = world.outside.wait_for_mail(submit(world, signpost))
        assert b"with ESMTPS" in received.message


def test_without_a_login_no_certificate_may_do(world: World, image: None) -> None:
    with relaying(world, {}, RELAY_PORT="2526", RELAY_TLS="no") as signpost:
        received = world.outside.wait_for_mail(submit(world, signpost))
        assert b"with ESMTP id" in received.message or b"with ESMTP\r\n" in received.message
