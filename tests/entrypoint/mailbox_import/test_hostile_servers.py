"""Old servers that end sessions, hang, lie or send what is no IMAP: what can be had is brought."""

from __future__ import annotations

import errno
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from entrypoint.mailbox_import import bounded_imap, imap_sessions, old_server, transfer
from entrypoint.mailbox_import.folder_names import planned
from entrypoint.mailbox_import.imap_sessions import StoppedError
from entrypoint.mailbox_import.mailbox_here import MailboxHere, NewMessage
from entrypoint.mailbox_import.old_server import LostError, OldServer, RefusedError, trusting
from entrypoint.mailbox_import.record import ImportRecord, record_in
from entrypoint.mailbox_import.transfer import FolderResult, Transfer
from tests.entrypoint.certificates import Authority

from .servers import HostileServer, MemoryMailbox, is_body, serving

Spoil = Callable[[HostileServer, bytes, bytes], bytes | None]


def mail(count: int, word: str = "m") -> dict[int, bytes]:
    return {
        uid: b"Subject: %s%d\r\n\r\nx\r\n" % (word.encode(), uid) for uid in range(1, count + 1)
    }


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap_sessions, "_LONGEST_PAUSE", 0.0)


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """For servers that may never answer."""
    monkeypatch.setattr(imap_sessions, "_SILENT_COUNTS", 6)
    monkeypatch.setattr(old_server, "_ANSWER", 0.2)
    monkeypatch.setattr(old_server, "_GOODBYE", 0.1)


def bring(server: HostileServer, here: MemoryMailbox, home: Path) -> list[FolderResult]:
    with serving(server) as source, record_in(home) as record:
        old = OldServer(source, "secret")
        made = Transfer(old, here, record)  # type: ignore[arg-type]
        try:
            old.connect()
            listing = old.listing()
            made.look(planned(listing.folders, listing.prefix))
            made.bring()
        finally:
            old.close()
        return made.results


def subjects(here: MemoryMailbox, folder: str = "INBOX") -> list[bytes]:
    return [each.content.split()[1] for each in here.folders[folder]]


def drop_every_third(server: HostileServer, line: bytes, answer: bytes) -> bytes | None:
    if not is_body(line):
        return answer
    server.bodies += answer.count(b"BODY[]")
    if server.bodies > 3:
        server.bodies = 0
        return None
    return answer


def test_a_session_that_ends_after_each_three_messages(tmp_path: Path) -> None:
    server, here = HostileServer({b"INBOX": mail(40)}, spoil=drop_every_third), MemoryMailbox()
    (result,) = bring(server, here, tmp_path)
    assert subjects(here) == [b"m%d" % uid for uid in range(1, 41)]
    assert (result.brought, result.failed, result.missing) == (40, 0, 0)
    assert server.connections < 60


def poisoned(server: HostileServer, line: bytes, answer: bytes) -> bytes | None:
    return None if is_body(line) and b"Subject: m7\r" in answer else answer


def test_a_message_that_ends_the_session_is_named_and_the_others_come(tmp_path: Path) -> None:
    server, here = HostileServer({b"INBOX": mail(20)}, spoil=poisoned), MemoryMailbox()
    (result,) = bring(server, here, tmp_path)
    assert subjects(here) == [b"m%d" % uid for uid in range(1, 21) if uid != 7]
    assert (result.failed, result.missing) == (1, 0)
    assert result.reasons[0].startswith("message 7: ")
    # It is tried again by the next run, and nothing else.
    (result,) = bring(server, here, tmp_path)
    assert (result.before, result.brought, result.failed) == (19, 0, 1)


@pytest.mark.parametrize(
    ("verb", "answer", "said"),
    [
        (b"LOGIN", b"NO [AUTHENTICATIONFAILED] no \x1b[31m", r"no \x1b[31m"),
        (b"LOGIN", b'BAD what is LOGIN alice "secret"', "it refuses the login"),
        (b"LOGIN", b"NO secret is wrong", "it refuses the login"),
        (b"AUTHENTICATE", b"BAD what is AGFsaWNlAHNlY3JldA==", "it refuses the login"),
    ],
)
def test_a_refusal_is_said_without_the_password(verb: bytes, answer: bytes, said: str) -> None:
    def refuses(_server: HostileServer, line: bytes, usual: bytes) -> bytes | None:
        if verb == b"AUTHENTICATE":
            usual = usual.replace(b"CAPABILITY IMAP4rev1", b"CAPABILITY IMAP4rev1 AUTH=PLAIN")
        return line.split()[0] + b" " + answer + b"\r\n" if verb in line else usual

    with serving(HostileServer({b"INBOX": {}}, spoil=refuses)) as source:
        old = OldServer(source, "secret")
        with pytest.raises(RefusedError) as refused:
            old.connect()
        old.close()
    assert said in str(refused.value)
    assert "b'" not in str(refused.value)
    assert "secret" not in str(refused.value)
    assert "AGFsaWNl" not in str(refused.value)


