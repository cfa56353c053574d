"""The fixtures of the container tests, and the one configuration that most of them share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .harness.signpost import Signpost
from .harness.target import build_image
from .harness.world import World

ALICE = ("alice@example.org", "alice's $ecret: with a colon")
BOB = ("bob@example.net", "bob-secret")
CAROL = ("carol@sub.example.org", "carol-secret")

STANDARD = {
    "MAIL_HOSTNAME": "mail.example.org",
    "DOMAINS": "example.org, example.net, sub.example.org",
    "ACCOUNTS": "\n".join(f"{address}:{secret}" for address, secret in (ALICE, BOB, CAROL)),
    "ALIASES": "\n".join(
        [
            "info@example.org: alice@example.org, bob@example.net",
            "away@example.org: traveller@far.test",
            "lost@example.org: nobody@far.test",
            "later@example.org: later@far.test",
            "both@example.org: alice@example.org, two@far.test",
            "@example.net: bob@example.net",
        ]
    ),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test in this folder."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.container)


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """The peers' containers in a network of their own."""
    with World() as world:
        yield world


@pytest.fixture(scope="session")
def image(world: World) -> None:
    """The image under test, built."""
    world.build_image()


@pytest.fixture(scope="session")
def target_image() -> None:
    """The same image, for who needs no peers."""
    build_image()


@pytest.fixture(scope="session")
def signpost(world: World, image: None) -> Iterator[Signpost]:
    """A Signpost with the standard configuration, at the place that the MX records lead to.

    The DKIM records that it prints are published. Tests change nothing in it; the one mailbox
    that they share is read by a word that only their own message has.
    """
    with world.signpost(STANDARD, place=100) as signpost:
        world.publish_keys(signpost, "example.org", "example.net", "sub.example.org")
        yield signpost
