"""JUNK_FILTER on a whole server: what is asked of which mail, what becomes of it, and that mail
goes on whatever happens to the program that answers.

It is one of the tests' own, so that each question can be looked at.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .harness.messages import letter
from .harness.shell import fresh, run, wait_until
from .harness.signpost import Signpost
from .harness.world import World
from .test_guard import LISTED, find_the_way
from .test_imap import script

ALICE = ("alice@example.org", "alice-has-a-secret")
BOB = ("bob@example.org", "bob-has-a-secret")
FILTERS = Path(__file__).parent / "filters"
PROGRAM = "/opt/signpost/lib/python3.13/site-packages/entrypoint/junk/__main__.py"
MOUNTS = {PROGRAM: FILTERS / "judging.py", "/etc/marking.py": FILTERS / "marking.py"}
CONFIGURED = {
    "DOMAINS": "example.org",
    "DKIM_SELECTOR": "junk",
    "ACCOUNTS": "\n".join(map(":".join, (ALICE, BOB))),
    "ALIASES": "away@example.org: traveller@outside.test",
    "JUNK_FILTER": "yes",
    "DNSBL": "bl.test=score",
    "EXTRA_FILTERS_INBOUND": "/opt/signpost/bin/python /etc/marking.py",
}
FORGED = (
    *(b"X-Signpost-Junk: no", b"x-signpost-JUNK : no", b"X-Signpost-Junk\t:\r\n no"),
    *(
        b"X-Signpost-Facts: dmarc=pass",
        b"X-SIGNPOST-FACTS:\r\n\tdmarc=pass",
        b"X-Signpost-Facts :x",
    ),
)
SILENT = "/run/signpost/junk/silent"
MARK = re.compile(rb"(?m)^X-Signpost-Delivered: .*$")
OURS = re.compile(rb"(?mi)^x-signpost-(?:junk|facts)[ \t]*:.*(?:\n[ \t].*)*")


@pytest.fixture(scope="module")
def server(world: World, image: None) -> Iterator[Signpost]:
    with world.signpost(CONFIGURED, place=160, mounts=MOUNTS) as signpost:
        yield signpost


def asked(server: Signpost, token: str) -> list[list[bytes]]:
    """Each question about the message with this token: account, sender, mark, facts, message."""
    look = 'for each in $(grep -l "$1" /tmp/asked/* 2>/dev/null); do base64 -w0 "$each"; echo; done'
    printed = run("docker", "exec", server.container, "sh", "-c", look, "look", token)
    return [base64.b64decode(line).split(b"\0", 4) for line in printed.splitlines()]


def number(server: Signpost) -> str:
    """The program's process; "" where there is none."""
    found = server.attempt("pgrep", "-u", "vmail", "-f", "entrypoint.junk").stdout.split()
    return found[0].decode() if found else ""


class TestMail:
    def test_that_is_junk_is_filed_there(self, world: World, server: Signpost) -> None:
        token = fresh("junk")
        message = letter(token=token, subject=b"junk")
        world.swaks(server.v4, to="Alice+Tag@example.org", message=message).accepted()
        stored = server.wait_for_mail(ALICE[0], token, folder="Maildir/.Junk")
        assert OURS.findall(stored) == [b"X-Signpost-Junk: yes score=9.9 threshold=5.0 (x)"]
        ((account, sender, mark, facts, judged),) = asked(server, token)
        assert (account, sender) == (b"alice@example.org", b"someone@outside.test")
        assert re.search(rb"(?m)^X-Signpost-Delivered: [0-9a-f]+ " + mark + rb"$", stored)
        assert re.match(rb"dmarc=\w+ dkim=\w+ ", facts)
        assert not OURS.search(judged)
        assert stored.endswith(judged)

    @pytest.mark.parametrize("subject", [b"harmless", b"facts"])
    def test_of_strangers_has_no_word_of_theirs(
        self, world: World, server: Signpost, subject: bytes
    ) -> None:
        """ "facts": a filter of one's own has written some, above the client's."""
        token = fresh("forged")
        message = letter(token=token, subject=subject, fields=FORGED)
        message = message.replace(b"\r\nSubject:", b"\r\n" + b"\r\n".join(FORGED) + b"\r\nSubject:")
        world.swaks(server.v4, to=ALICE[0], message=message).accepted()
        stored = server.wait_for_mail(ALICE[0], token)
        assert OURS.findall(stored) == [b"X-Signpost-Junk: no score=0.1 (x)"]
        ((*_, facts, judged),) = asked(server, token)
        assert b"author=outside.test" in facts
        assert not OURS.search(judged)

    def test_to_the_postmaster_without_a_domain_has_facts(
        self, world: World, server: Signpost
    ) -> None:
        """smtpd puts its own behind it (RFC 5321 §4.5.1), and reports what the client wrote."""
        token = fresh("postmaster")
        world.swaks(server.v4, to="postmaster", message=letter(token=token)).accepted()
        server.wait_for_mail(ALICE[0], token)
        ((account, *_, facts, _),) = asked(server, token)
        assert account == b"alice@example.org"
        assert facts.endswith(b"author=outside.test")

    def test_that_is_submitted_here_has_no_facts(self, world: World, server: Signpost) -> None:
        token = fresh("own")
        message = letter(ALICE[0], token=token, fields=FORGED)
        server.submit(world.swaks, ALICE, to=ALICE[0], message=message).accepted()
        stored = server.wait_for_mail(ALICE[0], token)
        assert OURS.findall(stored) == [b"X-Signpost-Junk: no score=0.1 (x)"]
        ((account, sender, _, facts, _),) = asked(server, token)
        assert (account, sender, facts) == (b"alice@example.org", b"alice@example.org", b"")

    def test_of_the_server_itself_has_none(self, server: Signpost) -> None:
        token = fresh("root")
        message = letter("root@example.org", token=token, fields=FORGED).replace(b"\r\n", b"\n")
        server.exec("sendmail", "-f", "root@example.org", ALICE[0], stdin=message)
        stored = server.wait_for_mail(ALICE[0], token)
        assert len(OURS.findall(stored)) == 1
        ((*_, facts, _),) = asked(server, token)
        assert facts == b""


