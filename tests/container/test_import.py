"""`signpost import`: mail of another IMAP server, by two runs, while mail comes and is read."""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from .harness.imap import Mailbox, mailbox
from .harness.messages import letter
from .harness.old_imap import PASSWORD, OldImap, contents
from .harness.peers import paused
from .harness.shell import fresh, wait_until
from .harness.signpost import ROOT, Signpost
from .harness.world import World

NAMES = ("alice", "bob", "carol", "dave", "erin", "frank")
ALICE, BOB, CAROL, DAVE, ERIN, FRANK = ((f"{name}@example.org", f"{name}-secret") for name in NAMES)
ENVIRONMENT = {
    "DOMAINS": "example.org",
    "ACCOUNTS": "\n".join(
        f"{address}:{secret}{':quota=1M' if address == CAROL[0] else ''}"
        for address, secret in (ALICE, BOB, CAROL, DAVE, ERIN, FRANK)
    ),
    "MESSAGE_SIZE_LIMIT": "1M",
}
# There, and here.
FOLDERS = {
    "INBOX": "INBOX",
    "Gesendete Objekte": "Sent",
    "Papierkorb": "Trash",
    "Spam": "Junk",
    "Work": "Work",
    "Work/v1.2": "Work/v1.2",
    "R&AOk-sum&AOk-": "R&AOk-sum&AOk-",
    "007": "007",
    "archive": "Archive",
    "INBOX/a &- b": "INBOX/a &- b",
}
FLAGS = ("", r"\Seen", r"\Flagged $Forwarded", r"\Answered own-word", r"\Draft \Deleted")
DATE = '"29-Feb-2012 23:59:58 +0130"'
(COMMAND,) = re.findall(
    r"^    (docker compose exec signpost signpost import .*)$",
    (ROOT / "docs/moving-in.md").read_text(),
    re.MULTILINE,
)
TRUST = ("--certificate-file", "/tmp/authority.pem")


@pytest.fixture(scope="module")
def server(world: World, image: None) -> Iterator[Signpost]:
    with world.signpost(ENVIRONMENT, place=116) as signpost:
        yield signpost


@pytest.fixture(scope="module")
def old(server: Signpost) -> Iterator[OldImap]:
    old = OldImap(server.place.network)
    try:
        server.exec("sh", "-c", "cat >/tmp/authority.pem", stdin=old.authority)
        yield old
    finally:
        old.remove()


def bring(
    server: Signpost, old: OldImap, address: str, *options: str, password: str = PASSWORD
) -> subprocess.CompletedProcess[bytes]:
    words = COMMAND.replace("alice@example.org", address).replace("imap.old.example", old.host)
    return server.attempt(
        *(*words.split()[4:], *TRUST, *options),
        stdin=f"{password}\n".encode(),
    )


def append(box: Mailbox, folder: str, *messages: bytes, flags: str = "") -> None:
    for message in messages:
        kind, data = box.session.append(f'"{folder}"', flags, DATE, message)
        assert kind == "OK", data


def move(box: Mailbox, token: str, folder: str, to: str) -> None:
    session = box.session
    session.select(f'"{folder}"')
    _, (number,) = session.search(None, "HEADER", "Message-ID", token)
    assert session.uid("MOVE", session_uid(session, number), f'"{to}"')[0] == "OK"


def session_uid(session: object, number: bytes) -> str:
    _, (line,) = session.fetch(number.decode(), "(UID)")  # type: ignore[attr-defined]
    return str(int(line.split(b"UID ")[1].rstrip(b")")))


def remove(box: Mailbox, token: str, folder: str) -> None:
    box.session.select(f'"{folder}"')
    _, (number,) = box.session.search(None, "HEADER", "Message-ID", token)
    box.session.store(number.decode(), "+FLAGS", r"(\Deleted)")
    box.session.expunge()


