"""What strangers write, in the log and on a terminal: it pretends to be nothing else."""

from __future__ import annotations

import base64
import imaplib
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from .conftest import ALICE, BOB
from .harness.imap import any_certificate
from .harness.messages import letter
from .harness.shell import attempt, fresh, run, wait_until
from .harness.signpost import Signpost
from .harness.world import World

SERVER = (Path(__file__).parent / "clients/hostile_server.py").read_text("utf-8")
# A title, a colour, a C1 control character, a bidirectional override, invalid UTF-8, a CR.
HOSTILE = b"\x1b]0;owned\x07\x1b[31m\xc2\x9b32m\x9b\xe2\x80\xae\xff\r\x00\x7f"
# Nothing but what prints, and line feeds.
HARMLESS = re.compile(r"[^\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufffd]*")


def log_bytes(signpost: Signpost) -> str:
    done = attempt("docker", "logs", signpost.container)
    return (done.stdout + done.stderr).decode("utf-8")


def test_a_client_writes_no_line_of_the_log_and_no_true_field(
    world: World, signpost: Signpost
) -> None:
    word = fresh("forged")
    world.swaks.say(
        signpost.v4,
        25,
        [
            f'HELO x" result="250 {word}',
            f"EHLO {word}",
            f'FOO\x1b[31m{word}\t" result="235 2.0.0 Authentication succeeded',
            f"MAIL FROM:<a@outside.test> {word}",
            f"VRFY {word}{'x' * 1900}",
        ],
    )
    signpost.wait_for_log(
        rf'info smtpd: [0-9a-f]{{16}} smtp failed-command result="501 [^"]*" '
        rf'command="HELO x\\" result=\\"250 {word}"$'
    )
    signpost.wait_for_log(
        rf'failed-command result="500 [^"]*" command="FOO[^"]*{word}\\t\\" result=\\"235 2'
    )
    said = signpost.submit(
        world.swaks,
        ALICE,
        to="x@far.test",
        message=letter(f'"{"a" * 8000}{f" error inbound: {word} " * 1400}"@{word}.test'),
    )
    assert said.code == 550
    signpost.wait_for_log(
        rf'warning submission: login={ALICE[0]} may not send as "\\"a{{199}}"\.\.\.$'
    )
    token = fresh("letter")
    message = letter(token=token).replace(
        b"@tests.invalid>",
        f"@{word}> client=192.0.2.1 from=<ceo@bank.test> dmarc=pass \x1b[31m".encode(),
    )
    world.swaks(signpost.v4, source=world.allowed[0], to=BOB[0], message=message).accepted()
    (line,) = signpost.wait_for_log(rf"^.* inbound: .*{token}.*$")[0].splitlines()
    fields = rf" client={world.allowed[0]} author=outside\.test .*dmarc=none disposition=none "
    assert re.search(fields, line.partition('"')[0]), line
    assert line.endswith(r' dmarc=pass \x1b[31m"')
    signpost.wait_for_log(
        rf"dovecot: lmtp\(bob@\S+ sieve: msgid=[0-9a-f]{{8}} from=<\S+> stored mail into .*: "
        rf"message-id=<{token}@{word}>"
    )
    for name in (f"{word}>, client=192.0.2.1", f" (no_auth_attempts): client=127.0.0.1, {word}"):
        session = imaplib.IMAP4_SSL(signpost.v4, ssl_context=any_certificate())
        with session, suppress(imaplib.IMAP4.error):
            session.login(f'"{name}"', "guessed")
        signpost.wait_for_log(
            r"info dovecot: imap-login: Login aborted: .* "
            r"client=(?!192\.0\.2\.1|127\.0\.0\.1)\S+, "
            rf".*, login=<{re.escape(name)}>$"
        )
    log = log_bytes(signpost)
    assert HARMLESS.fullmatch(log)
    # All that has the word is of the program, the level and the kind that it is.
    of = {tuple(line.split(" ")[1:3]) for line in log.splitlines() if word in line}
    assert of == {
        ("info", "smtpd:"),
        ("info", "inbound:"),
        ("info", "dovecot:"),
    }


@contextmanager
def hostile_server(world: World, reply: bytes) -> Iterator[None]:
    """The MX of hostile.outside.test, on the client's address."""
    command = ("docker", "exec", "-i", world.swaks.container, "python3", "-c", SERVER)
    with subprocess.Popen(
        [*command, base64.b64encode(reply).decode()], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"listening\n"
        world.ns.publish(
            "outside.test",
            "hostile IN MX 10 hostile-mx",
            f"hostile-mx IN A {world.client[0]}",
        )
        try:
            yield
        finally:
            process.stdin.close()
            process.wait(20)


@pytest.fixture(scope="module")
def queued(world: World, signpost: Signpost) -> Iterator[tuple[str, str]]:
    """The id of an envelope that waits for a hostile server, and a word in its message."""
    token = fresh("letter")
    reply = b'451 4.7.1 wait" delay=1s result="Ok" ' + HOSTILE.replace(b"\r", b"") + b"\r\n"
    with hostile_server(world, reply):
        signpost.submit(
            world.swaks,
            ALICE,
            to=f"{token}@hostile.outside.test",
            message=letter(
                ALICE[0], token=token, subject=b"Hello " + HOSTILE, body=b"\t" + HOSTILE + b"\r\n"
            ),
        ).accepted()

        def waiting() -> str | None:
            found = re.search(
                rf"([0-9a-f]{{16}}) \S+ pending .*{token}@.* 451 ",
                signpost.exec("signpost", "queue", "list"),
            )
            return found and found[1]

        evpid = wait_until(waiting, "a message that waits")
    assert evpid is not None
    yield evpid, token
    signpost.exec("signpost", "queue", "remove", evpid)


@pytest.mark.parametrize("terminal", [False, True])
def test_what_waits_in_the_queue_writes_to_no_terminal(
    signpost: Signpost, queued: tuple[str, str], terminal: bool
) -> None:
    evpid, token = queued
    tty = ("-t",) if terminal else ()
    command = ("docker", "exec", *tty, signpost.container, "signpost", "queue")

    def printed(*arguments: str) -> str:
        text = run(*command, *arguments).decode("utf-8").replace("\t", "")
        return text.replace("\r\n", "\n") if terminal else text

    for arguments in (("list",), ("show", evpid), ("show", evpid[:8])):
        text = printed(*arguments)
        assert HARMLESS.fullmatch(text), arguments
        assert token in text
        if arguments[0] == "show":
            assert r"\x1b]0;owned\x07\x1b[31m\x9b32m\x9b\u202e\xff" in text
    raw = attempt(*command, "show", "--raw", evpid)
    if terminal:
        assert raw.returncode == 2
        assert b"not for a terminal" in raw.stdout
        assert b"\x07" not in raw.stdout
    else:
        assert HOSTILE.partition(b"\r")[0] in raw.stdout
    log = log_bytes(signpost)
    assert HARMLESS.fullmatch(log)
    assert re.search(rf"info smtpd: [0-9a-f]{{16}} mta delivery evpid={evpid} .*TempFail", log)