def test_what_hinders_a_connection_is_said() -> None:
    def silent(_server: HostileServer, line: bytes, answer: bytes) -> bytes | None:
        return answer if line else b"* BYE overloaded\r\n"

    with serving(HostileServer({})) as source:
        with pytest.raises(LostError, match=r"speaks no TLS on this port; --starttls"):
            OldServer(replace(source, security="TLS"), "secret").connect()
        with pytest.raises(RefusedError, match="does not offer STARTTLS"):
            OldServer(replace(source, security="STARTTLS"), "secret").connect()
    with pytest.raises(LostError, match=r"^Connection refused$"):
        OldServer(source, "secret").connect()
    with (
        serving(HostileServer({}, spoil=silent)) as source,
        pytest.raises(LostError, match=r"^\* BYE overloaded$"),
    ):
        OldServer(source, "secret").connect()


@pytest.mark.parametrize("says_no", [True, False])
def test_many_that_are_damaged_in_a_row_do_not_end_it(tmp_path: Path, says_no: bool) -> None:
    def damaged(_server: HostileServer, line: bytes, answer: bytes) -> bytes | None:
        if is_body(line) and re.search(rb"Subject: m1\d\r", answer):
            return line.split()[0] + b" NO damaged\r\n" if says_no else None
        return answer

    here = MemoryMailbox()
    (result,) = bring(HostileServer({b"INBOX": mail(25)}, spoil=damaged), here, tmp_path)
    assert (result.brought, result.failed, result.missing) == (15, 10, 0)


def test_one_that_sends_no_message_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap_sessions, "_MOST_LEFT_OUT", 5)

    def none(_server: HostileServer, line: bytes, answer: bytes) -> bytes | None:
        return line.split()[0] + b" NO [OVERQUOTA] wait\r\n" if is_body(line) else answer

    with pytest.raises(StoppedError, match="does not send 5 messages in a row: it does"):
        bring(HostileServer({b"INBOX": mail(9)}, spoil=none), MemoryMailbox(), tmp_path)


def test_messages_that_are_not_listed_are_failures(tmp_path: Path) -> None:
    def hidden(_server: HostileServer, line: bytes, answer: bytes) -> bytes | None:
        return re.sub(rb"\* 2 FETCH .*\r\n", b"", answer) if b" FETCH 1" in line else answer

    here = MemoryMailbox()
    (result,) = bring(HostileServer({b"INBOX": mail(3)}, spoil=hidden), here, tmp_path)
    assert subjects(here) == [b"m1", b"m3"]
    assert (result.messages, result.failed, result.missing) == (3, 1, 0)
    assert result.reasons == ["1 message: not in its list"]


def test_many_that_are_empty_are_named_and_the_others_come(tmp_path: Path) -> None:
    here = MemoryMailbox()
    here.refuse = lambda message: "" if message.content else "Append aborted"  # as Dovecot has it
    content = mail(20) | dict.fromkeys(range(7, 15), b"")
    (result,) = bring(HostileServer({b"INBOX": content}), here, tmp_path)
    assert (result.brought, result.failed, result.missing) == (12, 8, 0)
    assert result.reasons[0] == "message 7: it is empty"


def test_a_date_or_keyword_that_cannot_be_here_is_left_out_and_the_message_comes(
    tmp_path: Path,
) -> None:
    dates = [b" 1-Jan-0999 00:00:00 +0000", b"01-Jan-2020 00:00:00 +9959", b"x", b""]
    dates.append(b" 1-Jan-2020 00:00:00 +0130")

    def odd(_server: HostileServer, line: bytes, answer: bytes) -> bytes | None:
        if b" FETCH 1" not in line:
            return answer
        for number, date in enumerate(dates, 1):
            more = b'(INTERNALDATE "%s" UID %d FLAGS (%s ' % (date, number, b"k" * (46 + number))
            answer = answer.replace(b"(UID %d FLAGS (" % number, more)
        return answer

    here = MemoryMailbox()
    (result,) = bring(HostileServer({b"INBOX": mail(5)}, spoil=odd), here, tmp_path)
    assert result.brought == 5
    found = here.folders["INBOX"]
    assert [each.date and each.date.isoformat() for each in found] == [
        *(None,) * 4,
        "2020-01-01T00:00:00+01:30",
    ]
    assert [max(map(len, each.flags)) for each in found] == [47, 48, 49, 50, 5]


