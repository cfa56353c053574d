"""Junk is learned from what readers do with their mail, by any mail program that uses IMAP."""

from __future__ import annotations

import contextlib
import imaplib
import random
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from .harness.imap import any_certificate
from .harness.learner import HandRunLearner
from .harness.messages import letter
from .harness.shell import fresh, wait_until
from .harness.signpost import Signpost
from .harness.world import World

NAMES = ("alice", "bob", "carol", "dan")
ACCOUNTS = {f"{name}@example.org": f"{name}-secret" for name in NAMES}
ALICE, BOB, CAROL, DAN = ACCOUNTS
ENVIRONMENT = {
    "MAIL_HOSTNAME": "mail.example.org",
    "DOMAINS": "example.org",
    "ACCOUNTS": "\n".join(f"{address}:{secret}" for address, secret in ACCOUNTS.items()),
}


@pytest.fixture(scope="module")
def server(world: World, image: None) -> Iterator[Signpost]:
    with world.signpost(ENVIRONMENT) as signpost:
        yield signpost


@pytest.fixture(scope="module")
def learner(server: Signpost) -> HandRunLearner:
    learner = HandRunLearner(server)
    for account in ACCOUNTS:  # an account without any mail has nothing to be looked at
        with session(server, account) as imap:
            done(imap.select("INBOX"))
    learner.start()
    for account in ACCOUNTS:
        learner.wait_for_first_look(account)
    return learner


@contextmanager
def session(server: Signpost, account: str, folder: str = "") -> Iterator[imaplib.IMAP4]:
    imap = imaplib.IMAP4_SSL(server.v4, 993, ssl_context=any_certificate(), timeout=60)
    imap.login(account, ACCOUNTS[account])
    try:
        if folder:
            done(imap.select(folder))
        yield imap
    finally:
        with contextlib.suppress(imaplib.IMAP4.abort):
            imap.logout()


def done(answer: tuple[str, list[bytes]]) -> list[bytes]:
    assert answer[0] == "OK", answer
    return answer[1]


def message(body: str = "") -> bytes:
    token = fresh("letter")
    return letter(
        "someone@outside.test", to=ALICE, token=token, body=f"{body or token}\r\n".encode()
    )


def deliver(
    server: Signpost, account: str, number: int = 1, top: bytes = b"", ago: float = 0
) -> None:
    """By LMTP, as `deliver` does; with the mark of a delivery some seconds ago."""
    mark = f"X-Signpost-Delivered: {int(time.time() - ago):x} {'0' * 32}\r\n".encode()
    program = (
        "import socket, sys\n"
        "lmtp = socket.socket(socket.AF_UNIX); lmtp.connect('/run/dovecot/lmtp')\n"
        "lmtp.sendall(sys.stdin.buffer.read() + b'QUIT\\r\\n')\n"
        "said = b''\n"
        "while more := lmtp.recv(65536): said += more\n"
        "print(said.decode())\n"
    )
    for first in range(0, number, 50):  # nobody reads the answers before all is said
        talk = b"LHLO localhost\r\n"
        batch = min(50, number - first)
        for _ in range(batch):
            talk += b"MAIL FROM:<someone@outside.test>\r\n"
            talk += b"RCPT TO:<%s>\r\nDATA\r\n" % account.encode()
            talk += mark + top + message() + b"\r\n.\r\n"
        said = server.exec("python", "-c", program, stdin=talk, user="vmail")
        assert said.count("Saved") == batch, said


def move(imap: imaplib.IMAP4, numbers: str, folder: str) -> None:
    done(imap._simple_command("MOVE", numbers, folder))  # type: ignore[attr-defined]


def append(imap: imaplib.IMAP4, folder: str, text: bytes, date: str | None = None) -> None:
    done(imap.append(folder, "", date, text))  # type: ignore[arg-type]


def texts(imap: imaplib.IMAP4, numbers: str) -> list[bytes]:
    found = done(imap.fetch(numbers, "(INTERNALDATE BODY.PEEK[])"))
    return [part[1] for part in found if isinstance(part, tuple)]


