"""Volumes that an earlier version has written serve on: nothing is lost, nothing comes twice.

What is in them says volumes/README.md. In the order of the file: the queue goes first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from entrypoint.volume_format import FORMAT

from .harness.imap import mailbox
from .harness.messages import letter
from .harness.shell import fresh, wait_until
from .harness.signpost import Signpost
from .harness.swaks import Conversation
from .harness.world import World
from .test_guard import blocked, find_the_way, log_in
from .volumes.recording import Recording, listed, messages

# The state before this one, and the oldest there is.
RECORDING, OLDEST = Recording("6565b50"), Recording("43787d8")
EXPECTED = RECORDING.expected
DOMAIN = EXPECTED["environment"]["DOMAINS"]
ALICE, DAVE = (f"{name}@{DOMAIN}" for name in ("alice", "dave"))


def keys(recording: Recording) -> tuple[list[str], list[str]]:
    """The records of the keys that sign, and of the next ones."""
    records = recording.expected["listed"]["records"]
    found = [line for line in records if f"._domainkey.{DOMAIN}." in line]
    return found[:2], found[2:]


SIGNING, NEXT = keys(RECORDING)


def login(address: str) -> tuple[str, str]:
    return address, EXPECTED["logins"][address]


def publish(world: World, records: list[str]) -> None:
    for server in (world.ns, world.ns2):
        server.replace(DOMAIN, *records)


@pytest.fixture(scope="module")
def published(world: World, image: None) -> Iterator[None]:
    """The records of the keys that sign; what a client of the guard needs."""
    publish(world, SIGNING)
    for address in (EXPECTED["client"], EXPECTED["attacker"]):
        world.exec_client("ip", "address", "replace", f"{address}/32", "dev", "eth0")
    yield
    publish(world, [])


@pytest.fixture(scope="module")
def upgraded(world: World, published: None) -> Iterator[Signpost]:
    """This version's server on the volumes; it has just started."""
    signpost = world.signpost(EXPECTED["environment"], place=112)
    try:
        signpost.restore(RECORDING.archive())
        signpost.start()
        find_the_way(signpost)
        yield signpost
    finally:
        signpost.remove()


def signatures(message: bytes, world: World) -> set[tuple[str, str]]:
    """Selector and result of each signature."""
    return {(selector, result) for _, selector, _, result in world.verify(message)}


def selectors(records: list[str]) -> set[str]:
    return {line.partition("._domainkey")[0] for line in records}


def send(world: World, signpost: Signpost, sender: str) -> bytes:
    """A message as it arrives elsewhere."""
    to = f"{fresh('reader')}@far.test"
    signpost.submit(world.swaks, login(sender), to=to, message=letter(sender)).accepted()
    return world.outside.wait_for_mail(to).message


def queue_is_delivered_once(world: World, signpost: Signpost, before: int = 0) -> None:
    """Each waiting message has come once more than before, when the queue is empty."""
    waiting = [*EXPECTED["waiting"], EXPECTED["undelivered"]]
    signpost.exec("signpost", "queue", "flush")
    wait_until(lambda: not signpost.exec("smtpctl", "show", "queue").strip(), f"no more {waiting}")
    world.outside.wait_until_idle()  # it has taken them all, and puts them away in its own time
    for address in EXPECTED["waiting"]:
        (mail,) = world.outside.received(address)[before:]
        assert mail.sender == ALICE
        assert signatures(mail.message, world) == {(each, "pass") for each in selectors(SIGNING)}
    (stored,) = signpost.read_mail(EXPECTED["undelivered"])
    assert b"Message-ID: <sixth@" in stored


def test_the_start_warns_of_nothing(upgraded: Signpost) -> None:
    # A self-signed certificate is all that it has ever had.
    lines = [line for line in upgraded.logs().splitlines() if " warning " in line]
    assert not lines
    assert " error " not in upgraded.logs()
    assert upgraded.exec("signpost", "health").startswith("healthy")


def test_what_waited_is_delivered_exactly_once(world: World, upgraded: Signpost) -> None:
    queue_is_delivered_once(world, upgraded)


def test_every_account_alias_and_key_is_listed_as_before(upgraded: Signpost) -> None:
    expected = EXPECTED["listed"]
    assert listed(upgraded, DOMAIN) == expected
    assert [each["status"] for each in expected["keys"]] == ["signing"] * 2 + ["next"] * 2


@pytest.mark.parametrize("address", EXPECTED["messages"])
def test_its_password_opens_a_mailbox_with_each_message_and_flag(
    upgraded: Signpost, address: str
) -> None:
    assert messages(upgraded.v4, login(address)) == EXPECTED["messages"][address]


@pytest.mark.parametrize("address", EXPECTED["app_passwords"])
def test_an_app_password_logs_in(world: World, upgraded: Signpost, address: str) -> None:
    phone = (address, EXPECTED["app_passwords"][address])
    with mailbox(upgraded.v4, phone) as box:
        assert "INBOX" in box.folders()
    log_in(world.swaks, upgraded, None, phone).accepted()
    assert log_in(world.swaks, upgraded, None, (address, "a guess")).code == 535


