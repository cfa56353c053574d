"""MODE=test: each recipient is a mailbox, by IMAP and POP3, and alike in the API."""

from __future__ import annotations

import imaplib
import poplib
import re
import smtplib
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from .harness.shell import fresh, wait_until
from .harness.target import HOST, SMTP, TestTarget, build_image

pytestmark = pytest.mark.container

PASSWORD = "what-ever"
SOON = 3.0  # seconds from one side to the other, on a machine that does much else
BOB = "bob@inbox.example"


@pytest.fixture(scope="module")
def target() -> Iterator[TestTarget]:
    build_image()
    with TestTarget() as target:
        yield target


class Client(imaplib.IMAP4):
    """The base class, without TLS; lines of the server as they come."""

    def __init__(self, target: TestTarget, login: str = BOB) -> None:
        super().__init__(HOST, target.port(143), timeout=30)
        try:
            self.login(f'"{login}"', PASSWORD)
        except BaseException:
            self.shutdown()
            raise
        self.select()

    def count(self, folder: str | None = None) -> int:
        if folder is not None:
            assert self.select(f'"{folder}"')[0] == "OK"
        self.noop()
        return len(self.search(None, "ALL")[1][0].split())

    def flags(self) -> bytes:
        self.noop()
        return bytes(self.fetch("1", "(FLAGS)")[1][0])

    @contextmanager
    def idle_lines(self) -> Iterator[Iterator[bytes]]:
        tag = self._new_tag()
        self.send(tag + b" IDLE\r\n")
        assert self.readline().startswith(b"+")
        yield iter(self.readline, b"")
        self.send(b"DONE\r\n")
        while not self.readline().startswith(tag):
            pass


def address() -> str:
    return f"{fresh('box')}@inbox.example"


def send(target: TestTarget, *recipients: str, subject: str = "hello", port: int = SMTP) -> str:
    """The message's ID."""
    token = fresh("subject")
    with target.smtp(port) as smtp:
        content = f"From: a@sender.example\r\nSubject: {subject} {token}\r\n\r\nhi\r\n"
        assert not smtp.sendmail("a@sender.example", recipients, content)
    (found,) = target.messages(f"subject:{token}")
    return str(found["ID"])


def messages(target: TestTarget) -> list[dict[str, Any]]:
    """All of them."""
    return list(target.get("/api/v1/messages?limit=10000")["messages"])


def is_read(target: TestTarget, identity: str) -> bool:
    (read,) = [each["Read"] for each in messages(target) if each["ID"] == identity]
    return bool(read)


def exists(target: TestTarget, identity: str) -> bool:
    return any(each["ID"] == identity for each in messages(target))


def put(target: TestTarget, identity: str, *, read: bool) -> None:
    body: dict[str, Any] = {"IDs": [identity], "Read": read}
    assert target.request("PUT", "/api/v1/messages", body)[0] == 200


def soon(condition: Any, what: str) -> None:
    wait_until(condition, what, SOON)