def test_moved_copied_uploaded_marked_and_back(server: Signpost, learner: HandRunLearner) -> None:
    deliver(server, ALICE, 9, ago=20)
    deliver(server, ALICE, 2, b"X-Spam: yes\r\n")  # into Junk
    with session(server, ALICE, "INBOX") as imap:
        move(imap, "1:2", "Junk")
        done(imap.copy("1", "Junk"))
        # Thunderbird's way between accounts: upload, then delete.
        (text,) = texts(imap, "2")
        append(imap, "Junk", b"X-Mozilla-Status: 0001\r\n" + text)
        done(imap.store("2", "+FLAGS", r"\Deleted"))
        done(imap.expunge())
        done(imap.store("2", "+FLAGS", "$Junk"))
        learner.wait_for(ALICE, 5, 0)
        # Answered, filed, and taken for junk by mistake.
        done(imap.store("3", "+FLAGS", r"\Answered"))
        move(imap, "4", "Archive")
        done(imap.store("2", "-FLAGS", "$Junk"))
        done(imap.store("2", "+FLAGS", "$NotJunk"))
        learner.wait_for(ALICE, 4, 3)
        done(imap.select("Junk"))
        move(imap, "1", "INBOX")  # the server's own
        move(imap, "2:3", "INBOX")
        (text,) = texts(imap, str(len(done(imap.search(None, "ALL"))[0].split())))
        append(imap, "INBOX", text, '"01-Nov-2026 10:00:00 +0000"')
        learner.wait_for(ALICE, 1, 7)
        done(imap.select("INBOX"))
        everything = done(imap.search(None, "ALL"))[0].decode().replace(" ", ",")
        move(imap, everything, "Junk")
    # Two of INBOX that nothing was learned of, and what was ham there.
    learner.wait_for(ALICE, 9, 1)


def test_folders_of_other_names_and_marks_that_are_taken_off(
    server: Signpost, learner: HandRunLearner
) -> None:
    trash, adverts = "Gel&APY-scht", "Adverts"
    deliver(server, DAN, 4, ago=20)
    with session(server, DAN, "INBOX") as imap:
        done(imap.create(trash))
        done(imap.create(adverts))
        move(imap, "1", trash)
        done(imap.store("1:2", "+FLAGS", "$Junk"))
        learner.wait_for(DAN, 2, 0)
        done(imap.store("1", "-FLAGS", "$Junk"))
        move(imap, "2", adverts)  # it stays marked
        learner.wait_for(DAN, 1, 1)
        done(imap.store("2", "+FLAGS", "($Junk $NotJunk)"))
        done(imap.store("1", "+FLAGS", "$Junk"))
        learner.wait_for(DAN, 2, 0)
        done(imap.store("2", "-FLAGS", "$NotJunk"))
        learner.wait_for(DAN, 3, 0)


def test_many_at_once_by_two_sessions_with_the_learner_killed(
    server: Signpost, learner: HandRunLearner
) -> None:
    kill_while_moving(server, learner, BOB, number=60, kills=6)


@pytest.mark.reliability
def test_a_thousand_at_once_by_two_sessions_with_the_learner_killed(
    server: Signpost, learner: HandRunLearner
) -> None:
    kill_while_moving(server, learner, CAROL, number=1000, kills=30)


def kill_while_moving(
    server: Signpost, learner: HandRunLearner, account: str, number: int, kills: int
) -> None:
    deliver(server, account, number, ago=20)
    moments = random.Random(3)
    with session(server, account, "INBOX") as one, session(server, account, "INBOX") as other:
        half = number // 2
        threads = [
            threading.Thread(target=move, args=(imap, numbers, "Junk"))
            for imap, numbers in ((one, f"1:{half}"), (other, f"{half + 1}:{number}"))
        ]
        for thread in threads:
            thread.start()
        for _ in range(kills):
            threading.Event().wait(moments.random())  # any moment
            learner.kill()
            learner.start()
        for thread in threads:
            thread.join()
        learner.wait_for(account, number, 0, timeout=number / 10 + 20)
        done(one.select("Junk"))
        move(one, f"1:{number // 3}", "INBOX")
        learner.kill()
        learner.start()
        learner.wait_for(account, number - number // 3, number // 3, timeout=number / 10 + 20)


def test_an_account_that_is_removed_while_it_learns_is_gone(
    server: Signpost, learner: HandRunLearner
) -> None:
    account = "eve@example.org"
    ACCOUNTS[account] = "eve's own secret"
    add = ("signpost", "account", "add", account)
    server.exec(*add, stdin=ACCOUNTS[account].encode())
    with session(server, account, "INBOX"):
        learner.wait_for_first_look(account)
    deliver(server, account, 40, ago=20)
    with session(server, account, "INBOX") as imap:
        move(imap, "1:40", "Junk")
    wait_for_a_lesson(learner, account)
    server.exec("signpost", "account", "remove", account, "--delete-mail", "--yes")
    home = "/data/mail/example.org/eve"
    assert server.attempt("test", "-e", home).returncode == 1
    server.exec(*add, stdin=ACCOUNTS[account].encode())
    with session(server, account, "INBOX"):
        learner.wait_for_first_look(account)
    assert learner.taught(account) == (0, 0)
    deliver(server, account, ago=20)
    with session(server, account, "INBOX") as imap:
        move(imap, "1", "Junk")
    learner.wait_for(account, 1, 0)
    assert not re.search("Traceback", learner.log())


def wait_for_a_lesson(learner: HandRunLearner, account: str) -> None:
    def has_one() -> bool:
        with contextlib.suppress(AssertionError):  # it learns between the two looks
            return learner.taught(account).spam > 0
        return False

    wait_until(has_one, f"a lesson of {account}")
