"""A list of five hundred, here and elsewhere: one copy each, while the list itself changes."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from entrypoint.config.passwords import hash_password
from tests.container.harness.messages import letter
from tests.container.harness.shell import fresh, wait_until
from tests.container.harness.signpost import Signpost
from tests.container.harness.world import World

HERE = [f"member{number}@example.org" for number in range(250)]
AWAY = [f"a-member-of-another-server-{number}@far.test" for number in range(250)]
CHANGES = 12

pytestmark = pytest.mark.reliability


@pytest.fixture(scope="module")
def signpost(world: World, image: None) -> Iterator[Signpost]:
    hashed = hash_password("a long passphrase")
    environment = {
        "MAIL_HOSTNAME": "mail.example.org",
        "DOMAINS": "example.org example.net",
        "ACCOUNTS": "\n".join(f"{address}:{hashed}" for address in HERE),
        "ALIASES": "@example.net: @example.org",
    }
    with world.signpost(environment) as signpost:
        signpost.exec("signpost", "alias", "add", "all@example.org", *HERE, *AWAY)
        yield signpost


def send(world: World, signpost: Signpost, to: str = "all@example.net") -> str:
    token = fresh("list")
    begin = time.monotonic()
    world.swaks(
        signpost.v4,
        source=world.allowed[0],
        sender="someone@outside.test",
        to=to,
        message=letter(token=token),
    ).accepted()
    print(f"{to} accepted within {time.monotonic() - begin:.1f} s")
    return token


def copies(world: World, signpost: Signpost, token: str) -> Counter[str]:
    wait_until(lambda: not signpost.exec("smtpctl", "show", "queue").strip(), "an empty queue", 180)
    # The next hop has it, and may not have stored it yet.
    wait_until(lambda: set(AWAY) <= set(world.outside.all_received(token)), "all copies", 60)
    found = signpost.attempt("grep", "-rlaF", token, "/data/mail", user="vmail").stdout.decode()
    # Dovecot's indexes have some of a message, too.
    paths = (path.split("/") for path in found.splitlines())
    here = [parts for parts in paths if parts[-2] in ("new", "cur")]
    return Counter([f"{parts[4]}@{parts[3]}" for parts in here] + world.outside.all_received(token))


def test_five_hundred_get_one_copy_each(world: World, signpost: Signpost) -> None:
    begin = time.monotonic()
    got = copies(world, signpost, send(world, signpost))
    print(f"all delivered within {time.monotonic() - begin:.1f} s")
    assert got == Counter([*HERE, *AWAY])


def test_while_the_list_changes_nobody_is_left_out(world: World, signpost: Signpost) -> None:
    """Another target comes and goes, each time with another file, while mail comes in."""
    done = threading.Event()

    def change() -> None:
        for number in range(CHANGES):
            verb = "remove" if number % 2 else "add"
            signpost.exec("signpost", "alias", verb, "all@example.org", "extra@far.test")
        done.set()

    changing = threading.Thread(target=change)
    changing.start()
    tokens = []
    while not done.is_set() and len(tokens) < 10:
        tokens.append(send(world, signpost))
    changing.join()
    for token in tokens:
        got = copies(world, signpost, token)
        assert got.pop("extra@far.test", 1) == 1
        assert got == Counter([*HERE, *AWAY])
    lists = signpost.exec("ls", "/run/signpost/tables/lists").split()
    assert len(lists) == 1


def test_a_restart_in_the_middle(world: World, signpost: Signpost) -> None:
    token = send(world, signpost)
    signpost.restart()
    assert copies(world, signpost, token).keys() == {*HERE, *AWAY}
    assert copies(world, signpost, send(world, signpost)) == Counter([*HERE, *AWAY])