def anything() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class TestMailboxes:
    def test_a_copy_is_what_production_delivers(self, target: TestTarget) -> None:
        to = address()
        tagged = to.replace("@", "+Run-1@").capitalize()
        send(target, tagged)
        with Client(target, to) as imap:
            soon(lambda: imap.count() == 1, "the copy")
            text = imap.fetch("1", "(BODY.PEEK[])")[1][0][1]
        assert re.match(
            rb"Return-Path: <a@sender\.example>\r\nDelivered-To: %s\r\n"
            rb"Authentication-Results: [^\r]+;\r\n[\t ]" % re.escape(tagged.encode()),
            text,
        )
        assert text.endswith(b"\r\n\r\nhi\r\n")

    def test_with_tls_and_pop3(self, target: TestTarget) -> None:
        to = address()
        identity = send(target, to)
        imap = imaplib.IMAP4_SSL(HOST, target.port(993), timeout=30, ssl_context=anything())
        imap.login(to, PASSWORD)
        soon(lambda: imap.select() == ("OK", [b"1"]), "the copy")
        imap.logout()
        for pop in (
            poplib.POP3(HOST, target.port(110), timeout=30),
            poplib.POP3_SSL(HOST, target.port(995), timeout=30, context=anything()),
        ):
            pop.user(to)
            pop.pass_(PASSWORD)
            assert pop.stat()[0] == 1
            assert pop.retr(1)[1][-1] == b"hi"
            pop.quit()
        soon(lambda: is_read(target, identity), "what POP3 has fetched, as read")
        pop = poplib.POP3(HOST, target.port(110), timeout=30)
        pop.user(to)
        pop.pass_(PASSWORD)
        pop.dele(1)
        pop.quit()
        soon(lambda: not exists(target, identity), "the end of the message")

    @pytest.mark.parametrize(
        "login",
        [
            *("x@..", "test@..", "..@inbox.example", "../x@inbox.example", "a/b@inbox.example"),
            *("x@../test", "bob+tag@inbox.example", "bob", "@inbox.example", "bob@"),
        ],
    )
    def test_what_is_no_mailbox_is_no_login(self, target: TestTarget, login: str) -> None:
        with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
            Client(target, login)
        strange = target.exec("sh", "-c", "ls -d /data/*/Maildir /data/Maildir || true")
        assert strange == ""

    def test_each_character_of_an_address(self, target: TestTarget) -> None:
        local = "o'h=x|p`q{z}~^a%b*c$d!e#f&g?i_j-k"
        to = f"{local}@{address().replace('@', '.')}"
        send(target, to)
        with Client(target, to) as imap:
            soon(lambda: imap.count() == 1, "the copy")

    def test_a_tag_that_is_a_folder(self, target: TestTarget) -> None:
        to = address()
        with Client(target, to) as imap:
            for folder in ("lists", "v1.2", "~x/y"):
                assert imap.create(f'"{folder}"')[0] == "OK"
            for folder in ("lists", "v1.2", "Archive", "Drafts", "none"):
                send(target, to.replace("@", f"+{folder}@"))
            expected = {"lists": 1, "v1.2": 1, "Archive": 1, "Drafts": 0, "INBOX": 2}
            for folder, count in expected.items():
                soon(lambda f=folder, n=count: imap.count(f) == n, f"the copies in {folder}")

    def test_what_dmarc_would_quarantine_is_in_junk(self, target: TestTarget) -> None:
        to = address()
        run = to.partition("@")[0]
        zone = b'_dmarc.sender.example: {TXT: ["v=DMARC1; p=quarantine"]}'
        assert target.request("PUT", f"/api/v1/dns?run={run}.test", zone)[0] == 200
        to = f"bob@{run}.test"
        send(target, to)
        with Client(target, to) as imap:
            soon(lambda: imap.count("Junk") == 1, "the copy in Junk")
            assert imap.count("INBOX") == 0


class TestBothWays:
    def test_an_idle_client_sees_what_the_api_does(self, target: TestTarget) -> None:
        to = address()
        first = send(target, to)
        with Client(target, to) as imap:
            soon(lambda: imap.count() == 1, "the copy")
            with imap.idle_lines() as lines:
                begin = time.monotonic()
                put(target, first, read=True)
                assert any(b"\\Seen" in line for line in lines)
                send(target, to)
                assert any(b"2 EXISTS" in line for line in lines)
                assert target.request("DELETE", "/api/v1/messages", {"IDs": [first]})[0] == 200
                assert any(b"1 EXPUNGE" in line for line in lines)
                assert time.monotonic() - begin < 3 * SOON

    def test_the_api_sees_what_a_client_does(self, target: TestTarget) -> None:
        to, other = address(), address()
        identity = send(target, to, other)
        with Client(target, to) as imap, Client(target, other) as second:
            soon(lambda: imap.count() == second.count() == 1, "both copies")
            imap.store("1", "+FLAGS", "\\Seen")
            soon(lambda: is_read(target, identity), "the message as read")
            assert b"Seen" not in second.flags()
            imap.store("1", "-FLAGS", "\\Seen")
            soon(lambda: not is_read(target, identity), "the message as unread")
            put(target, identity, read=True)
            soon(lambda: b"Seen" in imap.flags() and b"Seen" in second.flags(), "both as seen")
            imap.store("1", "+FLAGS", "\\Deleted")
            imap.expunge()
            put(target, identity, read=False)
            soon(lambda: b"Seen" not in second.flags(), "the other copy as unseen")
            assert exists(target, identity)
            second.store("1", "+FLAGS", "\\Deleted")
            second.expunge()
            soon(lambda: not exists(target, identity), "the end of the message")

    def test_a_move_is_no_end(self, target: TestTarget) -> None:
        to = address()
        identity = send(target, to)
        with Client(target, to) as imap:
            soon(lambda: imap.count() == 1, "the copy")
            imap.create("Work")
            assert imap.uid("MOVE", "1:*", "Work")[0] == "OK"
            assert imap.count("Work") == 1
            imap.store("1", "+FLAGS", "\\Seen")
            soon(lambda: is_read(target, identity), "the message as read")
            assert imap.rename("Work", "Old")[0] == "OK"
            imap.select("Old")
            put(target, identity, read=False)
            soon(lambda: b"Seen" not in imap.flags(), "the moved copy as unseen")
            assert target.request("DELETE", "/api/v1/messages", {"IDs": [identity]})[0] == 200
            soon(lambda: imap.count() == 0, "the end of the moved copy")