def test_a_date_beyond_all_numbers_is_an_answer_that_cannot_be_read(tmp_path: Path) -> None:
    date = b'(INTERNALDATE "01-Jan-2020 00:00:00 +99999999999999" UID'

    def odd(_server: HostileServer, line: bytes, answer: bytes) -> bytes | None:
        return answer.replace(b"(UID", date) if b" FETCH 1" in line else answer

    (result,) = bring(HostileServer({b"INBOX": mail(1)}, spoil=odd), MemoryMailbox(), tmp_path)
    assert result.reasons == ["its answer cannot be read"]


def test_a_deadline_at_the_very_end_loses_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def late(_seconds: float) -> Iterator[None]:
        yield
        raise TimeoutError("no whole answer")

    with serving(HostileServer({b"INBOX": {}})) as source:
        old = OldServer(source, "secret")
        old.connect()
        monkeypatch.setattr(old_server, "within", late)
        with pytest.raises(LostError, match="no whole answer"):
            old.listing()
        with pytest.raises(LostError, match="no whole answer"):
            old.connect()


def test_nothing_that_came_before_tls_counts(tmp_path: Path) -> None:
    authority = Authority.make(tmp_path)
    tls = authority.server("localhost", datetime.now(UTC) + timedelta(days=1))

    def inject(_server: HostileServer, line: bytes, answer: bytes) -> bytes | None:
        return b'* LIST () "/" "injected"\r\n' + answer if b"STARTTLS" in line else answer

    with serving(HostileServer({b"INBOX": {}}, tls=tls, spoil=inject)) as source:
        source = replace(
            source,
            host="localhost",
            security="STARTTLS",
        )
        old = OldServer(source, "secret", trusting(tmp_path / "ca.pem"))
        old.connect()
        assert [each.name for each in old.listing().folders] == [b"INBOX"]
        old.close()


def test_folders_that_end_the_session_are_named_and_the_others_come(tmp_path: Path) -> None:
    def ends(server: HostileServer, line: bytes, answer: bytes) -> bytes | None:
        if b"EXAMINE" not in line:
            return answer
        server.bodies += 1
        return None if b'"bad"' in line or server.bodies % 4 == 0 else answer

    here = MemoryMailbox()
    folders = {b"bad": mail(1), **{b"f%d" % number: mail(1) for number in range(60)}}
    bad, *others = bring(HostileServer(folders, spoil=ends), here, tmp_path)
    assert len(bad.reasons) == 1
    assert "EXAMINE" in bad.reasons[0]
    assert [each.brought for each in others] == [1] * 60


@pytest.mark.parametrize(
    ("where", "drips"),
    [
        *((word, False) for word in (b"", b"LOGIN", b"LSUB", b"LIST", b"EXAMINE", b"UID")),
        (b"FETCH 1", True),
    ],
)
@pytest.mark.usefixtures("hurry")
def test_one_that_is_silent_is_given_up_in_time(tmp_path: Path, where: bytes, drips: bool) -> None:
    def silent(_server: HostileServer, line: bytes, answer: bytes) -> bytes | None:
        if where in line if where else not line:
            return b"* OK still" if drips else b""
        return answer

    server = HostileServer({b"INBOX": mail(3)}, spoil=silent)
    begin = time.monotonic()
    with pytest.raises((LostError, StoppedError)):
        bring(server, MemoryMailbox(), tmp_path)
    assert time.monotonic() - begin < 4


def spoiled(word: bytes, by: bytes) -> Spoil:
    return lambda _server, line, answer: by if word in line else answer


