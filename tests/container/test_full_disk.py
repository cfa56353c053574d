"""Disks without room: who has mail here logs in and deletes, what was accepted waits, what cannot
be accepted is told to come later.
"""

from __future__ import annotations

import contextlib
import re
import smtplib
import time
from collections.abc import Iterator

import pytest

from .harness.imap import any_certificate, mailbox
from .harness.interruptions import smtpctl
from .harness.managesieve import ManageSieve
from .harness.messages import letter
from .harness.old_imap import PASSWORD, OldImap
from .harness.parts import signal
from .harness.shell import CommandError, attempt, fresh, wait_until
from .harness.signpost import IMAGE, Signpost
from .harness.small_disk import Kind, SmallDisk
from .harness.target import TestTarget
from .harness.world import World

ALICE = ("alice@example.org", "alice-has-a-secret")
CONFIGURED = {"DOMAINS": "example.org", "ACCOUNTS": ":".join(ALICE)}
BODY = b"x" * 76 + b"\r\n"


@pytest.fixture(scope="module")
def data() -> Iterator[SmallDisk]:
    with SmallDisk("data") as disk:
        yield disk


@pytest.fixture(scope="module")
def queue() -> Iterator[SmallDisk]:
    with SmallDisk("queue") as disk:
        yield disk


@pytest.fixture(scope="module")
def signpost(world: World, image: None, data: SmallDisk, queue: SmallDisk) -> Iterator[Signpost]:
    signpost = world.signpost(CONFIGURED, place=104)
    signpost.service["volumes"] = [
        data.mount("data", "/data"),
        queue.mount("queue", "/var/spool/smtpd"),
    ]
    with signpost:
        yield signpost