def letters(count: int, name: str = "m", size: int = 100) -> list[bytes]:
    body = b"".join(b"%d\r\n" % line for line in range(size // 4))
    return [letter(token=f"{name}{number}.", body=body) for number in range(count)]


def test_folders_flags_dates_and_every_byte(server: Signpost, old: OldImap) -> None:
    odd = [
        letter(token="no-end", body=b"no line end"),
        letter(token="8bit", body=b"\x8e\xff\r\n\r\n.\r\nFrom me\r\na bare \r in it\r\n"),
        letter(token="long", body=b"x" * 100_000 + b"\r\n"),
        letter(token="large", body=b"y" * 70 + (b"\r\n" + b"z" * 70) * 30_000),
        b"\r\n",
        b"Subject: nothing\r\n\r\n",
    ]
    with mailbox(old.v4, ("alice", PASSWORD)) as there:
        for number, folder in enumerate(FOLDERS):
            there.session.create(f'"{folder}"')
            for index, flags in enumerate(FLAGS):
                append(there, folder, letter(token=f"f{number}.{index}."), flags=f"({flags})")
        there.session.subscribe("Work/v1.2")
        append(there, "INBOX", *odd)
        wanted = {here: contents(there, folder) for folder, here in FOLDERS.items()}
    listed = bring(server, old, ALICE[0], "--user", "alice", "--list").stdout.decode()
    assert ["Gesendete", "Objekte", "Sent", "5", "5"] in map(str.split, listed.splitlines())
    done = bring(server, old, ALICE[0], "--user", "alice")
    assert done.returncode == 0, done
    assert "\n56 messages brought" in done.stdout.decode()
    with mailbox(server.v4, ALICE) as here:
        for folder, content in wanted.items():
            assert contents(here, folder) == content, folder
        assert "Work/v1.2" in here.subscribed()
        assert "007" not in here.subscribed()
        assert "Papierkorb" not in here.folders()
    # Nothing changes there, not even what is new to a mail program.
    assert "expunged=0" in old.logs()
    assert "(RECENT 0)" not in old.exec("doveadm", "-c", "/old/dovecot.conf", "who")


def test_a_second_run_brings_what_is_new_and_nothing_back(
    world: World, server: Signpost, old: OldImap
) -> None:
    with mailbox(old.v4, ("bob", PASSWORD)) as there:
        there.session.create("Filed")
        there.session.create("Renamed")
        append(there, "INBOX", *letters(6))
        append(there, "Renamed", letter(token="renamed"))
    assert bring(server, old, BOB[0], "--user", "bob").returncode == 0
    token = fresh("came")
    world.swaks(server.v4, to=BOB[0], message=letter(to=BOB[0], token=token)).accepted()
    with mailbox(server.v4, BOB) as here:
        here.wait_for(token)
        remove(here, "m0.", "INBOX")
        here.session.create("Mine")
        move(here, "m1.", "INBOX", "Mine")
        here.session.select("INBOX")
        here.session.store("1:*", "+FLAGS", r"(\Flagged)")
    with mailbox(old.v4, ("bob", PASSWORD)) as there:
        remove(there, "m2.", "INBOX")
        move(there, "m3.", "INBOX", "Filed")
        there.session.rename("Renamed", "Other")
        append(there, "INBOX", letter(token="new1"))
        append(there, "Filed", letter(token="new2"), letter(token="new2"))
    done = bring(server, old, BOB[0], "--user", "bob")
    assert done.returncode == 0, done
    assert "\n3 messages brought" in done.stdout.decode()
    # What is known once is known the next time, too.
    assert "\n0 messages brought" in bring(server, old, BOB[0], "--user", "bob").stdout.decode()
    with mailbox(server.v4, BOB) as here:
        found = {
            word: {folder: len(here.find(word, folder)) for folder in here.folders()}
            for word in ("m0.", "m1.", "m2.", "m3.", "renamed", "new1", "new2", token)
        }
        where = {
            word: {folder: count for folder, count in each.items() if count}
            for word, each in found.items()
        }
        assert where == {
            "m0.": {},
            "m1.": {"Mine": 1},
            "m2.": {"INBOX": 1},
            "m3.": {"INBOX": 1},
            "renamed": {"Renamed": 1},
            "new1": {"INBOX": 1},
            "new2": {"Filed": 2},
            token: {"INBOX": 1},
        }


def counts(box: Mailbox, folder: str) -> Counter[bytes]:
    return Counter(content for _, _, content in contents(box, folder))


# Sends a signal to a process of a command line with this word, once so many messages are stored.
KILL = r"""
i=0; until [ $(ls $1/new $1/cur 2>/dev/null | grep -c '^[0-9]') -ge $2 ]; do
    i=$((i + 1)); [ $i -lt 9999 ] || exit 1; done
for each in $(grep -lsz -e "^$3\$" /proc/[0-9]*/cmdline); do
    pid=${each#/proc/}; kill -$4 ${pid%/cmdline}; done
"""


@pytest.mark.parametrize(
    ("victims", "word"), [((1, 90, 170), "import"), ((30, 120), "/usr/lib/dovecot/imap")]
)
def test_it_goes_on_where_it_was_killed(
    server: Signpost, old: OldImap, victims: tuple[int, ...], word: str
) -> None:
    """Between the storing of messages and the record of it, too; Dovecot's program as well."""
    login = DAVE if word == "import" else FRANK
    with mailbox(old.v4, ("dave", PASSWORD)) as there:
        if not counts(there, "INBOX"):
            append(there, "INBOX", *letters(220, size=2000))
        wanted = counts(there, "INBOX")
    mail = f"/data/mail/example.org/{login[0].partition('@')[0]}/Maildir"
    killed = 0
    for least in victims:
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(bring, server, old, login[0], "--user", "dave")
            # In brackets, so that the pattern is no word of its own command line.
            given = (mail, str(least), f"{word[:-1]}[{word[-1]}]", "KILL")
            kill = server.attempt("sh", "-c", KILL, "sh", *given, user="vmail")
            killed += not kill.returncode and (word != "import" or done.result().returncode == 137)
    assert killed
    done = bring(server, old, login[0], "--user", "dave")
    assert done.returncode == 0, done
    with mailbox(server.v4, login) as here:
        assert counts(here, "INBOX") == wanted


def test_a_mailbox_that_is_full_gets_what_fits(server: Signpost, old: OldImap) -> None:
    with mailbox(old.v4, ("carol", PASSWORD)) as there:
        append(there, "INBOX", *letters(30, size=150_000))
        wanted = counts(there, "INBOX")
    done = bring(server, old, CAROL[0], "--user", "carol")
    assert done.returncode == 1
    assert "error: the mailbox here is full" in done.stderr.decode()
    assert "messages missing; run the same again" in done.stderr.decode()
    with mailbox(server.v4, CAROL) as here:
        some = counts(here, "INBOX")
        assert some
        assert some < wanted
        here.session.select("INBOX")
        here.session.store("1:*", "+FLAGS", r"(\Deleted)")
        here.session.expunge()
    done = bring(server, old, CAROL[0], "--user", "carol")
    with mailbox(server.v4, CAROL) as here:
        more = counts(here, "INBOX")
        assert more
        assert not more & some


def test_meanwhile_mail_comes_and_nobody_sees_the_password(
    world: World, server: Signpost, old: OldImap
) -> None:
    with mailbox(old.v4, ("erin", PASSWORD)) as there:
        append(there, "INBOX", *letters(5))
    with ThreadPoolExecutor(1) as pool, paused(old.container):
        importing = pool.submit(bring, server, old, ERIN[0], "--user", "erin")
        record = "/data/mail/example.org/erin/imported"
        wait_until(lambda: not server.attempt("test", "-e", record).returncode, "the import")
        # Another one of this account, and one of another.
        again = bring(server, old, ERIN[0], "--user", "erin")
        assert (again.returncode, again.stderr) == (
            1,
            b"error: another import into erin@example.org is at work; wait for its end\n",
        )
        token = fresh("meanwhile")
        world.swaks(server.v4, to=ERIN[0], message=letter(to=ERIN[0], token=token)).accepted()
        with mailbox(server.v4, ERIN) as here:
            here.wait_for(token)
        look = r"cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ; grep -c . /proc/self/status"
        seen = server.processes("sh", "-c", look)
        assert b"import" in seen
        assert PASSWORD.encode() not in seen
        owners = r"for each in $(grep -lsz -e '^import$' /proc/[0-9]*/cmdline); do"
        owners += r" grep Uid: ${each%cmdline}status; done"
        vmail = server.exec("id", "-u", "vmail").strip()
        (line,) = set(server.exec("sh", "-c", owners).splitlines())
        assert line.split()[1:] == [vmail] * 4
    assert importing.result().returncode == 0
    with mailbox(server.v4, ERIN) as here:
        assert sum(counts(here, "INBOX").values()) == 6
    assert server.exec("ls", "/tmp") == "authority.pem\n"


def test_a_restored_record_is_older_than_the_mail_and_nothing_comes_twice(
    server: Signpost, old: OldImap
) -> None:
    record = "/data/mail/example.org/erin/imported"
    with mailbox(old.v4, ("erin", PASSWORD)) as there:
        append(there, "INBOX", *letters(3, "before"))
        assert bring(server, old, ERIN[0], "--user", "erin").returncode == 0
        archive = server.attempt("signpost", "backup").stdout
        append(there, "INBOX", *letters(3, "while"), letters(1, "while")[0])
        append(there, "Spam", *letters(2, "spam"))
    assert bring(server, old, ERIN[0], "--user", "erin").returncode == 0
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        member = tar.extractfile(f"data{record.removeprefix('/data')}")
        assert member is not None
        copy = member.read()
    server.exec("sh", "-c", f"cat >{record}", stdin=copy)
    with mailbox(server.v4, ERIN) as here:
        before = counts(here, "INBOX"), counts(here, "Junk")
        with mailbox(old.v4, ("erin", PASSWORD)) as there:
            append(there, "INBOX", *letters(1, "after"), letters(1, "before")[0])
        for _ in range(2):
            done = bring(server, old, ERIN[0], "--user", "erin")
            assert done.returncode == 0, done
        inbox = counts(here, "INBOX")
        assert counts(here, "Junk") == before[1]
        # The copy of one that is here already is a message of its own.
        assert sorted((inbox - before[0]).values()) == [1, 1]


@pytest.mark.parametrize(
    ("options", "password", "status", "said"),
    [
        ((), "wrong", 1, "it refuses the login"),
        (("--from", "no-such-host.test"), PASSWORD, 1, "there is no such host"),
        (("--from", "{v4}"), PASSWORD, 1, "its certificate does not verify"),
        (("--folder", "None"), PASSWORD, 2, "the old server has no such folder; it has INBOX"),
    ],
    # The password is another one in each process of pytest-xdist, and ids have to be the same.
    ids=["login", "host", "certificate", "folder"],
)
def test_what_cannot_be_is_said(
    server: Signpost,
    old: OldImap,
    options: tuple[str, ...],
    password: str,
    status: int,
    said: str,
) -> None:
    given = [each.format(host=old.host, v4=old.v4) for each in options]
    done = bring(server, old, ERIN[0], "--user", "nobody", *given, password=password)
    assert done.returncode == status, done
    assert said in done.stderr.decode()
    assert b"Traceback" not in done.stderr


# Stores messages one by one, and says which are known again by their digests.
STORE = """
import sys
from datetime import UTC, datetime
from entrypoint.mailbox_import.mailbox_here import MailboxHere, NewMessage, NotTakenError, digest
here = MailboxHere(sys.argv[1])
here.open()
here.make("Odd", subscribed=False)
early = datetime(1000, 1, 1, tzinfo=UTC)
for content, keyword, date in (
    (b"a\\r\\nb\\r\\n", "own", None), (b"a\\r\\r\\nb\\r\\n", "own", None),
    (b"a\\nb\\rc\\r\\r\\r\\n", "own", None), (b"a\\0b", "own", None), (b"x\\r\\n", "k" * 50, early),
    (b"", "own", None), (b"x\\r\\n", "l" * 51, None), (b"x\\r\\n", "own", early.replace(year=999)),
):
    position = here.position("Odd")
    try:
        here.store("Odd", [NewMessage(content, (keyword, r"\\Seen"), date)])
    except NotTakenError as error:
        print("not taken", error)
    else:
        print(here.since("Odd", position) == {digest(content): 1})
"""


def test_what_dovecot_stores_is_known_again_and_what_it_refuses_is_as_we_know(
    server: Signpost,
) -> None:
    said = server.exec("python", "-c", STORE, ERIN[0], user="vmail").splitlines()
    assert said[:5] == ["True"] * 5, said
    assert [each.startswith("not taken") for each in said[5:]] == [True] * 3, said


def test_an_account_that_is_removed_meanwhile_is_no_success(server: Signpost, old: OldImap) -> None:
    gone = "gone@example.org"
    server.exec("signpost", "account", "add", gone, stdin=b"gone-secret\n")
    with mailbox(old.v4, ("gone", PASSWORD)) as there:
        append(there, "INBOX", *letters(600, size=2000))
    home = "/data/mail/example.org/gone"
    given = ("sh", "-c", KILL, "sh", f"{home}/Maildir", "1", "impor[t]")
    with ThreadPoolExecutor(1) as pool:
        importing = pool.submit(bring, server, old, gone, "--user", "gone")
        try:
            server.exec(*given, "STOP", user="vmail")
            server.exec("signpost", "account", "remove", gone)
        finally:
            server.exec(*given, "CONT", user="vmail")
    done = importing.result()
    assert done.returncode == 1, done
    assert b"\n600 messages brought" in done.stdout
    assert f"if it was removed meanwhile, its mail stays in {home}" in done.stderr.decode()


def test_without_tls_and_with_starttls(server: Signpost, old: OldImap) -> None:
    for option in ("--starttls", "--plaintext"):
        done = bring(server, old, ERIN[0], "--user", "empty", option, "--exclude", "Spam")
        assert done.returncode == 0, done
        assert "Spam" not in done.stdout.decode()
    missing = bring(server, old, "nobody@example.org")
    assert missing.returncode == 2
    assert "`signpost account add nobody@example.org` adds it" in missing.stderr.decode()
