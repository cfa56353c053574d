"""A backup of a server at work, and what becomes of it on another machine."""

from __future__ import annotations

import imaplib
import io
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyrage
import pytest

from entrypoint.backup import encryption
from entrypoint.backup.archive import ArchiveReader
from entrypoint.backup.encryption import Opener

from .harness.imap import Mailbox, any_certificate, mailbox
from .harness.interruptions import smtpctl
from .harness.managesieve import ManageSieve
from .harness.messages import letter
from .harness.restless import Restless
from .harness.shell import fresh, wait_until
from .harness.signpost import Signpost
from .harness.small_disk import SmallDisk
from .harness.world import World

DOMAIN = "rotate.test"
ALICE = (f"alice@{DOMAIN}", "alice-has-a-secret")
# With all that writes to the volumes.
CONFIGURED = {
    "DOMAINS": DOMAIN,
    "ACCOUNTS": ":".join(ALICE),
    "ARC_SEAL": "yes",
    "GREYLIST": "1s",
    "TRACE_DAYS": "3",
    "ANONYMIZE_EMAILS": "yes",
}
PLACE = 119
BUSY, CALM = ("INBOX", "Archive", "busy"), "Projects/v1.2"
RULES = 'require ["fileinto"];\r\nif header "Subject" "file me" { fileinto "Projects/v1.2"; }\r\n'
JUNK = letter(token="junk", body=b"Buy this.\r\n")
HELD = r"warning signpost: ((\d+) messages? of a restored queue (?:is|are) held)"
KEY = pyrage.x25519.Identity.generate()


@dataclass(frozen=True)
class Seen:
    """What a mail program sees of a folder."""

    validity: str
    messages: list[bytes]
    subscribed: set[str]


@dataclass
class Saved:
    """An archive, and what it has to bring back."""

    file: Path
    seen: Seen
    accounts: str
    phone: str
    carol: str
    waiting: str
    token: str
    key: Path
    records: list[str]


def publish(world: World, *records: str) -> None:
    for server in (world.ns, world.ns2):
        server.replace(DOMAIN, *records)


def look(box: Mailbox, folder: str = CALM) -> Seen:
    session = box.session
    session.select(f'"{folder}"', readonly=True)
    (validity,) = session.response("UIDVALIDITY")[1]
    lines = session.fetch("1:*", "(UID FLAGS INTERNALDATE RFC822.SIZE)")[1]
    return Seen(validity.decode(), [bytes(each) for each in lines], box.subscribed())


def fill(signpost: Signpost) -> tuple[str, str]:
    """An account that is added, an app password, folders, flags, a script; the two passwords."""
    carol = signpost.exec("signpost", "account", "add", f"carol@{DOMAIN}", "--generate")
    phone = signpost.exec("signpost", "app-password", "add", ALICE[0], "phone")
    with mailbox(signpost.v4, ALICE) as box:
        session = box.session
        for folder in ("busy", CALM, "empty"):
            session.create(f'"{folder}"')
        session.subscribe(f'"{CALM}"')
        for number, flags in enumerate((r"(\Seen $Work)", r"(\Answered \Flagged)", "()", "(b a)")):
            when = f'"17-May-{2020 + number} 01:02:03 +0000"'
            text = letter(token=fresh("calm"), body=b"x" * 3000 * number + b"\r\n")
            session.append(f'"{CALM}"', flags, when, text)
        session.select(f'"{CALM}"')
        session.store("3", "+FLAGS", r"(\Deleted)")
        session.expunge()
    with ManageSieve(signpost.v4) as sieve:
        sieve.start_tls(any_certificate()).login(*ALICE).activate(RULES)
    signpost.exec("signpost", "junk", "block", ALICE[0], "offers.example")
    signpost.exec("signpost", "junk", "train", ALICE[0], "spam", "-", stdin=JUNK)
    return last_word(phone), last_word(carol)


def last_word(printed: str) -> str:
    return printed.split()[-1]


def tokens_in(archive: bytes) -> set[str]:
    """Those of the messages in an archive, of mailboxes and of the queue."""
    found: set[str] = set()
    with encryption.opened(io.BytesIO(archive), Opener((KEY,))) as stream:
        for head, pieces in ArchiveReader(stream).members():
            content = b"".join(pieces)
            if "/Maildir/" in head.name or head.name.endswith("/message"):
                found.update(re.findall(r"<([a-z]+-[0-9a-f]{8})@", content.decode("latin-1")))
    return found


def take(signpost: Signpost) -> bytes:
    done = signpost.attempt("signpost", "backup", "--recipient", str(KEY.to_public()))
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def is_whole(signpost: Signpost, restless: Restless, times: int) -> bytes:
    """Backups while nothing rests: each has every message that was accepted before its start."""
    archive = b""
    for _ in range(times):
        begin = time.time()
        archive = take(signpost)
        before = {token for token, when in restless.accepted.items() if when < begin}
        assert before
        assert not before - tokens_in(archive)
    return archive