@pytest.mark.parametrize(
    ("word", "by"),
    [
        (b"UID FETCH", b"* 1 FETCH (UID 1 BODY[] {99999999999}\r\nx"),
        (b"UID FETCH", b"* 1 FETCH (UID 1 BODY[] {-5}\r\n)\r\n"),
        (b"UID FETCH", b"* 1 FETCH " + b"(" * 5000 + b"\r\n"),
        (b"UID FETCH", b"x" * 2_000_000 + b"\r\n"),
        (b" FETCH", b"* 1 FETCH (UID x FLAGS ())\r\n"),
        (b" FETCH", b'* 1 FETCH (UID 1 FLAGS ("a\r\n'),
        (b" FETCH", b"* BYE too many sessions\r\n"),
        (b"EXAMINE", b"* 99999999999 EXISTS\r\n* OK [UIDVALIDITY x] y\r\n"),
        (b"LIST", b'* LIST () "/" {99999999999}\r\n'),
        (b"LOGIN", b"\0\0\r\n"),
    ],
)
@pytest.mark.usefixtures("hurry")
def test_what_is_no_imap_ends_the_session_and_no_more(
    tmp_path: Path, word: bytes, by: bytes
) -> None:
    server, here = HostileServer({b"INBOX": mail(2)}, spoil=spoiled(word, by)), MemoryMailbox()
    with suppress(LostError, RefusedError, StoppedError):
        (result,) = bring(server, here, tmp_path)
        assert result.failed == 2 or result.reasons
    assert not here.folders.get("INBOX")


@pytest.mark.usefixtures("hurry")
def test_noise_of_any_kind_raises_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(old_server, "_ANSWER", 0.05)
    noise = random.Random(1)

    def noisy(_server: HostileServer, line: bytes, answer: bytes) -> bytes | None:
        if not line or noise.random() < 0.6:
            return answer
        spot = noise.randrange(len(answer))
        piece = bytes(noise.choices(b'(){}[]"\\ \r\n019*%NIL\xff', k=noise.randrange(1, 9)))
        return answer[:spot] + piece + answer[spot + noise.randrange(3) :]

    for each in range(5):
        server, here = (
            HostileServer({b"INBOX": mail(3), b"x": mail(2)}, spoil=noisy),
            MemoryMailbox(),
        )
        with_results = None
        try:
            with_results = bring(server, here, tmp_path / str(each))
        except (LostError, RefusedError, StoppedError):
            continue
        assert with_results is not None


