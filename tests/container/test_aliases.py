"""Long lists, deep chains, tags, alias domains and an account's copies: each gets its one copy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from .harness.imap import mailbox
from .harness.messages import letter
from .harness.shell import fresh, wait_until
from .harness.signpost import Signpost
from .harness.world import World

ALICE = ("alice@example.org", "alice-has-a-secret")
BOB = ("bob@example.org", "bob-has-a-secret")
CAROL = ("carol@sub.example.org", "carol-has-a-secret")
# More than smtpd reads behind one name.
MANY = [f"one-of-very-many-{number}@far.test" for number in range(90)]
DEPTH = 30

ALIASES = [
    f"many@example.org: {', '.join([ALICE[0], *MANY, 'inner@example.org', BOB[0]])}",
    f"inner@example.org: {BOB[0]}, {MANY[7]}",
    *(f"c{number}@example.org: c{number + 1}@example.org" for number in range(DEPTH)),
    f"c{DEPTH}@example.org: {ALICE[0]}",
    "info@example.org: c0@example.org",
    f"exact.lists@example.org: {ALICE[0]}",
    "@example.net: @example.org",
    f"own@example.net: {CAROL[0]}",
    f"{BOB[0]}: {BOB[0]}, copy@far.test",
    f"{CAROL[0]}: {CAROL[0]}, {ALICE[0]}, copy@far.test",
    f"all@example.org: {ALICE[0]}, {BOB[0]}, {CAROL[0]}, copy@far.test",
    f"@sub.example.org: {CAROL[0]}",
    "staff@sub.example.org: alice@example.org",
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def server(world: World, image: None, files: Path) -> Iterator[Signpost]:
    (files / "aliases").write_text("\n".join(ALIASES))
    environment = {
        "MAIL_HOSTNAME": "mail.example.org",
        "DOMAINS": "example.org, example.net, sub.example.org",
        "ACCOUNTS": "\n".join(f"{address}:{secret}" for address, secret in (ALICE, BOB, CAROL)),
        "ALIASES_FILE": "/mnt/aliases",
        "RECIPIENT_DELIMITER": ".",
        "SEND_AS": f"{BOB[0]}: @sub.example.org, {CAROL[0]}",
    }
    mounts = {"/mnt/aliases": files / "aliases"}
    with world.signpost(environment, place=125, mounts=mounts) as server:
        with mailbox(server.v4, ALICE) as box:
            box.session.create("lists")
        yield server


def send(world: World, server: Signpost, to: str) -> str:
    token = fresh("alias")
    world.swaks(
        server.v4,
        source=world.allowed[0],
        sender="someone@outside.test",
        to=to,
        message=letter(token=token),
    ).accepted()
    return token


def copies(world: World, server: Signpost, token: str, expected: list[str]) -> list[str]:
    """Everybody who got the message, once for each copy, when nothing of it waits any more."""

    def found() -> list[str]:
        here = [
            address
            for address, _ in (ALICE, BOB, CAROL)
            for folder in ("Maildir", "Maildir/.lists")
            for message in server.read_mail(address, folder)
            if token.encode() in message
        ]
        return sorted([*here, *world.outside.all_received(token)])

    wait_until(lambda: not server.exec("smtpctl", "show", "queue").strip(), "an empty queue")
    # The next hop has it, and may not have stored it yet.
    with suppress(AssertionError):
        wait_until(lambda: set(expected) <= set(found()), "all copies")
    return found()


def test_a_long_list_gets_one_copy_each(world: World, server: Signpost) -> None:
    token = send(world, server, "many@example.org")
    expected = sorted([ALICE[0], BOB[0], "copy@far.test", *MANY])
    assert copies(world, server, token, expected) == expected


@pytest.mark.parametrize(
    ("address", "folder"),
    [
        ("info.Lists@example.org", "INBOX"),
        ("info.lists@example.org", "lists"),
        ("c29.lists@example.net", "lists"),
        ("alice.lists@example.net", "lists"),
        ("staff.lists@sub.example.org", "lists"),
        ("all.lists@example.org", "lists"),
        ("exact.lists@example.org", "INBOX"),
        ("info@example.net", "INBOX"),
    ],
)
def test_a_tag_survives_aliases(world: World, server: Signpost, address: str, folder: str) -> None:
    token = send(world, server, address)
    with mailbox(server.v4, ALICE) as box:
        assert box.wait_for(token, folder)


@pytest.mark.parametrize(
    ("address", "owners"),
    [
        ("alice@example.net", [ALICE[0]]),
        ("ALICE@Example.NET", [ALICE[0]]),
        ("bob.x@example.org", [BOB[0], "copy@far.test"]),
        ("bob@example.net", [BOB[0], "copy@far.test"]),
        ("carol@sub.example.org", [CAROL[0], ALICE[0], "copy@far.test"]),
        ("any@sub.example.org", [CAROL[0], ALICE[0], "copy@far.test"]),
        ("own@example.net", [CAROL[0], ALICE[0], "copy@far.test"]),
        ("all@example.net", [ALICE[0], BOB[0], CAROL[0], "copy@far.test"]),
        ("postmaster@example.net", [ALICE[0]]),
    ],
)
def test_who_gets_one_copy(world: World, server: Signpost, address: str, owners: list[str]) -> None:
    token = send(world, server, address)
    assert copies(world, server, token, owners) == sorted(owners)


@pytest.mark.parametrize(
    "address",
    [
        "nobody@example.net",
        "nobody.x@example.net",
        "own@example.org",
        "bob.~@example.org",
        "bob.~=@example.org",
        "carol.~=x@sub.example.org",
    ],
)
def test_who_does_not_exist_is_refused(world: World, server: Signpost, address: str) -> None:
    assert world.swaks(server.v4, to=address, quit_after="RCPT").code == 550


@pytest.mark.parametrize(
    ("login", "sender", "may"),
    [
        (ALICE, "alice@example.net", True),
        (ALICE, "info.x@example.net", True),
        (ALICE, "bob@example.net", False),
        # Whoever gets copies of an account's mail is not that account.
        (ALICE, "carol@sub.example.org", False),
        (ALICE, "own@example.net", False),
        # Who has the catch-all sends as everybody who is nobody else.
        (CAROL, "anybody-at-all@sub.example.org", True),
        (CAROL, "postmaster@sub.example.org", False),
        (CAROL, "staff@sub.example.org", False),
        (CAROL, "staff.x@sub.example.org", False),
        (CAROL, "anybody@example.org", False),
        (ALICE, "anybody-at-all@sub.example.org", False),
        # And who is named for it.
        (BOB, "anybody-at-all@sub.example.org", True),
        (BOB, CAROL[0], True),
        (BOB, "staff@sub.example.org", False),
        (BOB, "anybody@example.org", False),
    ],
)
def test_who_may_send_as_whom(
    world: World, server: Signpost, login: tuple[str, str], sender: str, may: bool
) -> None:
    said = server.submit(world.swaks, login, to="x@far.test", sender=sender, message=letter(sender))
    assert said.code == (250 if may else 550), said.transcript


def test_a_copy_has_a_sender_of_the_domain_that_was_written_to(
    world: World, server: Signpost
) -> None:
    token = send(world, server, "bob@example.net")
    mail = world.outside.wait_for_mail("copy@far.test", token)
    assert re.fullmatch(r"SRS0=.*=outside\.test=someone@example\.net", mail.sender)


def test_aliases_change_while_it_runs(world: World, server: Signpost, files: Path) -> None:
    def command(line: str) -> None:
        server.exec("signpost", "alias", *line.split())

    command(f"add team@example.org {' '.join(MANY)}")
    before = server.exec("ls", "/run/signpost/tables/lists").split()
    command(f"add {ALICE[0]} {ALICE[0]} second-copy@far.test")
    command(f"add team@example.org {ALICE[0]} {BOB[0]}")
    after = server.exec("ls", "/run/signpost/tables/lists").split()
    assert len(before) == len(after) == 2, "what the table names no longer is removed"
    assert before != after
    token = send(world, server, "team@example.net")
    expected = sorted([ALICE[0], BOB[0], "copy@far.test", "second-copy@far.test", *MANY])
    assert copies(world, server, token, expected) == expected
    command(f"remove {ALICE[0]}")
    command("remove team@example.org")
    assert len(server.exec("ls", "/run/signpost/tables/lists").split()) == 1
    assert world.swaks(server.v4, to="team@example.net", quit_after="RCPT").code == 550
    # The long one is in the file: it follows, and the server goes on after a restart.
    (files / "aliases").write_text("\n".join(ALIASES[1:]))
    server.wait_for_log(r"alias many@example\.org removed")
    wait_until(
        lambda: world.swaks(server.v4, to="many@example.org", quit_after="RCPT").code == 550,
        "the alias to be gone",
    )