def submit(world: World, signpost: Signpost, size: int = 2_000) -> str:
    """Hand in a letter to oneself; the word to find it by."""
    token = fresh("letter")
    message = letter(ALICE[0], token=token, body=BODY * (size // len(BODY)))
    signpost.submit(world.swaks, ALICE, to=ALICE[0], message=message).accepted()
    return token


def test_a_full_disk_keeps_nobody_from_deleting_and_what_waits_goes_on(
    world: World, signpost: Signpost, data: SmallDisk
) -> None:
    for _ in range(4):
        token = submit(world, signpost, 40_000)
        assert signpost.wait_for_mail(ALICE[0], token)
    data.fill()
    try:
        waits = submit(world, signpost)
        signpost.wait_for_log(rf"mda delivery .*to=<{ALICE[0]}>.*result=TempFail")
        signpost.restart()
        signpost.wait_for_log(
            r"error maintenance: the disk of /data is full \(0 MiB of 40 MiB free\): "
            r"mail waits in the queue; make room"
        )
        health = signpost.attempt("signpost", "health")
        assert health.returncode == 1
        assert b"unhealthy: the disk of /data is full" in health.stdout
        with mailbox(signpost.v4, ALICE) as box:
            session = box.session
            assert session.select()[1] == [b"4"]
            session.store("1:3", "+FLAGS", r"(\Deleted)")
            assert session.expunge()[1] == [b"3", b"2", b"1"]
            begin = time.monotonic()
            # smtpd's own next try may be half an hour away; this one is not.
            assert box.wait_for(waits, timeout=60)
            assert time.monotonic() - begin < 30
    finally:
        data.clear()
    signpost.wait_for_log(r"info maintenance: the disk of /data takes mail again")
    assert signpost.attempt("signpost", "health").returncode == 0
    log = re.split(r"info signpost: signpost \d", signpost.logs())[-1]
    assert log.count("error maintenance: the disk of /data is full") == 1
    assert "Traceback" not in log


def test_no_command_does_half_of_its_work_on_a_full_disk(
    signpost: Signpost, data: SmallDisk
) -> None:
    def kept() -> str:
        return signpost.exec(
            *("sh", "-c", "cat /data/accounts/accounts.json /data/dkim/state.json;"),
            "ls -AR /data/accounts /data/dkim",
        )

    signpost.exec("signpost", "account", "add", "carol@example.org", "--generate")
    before = kept()
    data.fill()
    try:
        for command, stdin in (
            ("account add dave@example.org --generate", b""),
            ("account passwd carol@example.org --generate", b""),
            ("account passwd carol@example.org", b"another-password\n"),
            ("account quota carol@example.org 1G", b""),
            ("account remove carol@example.org", b""),
            ("app-password add alice@example.org phone", b""),
            ("alias add info@example.org alice@example.org", b""),
            ("keys rotate example.org", b""),
        ):
            done = signpost.attempt("signpost", *command.split(), stdin=stdin)
            assert done.returncode == 1, command
            # No password of something that was not kept.
            assert done.stdout == b"", command
            told = done.stderr.decode()
            assert re.match(
                r"error: /data/\S+: no space left on its disk; make room, or give", told
            ), (command, told)
            assert "Traceback" not in told
        for command in ("dns", "check", "keys list", "account list", "blocked", "queue list"):
            assert signpost.attempt("signpost", *command.split()).returncode == 0, command
        assert kept() == before
    finally:
        data.clear()
    assert signpost.exec("signpost", "app-password", "add", ALICE[0], "phone").strip()


def test_a_queue_without_room_takes_no_mail_and_says_452(
    world: World, signpost: Signpost, queue: SmallDisk
) -> None:
    queue.fill()
    try:
        # It is looked at once a second.
        said = wait_until(
            lambda: (
                (told := world.swaks(signpost.v4, to=ALICE[0])).code == 452 and told.outcome.text
            ),
            "mail on port 25 to be refused",
        )
        assert said.startswith("4.3.1 ")
        told = signpost.submit(world.swaks, ALICE, to=ALICE[0]).outcome
        assert (told.code, told.command[:4]) == (452, "MAIL")
        health = signpost.attempt("signpost", "health")
        assert b"the disk of /var/spool/smtpd is full" in health.stdout
        assert b"new mail is refused with 452" in health.stdout
    finally:
        queue.clear()
    wait_until(lambda: world.swaks(signpost.v4, to=ALICE[0]).code == 250, "mail to be taken again")


def test_a_message_that_the_queue_has_no_room_for_is_refused_for_now_and_no_filter_dies(
    world: World, signpost: Signpost, queue: SmallDisk
) -> None:
    large = letter(ALICE[0], body=BODY * 100_000)
    queue.fill(leaving=4 * 1024**2)
    try:
        for told in (
            signpost.submit(world.swaks, ALICE, to=ALICE[0], message=large),
            world.swaks(signpost.v4, to=ALICE[0], message=large),
        ):
            assert told.outcome.code in (421, 451, 452), told.transcript
        assert submit(world, signpost)
    finally:
        queue.clear()
    assert signpost.wait_for_mail(ALICE[0], submit(world, signpost))
    assert "cannot be kept running" not in signpost.logs()


@pytest.mark.parametrize(("size", "leaving"), [(600, 0), (6_000, 4096)], ids=["nothing", "a part"])
def test_a_message_of_which_the_queue_has_taken_not_all_is_not_accepted(
    signpost: Signpost, queue: SmallDisk, size: int, leaving: int
) -> None:
    """The disk is filled after DATA: what comes then is less than what smtpd writes at a time."""
    token = fresh("letter")
    message = letter(to=ALICE[0], token=token, body=BODY * (size // len(BODY)))
    with smtplib.SMTP(signpost.v4, timeout=30) as smtp:
        smtp.ehlo()
        smtp.mail("someone@outside.test")
        smtp.rcpt(ALICE[0])
        assert smtp.docmd("DATA")[0] == 354
        queue.fill(leaving=leaving)
        try:
            smtp.send(message + b".\r\n")
            code, said = smtp.getreply()
        finally:
            queue.clear()
    assert code in (421, 451, 452), said
    waiting = ("find", "/var/spool/smtpd/queue", "-type", "f")
    wait_until(lambda: not signpost.exec(*waiting), "an empty queue")


@pytest.mark.parametrize(
    ("kind", "killed"),
    [("blocks", False), ("blocks", True), ("inodes", False)],
    ids=["blocks", "blocks, smtpd is killed", "inodes"],
)
def test_what_is_refused_while_the_queue_is_full_is_bounced_once(
    world: World, signpost: Signpost, queue: SmallDisk, kind: Kind, killed: bool
) -> None:
    """There is no room for the bounce's envelope, and later none for its message."""
    token, unknown = fresh("letter"), "nobody@far.test"
    smtpctl(signpost, "pause", "mta")
    told = signpost.submit(
        world.swaks, ALICE, to=unknown, message=letter(ALICE[0], to=unknown, token=token)
    )
    told.accepted()
    queued = re.search(r"\b[0-9a-f]{8}\b", told.outcome.text)
    assert queued, told.transcript
    refused = rf'mta delivery evpid={queued[0]}\w+ .* result="PermFail"'
    queue.fill(kind)
    try:
        smtpctl(signpost, "resume", "mta")
        signpost.wait_for_log(refused)
        signpost.wait_for_log(f"TempFail injecting failure report on message {queued[0]}")
        if killed:
            assert signal(signpost, "smtpd's queue", "KILL").returncode == 0
    finally:
        queue.clear(kind)
    waiting = ("find", "/var/spool/smtpd/queue", "-type", "f")

    def all_is_done() -> bool:
        with contextlib.suppress(CommandError):  # it starts
            smtpctl(signpost, "schedule", "all")
        return not signpost.exec(*waiting)

    wait_until(all_is_done, "an empty queue")
    bounces = [mail for mail in signpost.read_mail(ALICE[0]) if token.encode() in mail]
    assert len(bounces) == 1
    assert f"Final-Recipient: rfc822; {unknown}".encode() in bounces[0]
    # The bounce's envelope is on the disk: after a restart, the message is not sent again.
    assert len(re.findall(refused, signpost.logs())) == 1


@pytest.mark.parametrize("full", ["data", "queue"])
def test_what_a_script_sends_goes_out_once_when_there_is_room(
    world: World, signpost: Signpost, data: SmallDisk, queue: SmallDisk, full: str
) -> None:
    disk = {"data": data, "queue": queue}[full]
    token, asker, reader = fresh("letter"), f"{full}@outside.test", "reader@far.test"
    with ManageSieve(signpost.v4) as session:
        session.start_tls(any_certificate()).login(*ALICE).activate(
            f'''require ["copy", "vacation"]; redirect :copy "{reader}"; vacation "{token}";'''
        )
    smtpctl(signpost, "pause", "mda")
    letter_in = letter(asker, to=ALICE[0], token=token)
    world.swaks(
        signpost.v4, to=ALICE[0], sender=asker, source=world.allowed[0], message=letter_in
    ).accepted()
    disk.fill()
    try:
        smtpctl(signpost, "resume", "mda")
        signpost.wait_for_log(rf"mda delivery .*from=<{asker}> .*result=TempFail")
    finally:
        disk.clear()
    smtpctl(signpost, "schedule", "all")
    with mailbox(signpost.v4, ALICE) as box:
        box.wait_for(token)
        waiting = ("find", "/var/spool/smtpd/queue", "-type", "f")
        wait_until(lambda: not signpost.exec(*waiting), "an empty queue")
        assert len(box.find(token)) == 1
        for outside in (asker, reader):
            world.outside.wait_for_mail(outside, token)
            received = world.outside.received(outside)
            assert sum(token.encode() in mail.message for mail in received) == 1
        with ManageSieve(signpost.v4) as session:
            session.start_tls(any_certificate()).login(*ALICE).say(b'SETACTIVE ""')


@pytest.mark.usefixtures("image")
def test_a_first_start_on_a_full_disk_says_what_it_is_and_ends() -> None:
    with SmallDisk("data") as disk:
        disk.fill()
        mount = disk.mount("data", "/data")
        done = attempt(
            *("docker", "run", "--rm", "--network", "none"),
            *("--volume", f"{mount['source']}:/data", IMAGE),
        )
    told = done.stderr.decode()
    assert done.returncode == 2, told
    assert re.search(
        r"^error: /data/\S+: no space left on its disk; make room, or give the volume a larger",
        told,
        re.MULTILINE,
    ), told
    assert "writable" not in told
    assert "Traceback" not in told


def test_a_test_targets_disk(target_image: None) -> None:
    """Nothing more is taken, all that was taken is there, and each refusal says why."""
    taken: list[str] = []

    def fill(smtp: smtplib.SMTP) -> None:
        for number in range(1_000):
            text = f"Subject: m{number}\r\n\r\n" + "a word and another\r\n" * 200
            smtp.sendmail("a@x.example", ["b@y.example"], text)
            taken.append(f"m{number}")

    with TestTarget(options=("--tmpfs", "/data:size=4m")) as target:
        with target.smtp() as smtp, pytest.raises(smtplib.SMTPDataError) as refused:
            fill(smtp)
        full = b"4.3.1 the disk with the stored messages is full"
        assert (refused.value.smtp_code, refused.value.smtp_error) == (452, full)
        assert taken
        listed = target.get("/api/v1/messages?limit=1000")["messages"]
        assert [each["Subject"] for each in reversed(listed)] == taken
        status, said = target.request("DELETE", "/api/v1/messages")
        assert (status, said) in (
            (200, b"ok"),
            (507, b"Error: the disk with the stored messages is full; make room on it"),
        )
        assert "Traceback" not in target.logs()


def test_an_import_into_a_full_disk_names_it_and_goes_on_when_there_is_room(
    signpost: Signpost, data: SmallDisk
) -> None:
    old, token = OldImap(signpost.place.network), fresh("old")
    try:
        signpost.exec("sh", "-c", "cat >/tmp/authority.pem", stdin=old.authority)
        with mailbox(old.v4, (ALICE[0], PASSWORD)) as there:
            for number in range(8):
                message = letter(ALICE[0], token=f"{token}.{number}", body=BODY * 12_000)
                there.session.append("INBOX", "", "", message)
        words = ("signpost", "import", ALICE[0], "--from", old.host)
        words += ("--certificate-file", "/tmp/authority.pem")
        data.fill(leaving=4_000_000)
        done = signpost.attempt(*words, stdin=f"{PASSWORD}\n".encode())
        assert done.returncode == 1
        assert re.search(
            rb"error: .*the disk of /data is full \([0-3] MiB of 40 MiB free\): .*make room.*; "
            rb"run the same again",
            done.stderr,
        ), done
        data.clear()
        done = signpost.attempt(*words, stdin=f"{PASSWORD}\n".encode())
        assert done.returncode == 0, done
        with mailbox(signpost.v4, ALICE) as here:
            here.session.select("INBOX")
            assert len(here.session.search(None, "HEADER", "Message-ID", token)[1][0].split()) == 8
    finally:
        data.clear()
        old.remove()