class TestMailOfAStrangerBehindAnAddressOfOurs:
    """It is not taken for mail that was submitted here, which words do not judge. What the server
    says of it to its reader leaves with nothing.
    """

    def test_redirected_by_the_script_of_another_account(
        self, world: World, server: Signpost
    ) -> None:
        token = fresh("redirected")
        with script(server, BOB, f'redirect "{ALICE[0]}"; redirect "{token}@outside.test";'):
            world.swaks(server.v4, to=BOB[0], message=letter(token=token)).accepted()
            server.wait_for_mail(ALICE[0], token)
            outside = world.outside.wait_for_mail(f"{token}@outside.test")
        facts = {account: facts for account, _, _, facts, _ in asked(server, token)}
        assert facts[BOB[0].encode()].endswith(b"author=outside.test")
        assert facts[ALICE[0].encode()] == b"dmarc=unknown"
        assert not OURS.search(outside.message)

    def test_sent_to_a_rewritten_sender(self, world: World, server: Signpost) -> None:
        message = letter(BOB[0], token=(sent := fresh("sent")))
        server.submit(world.swaks, BOB, to="away@example.org", message=message).accepted()
        sender = world.outside.wait_for_mail("traveller@outside.test", sent).sender
        token = fresh("returned")
        world.swaks(server.v4, sender="", to=sender, message=letter(token=token)).accepted()
        server.wait_for_mail(BOB[0], token)
        ((*_, facts, _),) = asked(server, token)
        assert facts.endswith(b"author=outside.test")

    def test_returned_by_a_script(self, world: World, server: Signpost) -> None:
        """What alice has written herself comes back as mail from here."""
        strange, own = fresh("strange"), fresh("own")
        with script(server, BOB, 'require "reject"; reject "No.";'):
            message = letter(token=strange)
            world.swaks(server.v4, sender=ALICE[0], to=BOB[0], message=message).accepted()
            message = letter(ALICE[0], token=own)
            server.submit(world.swaks, ALICE, to=BOB[0], message=message).accepted()
            for token in (strange, own):
                server.wait_for_mail(ALICE[0], token)
        for token, known in ((strange, b"dmarc=unknown "), (own, b"")):
            found = {account: facts for account, _, _, facts, _ in asked(server, token)}
            assert found[ALICE[0].encode()][: len(b"dmarc=unknown ")] == known

    def test_made_of_one_that_was_here_before(self, world: World, server: Signpost) -> None:
        """With the mark of its delivery, by which the server knows what has come back."""
        token, there = fresh("harmless"), f"{fresh('target')}@outside.test"
        with script(server, BOB, f'redirect "{there}";'):
            world.swaks(server.v4, to=BOB[0], message=letter(token=token)).accepted()
            mark = MARK.search(world.outside.wait_for_mail(there, token).message)
        assert mark is not None
        message = letter(token=token, subject=b"junk", fields=(mark[0].strip(),))
        world.swaks(server.v4, to=BOB[0], message=message).accepted()
        stored = server.wait_for_mail(BOB[0], token, folder="Maildir/.Junk")
        assert b"\nX-Signpost-Returned: yes\n" in stored
        assert not any(token.encode() in each for each in server.read_mail(BOB[0]))

    def test_rejected_by_a_script(self, world: World, server: Signpost) -> None:
        """A stranger would learn by trying what an account takes for junk."""
        token, sender = fresh("rejected"), f"{fresh('trying')}@outside.test"
        with script(server, BOB, 'require "reject"; reject "No.";'):
            world.swaks(
                server.v4, sender=sender, to=BOB[0], message=letter(sender, token=token)
            ).accepted()
            rejected = world.outside.wait_for_mail(sender, token)
        assert b"message/rfc822" in rejected.message
        assert not OURS.search(rejected.message)