@pytest.fixture(scope="module")
def disk(world: World) -> Iterator[SmallDisk]:
    with SmallDisk("backups", size="30m") as disk:
        yield disk


@pytest.fixture(scope="module")
def saved(
    world: World, image: None, disk: SmallDisk, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Saved]:
    """An archive of a server that is at work; then the server is gone."""
    top = tmp_path_factory.mktemp("backup")
    key = top / "key.txt"
    key.write_text(f"{KEY}\n")
    signpost = world.signpost(CONFIGURED, place=PLACE)
    signpost.service["volumes"] = [disk.mount("backups", "/backups")]
    with signpost:
        records = signpost.dkim_records(DOMAIN)
        publish(world, *records)
        assert signpost.attempt("signpost", "keys", "check").returncode == 0
        phone, carol = fill(signpost)
        smtpctl(signpost, "pause", "mta")
        token = fresh("waiting")
        waiting, message = f"{token}@far.test", letter(ALICE[0], token=token)
        signpost.submit(world.swaks, ALICE, to=waiting, message=message).accepted()
        with Restless(signpost.v4, ALICE, BUSY) as restless:
            wait_until(lambda: len(restless.accepted) > 30 and restless.moves > 60, "mail")
            archive = is_whole(signpost, restless, 2)
            slow_reader_holds_nothing_up(world, signpost)
        cut_off_backups_are_no_files(signpost, disk)
        with mailbox(signpost.v4, ALICE) as box:
            seen = look(box)
        accounts = signpost.exec("signpost", "account", "list")
    file = top / "backup.tar.age"
    file.write_bytes(archive)
    yield Saved(file, seen, without_uses(accounts), phone, carol, waiting, token, key, records)
    publish(world)


def without_uses(listing: str) -> str:
    """A list of accounts without when each password was last used."""
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC|never", "", listing)


def slow_reader_holds_nothing_up(world: World, signpost: Signpost) -> None:
    """Nobody reads the archive: mail comes, and accounts log in."""
    with subprocess.Popen(
        ["docker", "exec", signpost.container, "signpost", "backup"], stdout=subprocess.PIPE
    ) as backup:
        assert backup.stdout is not None
        backup.stdout.read(1)
        token = fresh("meanwhile")
        signpost.submit(world.swaks, ALICE, to=ALICE[0], message=letter(ALICE[0], token=token))
        with mailbox(signpost.v4, ALICE) as box:
            wait_until(lambda: any(box.find(token, folder) for folder in BUSY), token)
        signpost.exec("signpost", "account", "quota", f"carol@{DOMAIN}", "none")
        backup.kill()


def cut_off_backups_are_no_files(signpost: Signpost, disk: SmallDisk) -> None:
    """On a disk that becomes full, and killed in the middle."""

    def shell(script: str) -> subprocess.CompletedProcess[bytes]:
        return signpost.attempt("sh", "-c", script)

    disk.fill(leaving=40_000)
    done = shell("signpost backup --output /backups/full.tar")
    disk.clear()
    assert done.returncode == 1
    assert b"no space left on its disk; make room" in done.stderr
    assert b"the backup is not whole" in done.stderr
    killed = shell(
        "signpost backup --output /backups/killed.tar & pid=$!; "
        "until [ -s /backups/.killed.tar.part ] || ! kill -0 $pid; do :; done 2>/dev/null; "
        "kill -9 $pid; wait $pid; ls -A /backups"
    )
    assert killed.stdout.split() in ([b".killed.tar.part"], [b"killed.tar"]), killed
    whole = shell("umask 0; signpost backup --output /backups/killed.tar; ls -lA /backups")
    (line,) = [each for each in whole.stdout.splitlines() if b"killed" in each]
    assert line.startswith(b"-rw------- 1 root root ")
    assert shell("signpost backup --verify /backups/killed.tar").returncode == 0
    assert shell("signpost backup >/dev/full").returncode == 1


@pytest.fixture(scope="module")
def restored(world: World, saved: Saved) -> Iterator[Signpost]:
    """Another machine: new volumes with the archive in them, and a server that has just begun."""
    signpost = world.signpost(CONFIGURED, place=PLACE)
    try:
        done = restore(signpost, saved)
        assert (done.returncode, done.stderr) == (0, b""), done
        assert re.search(rb"\d+ messages? of a restored queue (is|are) held", done.stdout)
        signpost.start()
        yield signpost
    finally:
        signpost.remove()