def test_new_mail_comes_behind_the_old(world: World, upgraded: Signpost) -> None:
    token = fresh("new")
    team = letter(to=f"team@{DOMAIN}", token=token)
    world.swaks(upgraded.v4, to=f"team@{DOMAIN}", message=team).accepted()
    # A Sieve script files it there.
    upgraded.wait_for_mail(DAVE, token, folder="Maildir/.sorted")
    upgraded.wait_for_mail(ALICE, token)
    found = messages(upgraded.v4, login(ALICE))["INBOX"]
    before = EXPECTED["messages"][ALICE]["INBOX"]
    assert found["validity"] == before["validity"]
    new = [len(before["messages"]) + 1, [], f"<{token}@tests.invalid>"]
    assert found["messages"] == [*before["messages"], new]


def test_a_full_mailbox_is_full(world: World, upgraded: Signpost) -> None:
    assert world.swaks(upgraded.v4, to=EXPECTED["full"], quit_after="RCPT").code == 552
    assert world.swaks(upgraded.v4, to=ALICE, quit_after="RCPT").code == 250


def test_a_block_goes_on(world: World, upgraded: Signpost) -> None:
    attacker, account = EXPECTED["attacker"], EXPECTED["blocked"]
    assert blocked(upgraded) == [(attacker, account)]
    assert log_in(world.swaks, upgraded, attacker, login(account)).code == 421
    log_in(world.swaks, upgraded, EXPECTED["client"], login(account)).accepted()


def test_who_has_come_again_need_not_once_more(world: World, upgraded: Signpost) -> None:
    def arrive(sender: str) -> Conversation:
        return world.swaks(
            upgraded.v4, source=EXPECTED["client"], sender=sender, to=ALICE, quit_after="RCPT"
        )

    assert arrive(EXPECTED["greylisted"]).code == 250
    assert arrive("someone@far.test").code == 451


def test_what_an_account_has_sent_counts(world: World, upgraded: Signpost) -> None:
    refused = upgraded.submit(world.swaks, login(EXPECTED["spent"]), to="one@far.test").outcome
    assert refused.command.startswith("RCPT")
    assert refused.code == 451, refused


def test_the_keys_in_use_sign_and_the_next_ones_follow(world: World, upgraded: Signpost) -> None:
    good = {(selector, "pass") for selector in selectors(SIGNING)}
    assert signatures(send(world, upgraded, DAVE), world) == good
    publish(world, SIGNING + NEXT)
    upgraded.attempt("signpost", "keys", "check")
    following = {(selector, "pass") for selector in selectors(NEXT)}
    wait_until(lambda: signatures(send(world, upgraded, DAVE), world) == following, "the next keys")


def test_secrets_and_counts_are_the_same_ones(upgraded: Signpost) -> None:
    for path in ("/data/secrets/srs", f"/data/arc/mail.{DOMAIN}/mail-arc.pem"):
        assert upgraded.files("cat", path).encode() == RECORDING.file(path)
    counts = "/var/spool/smtpd/filters/verifier/clients.json"
    before: dict[str, Any] = json.loads(RECORDING.file(counts))
    upgraded.stop()
    after = json.loads(upgraded.files("cat", counts))
    assert after["since"] == before["since"]
    assert after["clients"]["other"] > before["clients"]["other"]


@pytest.mark.parametrize(
    ("folder", "command"),
    [
        ("/data", ("start",)),
        ("/var/spool/smtpd", ("account", "add", f"late@{DOMAIN}", "--generate")),
    ],
)
def test_an_older_image_does_nothing_with_volumes_of_a_newer_one(
    upgraded: Signpost, folder: str, command: tuple[str, ...]
) -> None:
    """Each volume says it for itself: one may have been exchanged."""
    assert upgraded.files("cat", f"{folder}/FORMAT").startswith(f"{FORMAT} ")
    before = upgraded.files("cat", "/data/accounts/accounts.json")
    mark = f"mv {folder}/FORMAT {folder}/saved; echo 99 9.1.0 2031-01-02 >{folder}/FORMAT"
    upgraded.files("sh", "-c", mark)
    refused = upgraded.once(*command)
    assert refused.returncode == 2
    assert re.fullmatch(
        rf"error: {folder}: it has format 99 since 2031-01-02, by Signpost 9\.1\.0; this image is "
        rf"older \(Signpost [\d.]+, format {FORMAT}\) and would misread it\. Start the newer image "
        r"again, or restore a backup from before that day into new volumes\n"
        r"error: nothing was started\n",
        refused.stderr.decode(),
    )
    upgraded.files("mv", f"{folder}/saved", f"{folder}/FORMAT")
    assert upgraded.files("cat", "/data/accounts/accounts.json") == before


def test_the_oldest_and_an_image_with_other_numbers_for_its_users(
    world: World, published: None
) -> None:
    """As Debian's or a base image's packages may make it: what they own is theirs again."""
    publish(world, keys(OLDEST)[0])
    signpost = world.signpost(OLDEST.expected["environment"], place=113)
    before = len(world.outside.received(EXPECTED["waiting"][0]))
    try:
        signpost.restore(OLDEST.archive(lambda number: number and number + 10_000))
        signpost.start()
        queue_is_delivered_once(world, signpost, before)
        dave = (DAVE, OLDEST.expected["logins"][DAVE])
        assert messages(signpost.v4, dave) == OLDEST.expected["messages"][DAVE]
        assert blocked(signpost) == [(EXPECTED["attacker"], EXPECTED["blocked"])]
        of_others = ("(", "-uid", "+9999", "-o", "-gid", "+9999", ")")
        assert not signpost.files("find", "/data", "/var/spool/smtpd", *of_others)
    finally:
        signpost.remove()