class TestFacts:
    def test_of_a_client_that_is_listed_and_lies(self, world: World, server: Signpost) -> None:
        world.exec_client("ip", "address", "replace", f"{LISTED}/32", "dev", "eth0")
        find_the_way(server)
        token = fresh("facts")
        said = world.swaks(
            server.v4,
            source=LISTED,
            helo="mail.example.org",
            to=ALICE[0],
            message=letter(token=token),
        )
        said.accepted()
        server.wait_for_mail(ALICE[0], token)
        ((*_, facts, _),) = asked(server, token)
        assert facts.endswith(b" rdns=missing helo=lies dnsbl=bl.test author=outside.test")


WRITTEN_TO = """
import sqlite3
state = sqlite3.connect("/data/mail/example.org/alice/junk/state.sqlite")
for (address,) in state.execute("SELECT address FROM written_to"):
    print(address)
"""


def written_to(server: Signpost) -> set[str]:
    """Whom alice has written to, as her junk filter knows it."""
    found = server.attempt("/opt/signpost/bin/python", "-c", WRITTEN_TO, user="vmail")
    return set(found.stdout.decode().split())


class TestWrittenTo:
    def test_is_whom_the_owner_writes_to_and_nobody_else(
        self, world: World, server: Signpost
    ) -> None:
        """Not whom a stranger's mail makes a script answer, nor who asks for a receipt."""
        spammer, friend = (f"{fresh(name)}@outside.test" for name in ("spammer", "friend"))
        before = written_to(server)
        away = f'require "vacation"; vacation "In the hills."; redirect "{spammer}"; keep;'
        message = letter(token=fresh("bait"))
        with script(server, ALICE, away):
            world.swaks(server.v4, sender=spammer, to=ALICE[0], message=message).accepted()
            world.outside.wait_for_mail(spammer)
        report = (b"Content-Type: multipart/report; boundary=b",)
        server.submit(
            world.swaks, ALICE, to=spammer, message=letter(ALICE[0], fields=report)
        ).accepted()
        for sender, to in (("", spammer), (ALICE[0], friend)):
            message = letter(ALICE[0], token=fresh("sent"))
            server.submit(world.swaks, ALICE, sender=sender, to=to, message=message).accepted()
        wait_until(lambda: friend in written_to(server), "the friend to be known")
        assert written_to(server) - before == {friend}


def send(world: World, server: Signpost) -> bytes:
    token = fresh("letter")
    world.swaks(server.v4, to=ALICE[0], message=letter(token=token)).accepted()
    return server.wait_for_mail(ALICE[0], token)


def silent_since(server: Signpost) -> int:
    """When the last delivery asked in vain; Unix time."""
    return int(server.exec("stat", "--format=%Y", SILENT))


# With the image's Python, which leaves a log where it closes a file; that of the tests may not.
MANY_DELIVERIES = """
import tempfile
from pathlib import Path
from entrypoint.junk.account_state import open_state
with tempfile.TemporaryDirectory() as home:
    longest, log = 0, Path(home, "junk/state.sqlite-wal")
    for number in range(300):
        with open_state(Path(home)) as state:
            state.note_author(f"{number}@example.org", number)
        longest = max(longest, log.stat().st_size if log.exists() else 0)
print(longest)
"""


def test_what_is_noted_of_each_delivery_lies_in_a_log_that_does_not_grow(server: Signpost) -> None:
    longest = int(server.exec("/opt/signpost/bin/python", "-c", MANY_DELIVERIES, user="vmail"))
    assert 0 < longest < 500_000


class TestAProgramThatDoesNotAnswer:
    def test_is_killed_and_mail_goes_on(self, world: World, server: Signpost) -> None:
        first = wait_until(lambda: number(server), "the program")
        server.exec("kill", "-KILL", first, user="vmail")
        send(world, server)
        wait_until(lambda: number(server) not in ("", first), "another program", 30)
        wait_until(lambda: OURS.search(send(world, server)), "a verdict", 30)
        assert server.running()

    def test_hangs_and_mail_goes_on(self, world: World, server: Signpost) -> None:
        process = wait_until(lambda: number(server), "the program")
        server.exec("kill", "-STOP", process, user="vmail")
        try:
            assert not OURS.search(send(world, server))
            asked_at = silent_since(server)
            for _ in range(3):
                assert not OURS.search(send(world, server))
                # Who asks waits in vain, and notes when: once in half a minute at most.
                before, asked_at = asked_at, silent_since(server)
                assert asked_at - before not in range(1, 30)
        finally:
            server.exec("kill", "-CONT", process, user="vmail")
        # One that begins anew is asked at once.
        server.exec("kill", "-KILL", process, user="vmail")
        wait_until(lambda: OURS.search(send(world, server)), "a verdict", 30)
        assert server.attempt("test", "-e", SILENT).returncode