class _Seen:
    """What a client saw of a mailbox: subjects, and when first."""

    def __init__(self, target: TestTarget, login: str) -> None:
        self._target, self._login = target, login
        self.subjects: dict[str, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> _Seen:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        with Client(self._target, self._login) as imap:
            known = 0
            while not self._ended.wait(0.1):
                count = imap.count()
                if count > known:
                    found = imap.fetch(
                        f"{known + 1}:{count}", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])"
                    )[1]
                    for part in found:
                        if isinstance(part, tuple):
                            subject = part[1].decode().partition(":")[2].strip()
                            self.subjects.setdefault(subject, time.monotonic())
                    known = count


class TestLoad:
    def test_fifty_a_second(self, target: TestTarget) -> None:
        _fifty_a_second(target, 5)

    @pytest.mark.reliability
    def test_fifty_a_second_for_longer(self, target: TestTarget) -> None:
        assert _fifty_a_second(target, 20) < 22

    def test_a_kill_loses_and_doubles_no_copy(self, target: TestTarget) -> None:
        boxes = [address() for _ in range(4)]
        for _ in range(2):
            _send_and_kill(target, boxes)
        wait_until(lambda: _backlog(target) == 0, "all deliveries", 20)
        found = [each for each in messages(target) if each["Extra"]["Envelope"]["To"] == boxes]
        subjects = Counter(each["Subject"] for each in found)
        assert len(subjects) >= 2
        for box in boxes:
            with Client(target, box) as imap:
                count = imap.count()
                parts = imap.fetch(f"1:{count}", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
            there = [part[1].decode().partition(":")[2].strip() for part in parts if len(part) == 2]
            assert Counter(there) == subjects


def _fifty_a_second(target: TestTarget, seconds: int) -> float:
    """How long it took to send so many."""
    to = address()
    answered: dict[str, float] = {}
    begin = time.monotonic()

    def send_each_fifth(first: int) -> None:
        with target.smtp() as smtp:
            for number in range(first, 50 * seconds, 5):
                time.sleep(max(0.0, begin + number / 50 - time.monotonic()))
                smtp.sendmail("a@sender.example", [to], f"Subject: {number}\r\n\r\nhi\r\n")
                answered[str(number)] = time.monotonic()

    with _Seen(target, to) as seen:
        with ThreadPoolExecutor(5) as senders:
            list(senders.map(send_each_fifth, range(5)))
        lasted = time.monotonic() - begin
        wait_until(lambda: len(seen.subjects) == len(answered), "every copy", 10)
    assert max(seen.subjects[subject] - when for subject, when in answered.items()) < 5
    return lasted


def _send_and_kill(target: TestTarget, boxes: list[str]) -> None:
    answered: list[str] = []
    killed = threading.Event()

    def send_until_killed() -> None:
        with suppress(smtplib.SMTPException, OSError), target.smtp(25) as smtp:
            while not killed.is_set():
                content = f"Subject: {fresh('killed')}\r\n\r\nhi\r\n"
                smtp.sendmail("a@sender.example", boxes, content)
                answered.append(content)

    sender = threading.Thread(target=send_until_killed)
    sender.start()
    try:
        wait_until(lambda: len(answered) > 15, "some mail")
        _kill(target)
    finally:
        killed.set()
        sender.join()
    wait_until(lambda: _answers(target), "the target again", 20)


def _kill(target: TestTarget) -> None:
    target.exec("sh", "-c", "kill -9 $(pgrep -f '[e]ntrypoint.test_target /run')")


def _answers(target: TestTarget) -> bool:
    try:
        return target.request("GET", "/readyz")[0] == 200
    except OSError:
        return False


def _backlog(target: TestTarget) -> float:
    text = target.request("GET", "/metrics")[1].decode()
    found = re.search(r"^signpost_mailbox_backlog (\S+)$", text, re.MULTILINE)
    assert found
    return float(found[1])