def test_five_thousand_folders_with_any_name(tmp_path: Path) -> None:
    listing = b"".join(
        b'* LIST () "/" "f%d/../\\"%s"\r\n' % (n, b"x" * (n // 16)) for n in range(5000)
    )
    listing += b'* LIST () "/" {8}\r\na\r\nb\x00c d\r\n* LIST () "/"\r\n'
    listing += b'* LIST () "/" "%s"\r\n' % (b"x/" * 50_000)
    server = HostileServer({}, listing=listing)
    with serving(server) as source:
        old = OldServer(source, "secret")
        old.connect()
        found = old.listing()
        old.close()
    assert len(found.folders) == 5001
    assert found.unreadable == 2
    assert len({each.here for each in planned(found.folders, b"")}) == 5001


def test_sizes_that_are_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than is said comes over; what is said to be too large is not asked for."""
    monkeypatch.setattr(transfer, "LARGEST_MESSAGE", 10_000)

    def lies(_server: HostileServer, line: bytes, answer: bytes) -> bytes | None:
        small = re.sub(rb"RFC822.SIZE \d+", b"RFC822.SIZE 1", answer)
        return re.sub(rb"(UID 2 FLAGS .*SIZE )1", rb"\g<1>99999", small)

    here = MemoryMailbox()
    (result,) = bring(HostileServer({b"INBOX": mail(3)}, spoil=lies), here, tmp_path)
    assert subjects(here) == [b"m1", b"m3"]
    assert result.reasons == ["message 2: its 99999 bytes are more than can be brought"]


def test_an_answer_beyond_its_bound_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_imap, "_ANSWER", 20_000)
    monkeypatch.setattr(old_server, "LARGEST_MESSAGE", 50_000)
    content = mail(3) | {2: b"Subject: big\r\n\r\n" + b"x" * 100_000}
    here = MemoryMailbox()

    def small(_server: HostileServer, _line: bytes, answer: bytes) -> bytes | None:
        return answer.replace(b"RFC822.SIZE 100016", b"RFC822.SIZE 5")

    (result,) = bring(HostileServer({b"INBOX": content}, spoil=small), here, tmp_path)
    assert subjects(here) == [b"m1", b"m3"]
    assert "longer than it may be" in result.reasons[0]


def test_what_is_not_taken_here_is_named_and_a_full_mailbox_ends_it(tmp_path: Path) -> None:
    here = MemoryMailbox()
    here.refuse = lambda message: "no such thing" if b"m5\r" in message.content else ""
    server = HostileServer({b"INBOX": mail(20)})
    (result,) = bring(server, here, tmp_path)
    assert (result.brought, result.failed) == (19, 1)
    assert result.reasons == ["message 5: no such thing"]
    server.folders[b"INBOX"] = mail(30)
    here.refuse = lambda message: "[OVERQUOTA] full" if b"m25\r" in message.content else ""
    with pytest.raises(StoppedError, match="the mailbox here is full"):
        bring(server, here, tmp_path)
    here.refuse = lambda _: ""
    bring(server, here, tmp_path)
    assert sorted(subjects(here)) == sorted(b"m%d" % uid for uid in range(1, 31))


def test_a_folder_that_was_removed_here_comes_back_for_new_mail_only(tmp_path: Path) -> None:
    server = HostileServer({b"INBOX": mail(1), b"Work": mail(2), b"Empty": {}})
    here = MemoryMailbox()
    bring(server, here, tmp_path)
    assert here.subscribed == {"INBOX", "Work", "Empty"}
    here.folders.clear()
    here.subscribed.clear()
    bring(server, here, tmp_path)
    assert not here.folders
    server.folders[b"Work"] = mail(3)
    bring(server, here, tmp_path)
    assert subjects(here, "Work") == [b"m3"]
    assert not here.subscribed


def test_another_uidvalidity_or_host_name_brings_nothing_twice(tmp_path: Path) -> None:
    here = MemoryMailbox()
    server = HostileServer({b"INBOX": mail(10), b"Work": mail(3, "w")})
    bring(server, here, tmp_path)
    server.uidvalidity = 2
    server.folders[b"INBOX"] = dict(enumerate([b"Subject: new\r\n\r\n", *mail(10).values()], 50))
    results = bring(server, here, tmp_path)
    assert [(each.brought, each.elsewhere) for each in results] == [(1, 10), (0, 3)]
    assert sorted(subjects(here)) == sorted([b"new", *(b"m%d" % uid for uid in range(1, 11))])


def test_what_may_be_stored_and_is_not_counted_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "_BATCH", 4)
    here, store = MemoryMailbox(), MemoryMailbox.store

    def interrupted(self: MemoryMailbox, folder: str, messages: Sequence[NewMessage]) -> None:
        store(self, folder, messages)
        if len(self.folders[folder]) >= 8:
            raise KeyboardInterrupt

    monkeypatch.setattr(MemoryMailbox, "store", interrupted)
    with serving(HostileServer({b"INBOX": mail(10)})) as source, record_in(tmp_path) as record:
        old = OldServer(source, "secret")
        made = Transfer(old, here, record)  # type: ignore[arg-type]
        old.connect()
        listing = old.listing()
        made.look(planned(listing.folders, listing.prefix))
        with pytest.raises(KeyboardInterrupt):
            made.bring()
        old.close()
    assert (len(here.folders["INBOX"]), made.results[0].brought, made.unsure) == (8, 4, 4)


@pytest.mark.parametrize("step", range(12))
def test_cut_off_at_any_write_nothing_is_lost_or_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """As by a full disk, or a SIGKILL: before, between and behind what is stored."""
    monkeypatch.setattr(transfer, "_BATCH", 4)
    server, here = HostileServer({b"INBOX": mail(10), b"Work": mail(3, "w")}), MemoryMailbox()
    writes = 0
    write = ImportRecord._write

    def failing(self: ImportRecord, **content: object) -> None:
        nonlocal writes
        writes += 1
        if writes == step + 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, **content)

    with monkeypatch.context() as patched:
        patched.setattr(ImportRecord, "_write", failing)
        with pytest.raises(OSError, match="No space"):
            bring(server, here, tmp_path)
    # Meanwhile mail comes that was never there.
    here.folders.setdefault("INBOX", [])
    bring(server, here, tmp_path)
    assert sorted(subjects(here)) == sorted(b"m%d" % uid for uid in range(1, 11))
    assert sorted(subjects(here, "Work")) == [b"w1", b"w2", b"w3"]


def test_the_mailbox_in_memory_has_the_real_ones_methods() -> None:
    names = {name for name in vars(MemoryMailbox) if not name.startswith("_")}
    assert names <= set(vars(MailboxHere))
