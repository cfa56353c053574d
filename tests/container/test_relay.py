"""Nobody relays without a login, whatever the trick and wherever they seem to come from."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import ALICE
from .harness.shell import fresh
from .harness.signpost import Signpost
from .harness.swaks import Swaks
from .harness.world import World

# What stands in RCPT TO. {out}: postfix's IPv4 address, {out6}: its IPv6, {own}: Signpost's.
TRICKS = {
    "plainly": "victim@far.test",
    "trailing dot": "victim@far.test.",
    "upper case": "VICTIM@FAR.TEST",
    "source route": "@example.org:victim@far.test",
    "source route by our host": "@mail.example.org:victim@far.test",
    "long source route": "@example.org,@mail.example.org:victim@far.test",
    "source route to ourselves": "@far.test:victim%far.test@example.org",
    "percent hack": "victim%far.test@example.org",
    "percent hack by our host": "victim%far.test@mail.example.org",
    "percent hack by our address": "victim%far.test@[{own}]",
    "percent hack by localhost": "victim%far.test@localhost",
    "percent hack twice": "victim%far.test%example.net@example.org",
    "percent hack without domain": "victim%far.test",
    "two at signs": "victim@far.test@example.org",
    "two at signs the other way": "victim@example.org@far.test",
    "quoted address": '"victim@far.test"',
    "quoted address at ours": '"victim@far.test"@example.org',
    "quoted percent": '"victim%far.test"@example.org',
    "quoted escape": '"victim\\@far.test"@example.org',
    "quoted source route": '"@far.test:victim"@example.org',
    "bang path": "far.test!victim",
    "bang path at ours": "far.test!victim@example.org",
    "bang path by our host": "mail.example.org!far.test!victim",
    "bang path and percent": "far.test!victim%far.test@example.org",
    "address literal": "victim@[{out}]",
    "IPv6 literal": "victim@[IPv6:{out6}]",
    "bare address": "victim@{out}",
    "localhost": "victim@localhost",
    "loopback literal": "victim@[127.0.0.1]",
    "our address": "victim@[{own}]",
    "our host name": "victim@mail.example.org",
    "host below ours": "victim@x.example.org",
    "ends like ours": "victim@notexample.org",
    "ours as a prefix": "victim@example.org.far.test",
    "ours as a local part": "example.org@far.test",
    "forged SRS": "SRS0=AAAA=BB=far.test=victim@example.org",
    "forged SRS again": "SRS1=AAAA=far.test==BBBB=CC=far.test=victim@example.org",
    "command separator": "victim@far.test;alice@example.org",
    "space": "victim@far.test alice@example.org",
    "NUL escape": "victim@far.test\\0@example.org",
}
SENDERS = {
    "outside": "someone@outside.test",
    "ours": ALICE[0],
    "null": "",
    "our host": "MAILER-DAEMON@mail.example.org",
}

# Where a client can come from: the network, the container's own address, its loopback addresses.
ORIGINS: dict[str, Callable[[World, Signpost], tuple[Swaks, str]]] = {
    "the network": lambda world, signpost: (world.swaks, signpost.v4),
    "its own address": lambda world, signpost: (signpost.inside(), signpost.v4),
    "its own IPv6 address": lambda world, signpost: (signpost.inside(), signpost.v6),
    "127.0.0.1": lambda world, signpost: (signpost.inside(), "127.0.0.1"),
    "::1": lambda world, signpost: (signpost.inside(), "::1"),
}


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("sender", SENDERS)
def test_every_trick_is_refused_without_a_login(
    world: World, signpost: Signpost, origin: str, sender: str
) -> None:
    swaks, server = ORIGINS[origin](world, signpost)
    names = {"out": world.address(25)[0], "out6": world.address(25)[1], "own": signpost.v4}
    recipients = {name: trick.format(**names) for name, trick in TRICKS.items()}
    # A session for each: an earlier refusal must not be what refuses the next.
    sessions = [
        ("EHLO x.test", f"MAIL FROM:<{SENDERS[sender]}>", f"RCPT TO:<{recipient}>")
        for recipient in recipients.values()
    ]
    answers = swaks.say(server, 25, *sessions)
    taken = [
        f"{name}: {answer.outcome}"
        for name, answer in zip(recipients, answers, strict=True)
        if not 500 <= answer.code < 600
    ]
    assert not taken


def test_the_same_sessions_would_take_mail_for_ours(world: World, signpost: Signpost) -> None:
    """The control: it is the recipient that the tricks are refused for."""
    for origin in ORIGINS.values():
        swaks, server = origin(world, signpost)
        assert swaks(server, to=ALICE[0], quit_after="RCPT").code == 250


def test_a_login_relays(world: World, signpost: Signpost) -> None:
    """The other control: the same recipient, with a login."""
    welcome = f"{fresh('welcome')}@far.test"
    assert signpost.submit(world.swaks, ALICE, to=welcome).code == 250
    assert world.outside.wait_for_mail(welcome)


def test_a_refusal_says_why(world: World, signpost: Signpost) -> None:
    refused = world.swaks(signpost.v4, to="victim@far.test", quit_after="RCPT").outcome
    assert refused.code == 550
    assert refused.text.startswith("5.7.1 ")


def test_nothing_of_it_reached_the_victim(world: World, signpost: Signpost) -> None:
    assert world.outside.received("victim@far.test") == []
    assert "victim" not in signpost.exec("signpost", "queue", "list")