def restore(signpost: Signpost, saved: Saved, *options: str) -> subprocess.CompletedProcess[bytes]:
    files = {"/backup": saved.file, "/key": saved.key}
    return signpost.once("restore", "/backup", "--identity-file", "/key", *options, files=files)


def test_flags_numbers_dates_and_subscriptions_come_back(restored: Signpost, saved: Saved) -> None:
    with mailbox(restored.v4, ALICE) as box:
        assert look(box) == saved.seen
        assert len(saved.seen.messages) == 3
        assert {"busy", "empty", CALM, "Archive"} <= set(box.folders())
        session = box.session
        session.append(f'"{CALM}"', "()", imaplib.Time2Internaldate(time.time()), letter())
        session.select(f'"{CALM}"')
        uid = int(re.findall(rb"UID (\d+)", session.fetch("4", "(UID)")[1][0])[0])
        # No mail program has seen a message of this number.
        assert uid > 1_000_000


def test_every_message_is_there_and_readable(restored: Signpost, saved: Saved) -> None:
    expected = tokens_in(saved.file.read_bytes())
    found: set[str] = set()
    with mailbox(restored.v4, ALICE) as box:
        for folder in box.folders():
            kind, (count,) = box.session.select(f'"{folder}"', readonly=True)
            if kind != "OK" or count == b"0":
                continue
            parts = box.session.fetch("1:*", "(BODY.PEEK[])")[1]
            text = b"".join(part[1] for part in parts if isinstance(part, tuple))
            found.update(re.findall(r"<([a-z]+-[0-9a-f]{8})@", text.decode("latin-1")))
    # The others were in the queue at that moment.
    assert len(expected - found) <= int(re.findall(HELD, restored.logs())[0][1])
    assert len(found) > 30


def test_accounts_and_their_passwords_log_in(restored: Signpost, saved: Saved) -> None:
    for login in ((ALICE[0], saved.phone), (f"carol@{DOMAIN}", saved.carol)):
        with mailbox(restored.v4, login):
            pass
    assert without_uses(restored.exec("signpost", "account", "list")) == saved.accounts
    assert len(re.findall("warning|error", restored.logs())) == 1  # the queue


def test_what_was_learned_is_known(restored: Signpost) -> None:
    listed = restored.exec("signpost", "junk", "status", ALICE[0])
    assert "1 spam and 0 ham learned" in listed
    assert "block: offers.example" in listed
    again = restored.exec("signpost", "junk", "train", ALICE[0], "spam", "-", stdin=JUNK)
    assert again.startswith("0 messages learned as spam, 1 known before, 0 left out")


def test_mail_is_signed_and_filed_as_before(world: World, restored: Signpost, saved: Saved) -> None:
    to = f"{fresh('reader')}@far.test"
    restored.submit(world.swaks, ALICE, to=to, message=letter(ALICE[0])).accepted()
    received = world.outside.wait_for_mail(to).message
    assert {(s, r) for _, s, _, r in world.verify(received)} == {
        ("mail", "pass"),
        ("mail-ed25519", "pass"),
    }
    token = fresh("filed")
    message = letter(ALICE[0], subject=b"file me", token=token)
    restored.submit(world.swaks, ALICE, to=ALICE[0], message=message).accepted()
    with mailbox(restored.v4, ALICE) as box:
        assert box.wait_for(token, CALM)


def test_the_queue_waits_for_a_word_and_goes_then(
    world: World, restored: Signpost, saved: Saved
) -> None:
    found = re.search(HELD, restored.logs())
    assert found is not None
    held, count = found[1], int(found[2])
    assert held in restored.exec("signpost", "queue", "list")
    health = restored.exec("signpost", "health")
    assert health.startswith("healthy")
    assert held in health
    assert not world.outside.received(saved.waiting)
    said = restored.exec("signpost", "restore", "--release-queue")
    assert re.fullmatch(rf"{count} messages? moved into the queue: mail may go out twice\n", said)
    world.outside.wait_for_mail(saved.waiting)
    # As smtpd wants it when it starts.
    owner = restored.exec("stat", "-c", "%U:%G %a", "/var/spool/smtpd/queue")
    assert owner == "opensmtpq:root 700\n"
    wait_until(lambda: "is empty" in restored.exec("signpost", "queue", "list"), "an empty queue")
    assert len(world.outside.received(saved.waiting)) == 1
    assert "held" not in restored.exec("signpost", "health")
    # Everything is in the next backup again.
    assert not tokens_in(saved.file.read_bytes()) - tokens_in(take(restored)) - {saved.token}


# In the server's own container; what it writes by itself is mail.
NOT_EMPTY = r"""
list() { find /data /var/spool/smtpd ! -path "*/mail*" | sort; }
list >/tmp/before
signpost restore /tmp/before; echo $?
list | diff /tmp/before -
"""


def test_volumes_that_are_not_empty_are_not_touched(restored: Signpost) -> None:
    done = restored.attempt("sh", "-c", NOT_EMPTY)
    assert done.stdout == b"2\n"
    assert done.stderr.startswith(
        b"error: /data: not empty, and a restore replaces nothing; give it a new volume\n"
        b"error: /var/spool/smtpd: not empty"
    )


# Everything in one container, as `docker compose run` makes it. The disk is full before a restore,
# and in the middle of one, where a start is refused, as it is afterwards; the next one is killed;
# the last one is whole.
CUT_OFF = r"""
said() { grep -q "$1" /tmp/said || cat /tmp/said; }
full() { dd if=/dev/zero of=/filled/x bs=64k; dd if=/dev/zero of=/filled/y bs=512; } 2>/dev/null
restore="signpost restore /backup --identity-file /key"
# A restore that sends itself a signal: once its marks stand, and at an account's first message.
at_the_marks='
import os, signal
from entrypoint import cli
from entrypoint.backup import empty_volumes
begin = empty_volumes.begin
def begin_and_stop(volumes):
    begin(volumes)
    os.kill(os.getpid(), signal.SIGSTOP)
empty_volumes.begin = begin_and_stop
cli.main()'
at_a_message='
import os, signal
from entrypoint import cli
from entrypoint.backup.restore import Restore
write = Restore._file
def write_or_die(self, head, content):
    if "/Maildir/" in head.name:
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, head, content)
Restore._file = write_or_die
cli.main()'
signalled() { exec /opt/signpost/bin/python -c "$1" restore /backup --identity-file /key; }
stopped() { until grep -q "^State:.T" /proc/$1/status || ! kill -0 $1; do :; done; }
head -c 60000 /dev/zero >/filled/z; full; rm /filled/z
$restore 2>/tmp/said; echo $? too small, $(find /data /var/spool/smtpd -mindepth 1 | wc -l) files
said "it needs [01] MiB, and the disk of /data and /var/spool/smtpd has 0 MiB free; make room"
rm /filled/*
signalled "$at_the_marks" 2>/tmp/said & pid=$!
stopped $pid; full
timeout 20 signpost start 2>/tmp/said; echo $? no start meanwhile
said "is at work here; start once it has ended"
kill -CONT $pid
wait $pid; echo $? full
said "no space left on its disk; make room"
said "the restore was not finished"
timeout 20 signpost start 2>/tmp/said; echo $? no start
said "restore. was not finished here; run it again"
rm -r /filled/* /data/mail
signalled "$at_a_message" & wait $!; echo $? killed; ls -d /data/RESTORE /data/mail
$restore; echo $? restored
signpost dns 2>/dev/null
"""


def test_a_restore_that_is_cut_off_is_none_and_can_be_made_again(
    world: World, image: None, saved: Saved
) -> None:
    """DNS has moved past the keys: they do not sign."""
    with SmallDisk("data", "queue", "filled", size="30m", inodes=6000) as disk:
        signpost = world.signpost(CONFIGURED, place=PLACE + 1)
        signpost.service["volumes"] = [
            disk.mount("data", "/data"),
            disk.mount("queue", "/var/spool/smtpd"),
            disk.mount("filled", "/filled"),
        ]
        try:
            publish(world, 'mail._domainkey 1 IN TXT "v=DKIM1; k=rsa; p="')
            files = {"/backup": saved.file, "/key": saved.key}
            done = signpost.once("-c", CUT_OFF, files=files, entrypoint="sh")
            printed = done.stdout.decode()
            steps = re.findall(r"^(?:\d+ .*(?<!second time)|/data.*)$", printed, re.MULTILINE)
            assert steps == [
                "1 too small, 0 files",
                "2 no start meanwhile",
                "1 full",
                "2 no start",
                "137 killed",
                "/data/RESTORE",
                "/data/mail",
                "0 restored",
            ], done
            moved_keys_are_named(done.stderr.decode())
            new_keys_are_made(printed)
        finally:
            publish(world, *saved.records)
            signpost.remove()


def moved_keys_are_named(said: str) -> None:
    keys = (f"DKIM key mail of {DOMAIN}", f"DKIM key mail-ed25519 of {DOMAIN}")
    for key in (*keys, f"ARC key mail-arc of mail.{DOMAIN}"):
        why = rf"warning: {key}: DNS has moved past it \(.*\); it is not "
        assert re.search(f"{why}restored", said), said


def new_keys_are_made(printed: str) -> None:
    selectors = re.findall(rf"^(\S+)\._domainkey\.{re.escape(DOMAIN)}\. ", printed, re.MULTILINE)
    assert len(selectors) == 2
    assert all(re.fullmatch(r"mail-20\d{6}(-ed25519)?", each) for each in selectors)
