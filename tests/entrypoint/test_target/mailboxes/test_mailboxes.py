"""The Maildirs follow the store and the store the Maildirs, restarts and failures included."""

import asyncio
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from entrypoint.test_target.mailboxes import watches
from entrypoint.test_target.mailboxes.comparison import look_at_all
from entrypoint.test_target.mailboxes.following import remove_copies
from entrypoint.test_target.mailboxes.maildir import Maildir, MailFile
from entrypoint.test_target.store.adding import StoreFullError
from entrypoint.test_target.store.copies import Copy, SeenChanges
from entrypoint.test_target.store.mailbox import Mailbox
from entrypoint.test_target.store.readers import QuestionTooLongError
from entrypoint.test_target.store.reading import Selection
from tests.entrypoint.test_target.mails import mail

from .keeping import Kept, flagged, keeping, moved, until, until_true

MAILDIR = "b.example/bob"


def test_each_recipient_has_a_copy_as_production_delivers_it(tmp_path: Path) -> None:
    async def case() -> None:
        async with keeping(tmp_path) as kept:
            identity = await kept.deliver(
                "Bob+Tag@B.example", "carol@b.example", "../x@b.example", sender="s@a.example"
            )
            bob, carol = await kept.file(), await kept.file("b.example/carol")
            assert identity in bob.name
            assert bob.parent.name == "new"
            text = bob.read_bytes()
            assert text.startswith(
                b"Return-Path: <s@a.example>\nDelivered-To: Bob+Tag@B.example\nX-Stamp: 1\nFrom: "
            )
            assert b"\r" not in text
            lines = text.count(b"\n")
            assert f",S={len(text)},W={len(text) + lines}" in bob.name
            assert b"Delivered-To: carol@b.example\n" in carol.read_bytes()
            assert bob.stat().st_mode & 0o777 == 0o600
            assert bob.parent.stat().st_mode & 0o777 == 0o700
            assert kept.mailboxes.undeliverable == 1
            # Nothing else, and nothing outside.
            assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"mail"}
            assert sorted(path.name for path in (kept.root / "b.example").iterdir()) == [
                "bob",
                "carol",
            ]

    asyncio.run(case())


def test_a_message_without_a_delivery_has_no_copy(tmp_path: Path) -> None:
    async def case() -> None:
        async with keeping(tmp_path) as kept:
            await kept.mailbox.add([mail()])
            await kept.deliver("carol@b.example")
            await kept.file("b.example/carol")
            assert kept.files() == []

    asyncio.run(case())


def test_junk_and_tags_go_to_their_folders(tmp_path: Path) -> None:
    async def case() -> None:
        async with keeping(tmp_path) as kept:
            await kept.deliver(junk=True)
            junk = await kept.file(folder=".Junk")
            assert (junk.parent.parent / "maildirfolder").exists()
            for folder in (".lists.a", ".Drafts", ".Sent", ".Trash"):
                for part in ("tmp", "new", "cur"):
                    (kept.root / MAILDIR / "Maildir" / folder / part).mkdir(parents=True)
            for tag in ("lists/a", "none", "Drafts", "Sent", "Trash", "lists/a/..", "../.."):
                await kept.deliver(f"bob+{tag}@b.example")
            await kept.settled()
            assert len(kept.files(folder=".lists.a")) == 1
            assert len(kept.files()) == 6
            await kept.deliver("bob+Archive@b.example")
            await kept.file(folder=".Archive")

    asyncio.run(case())


def test_what_is_deleted_in_the_api_is_gone_from_every_mailbox(tmp_path: Path) -> None:
    async def case() -> None:
        async with keeping(tmp_path) as kept:
            first = await kept.deliver("bob@b.example", "carol@b.example")
            await kept.deliver("bob@b.example")
            await kept.settled()
            # A client has moved one, and Dovecot another, since.
            flagged(kept.files("b.example/carol")[0], "F")
            await kept.mailbox.delete([first])
            await until(lambda: not kept.files("b.example/carol"))
            await until(lambda: len(kept.files()) == 1)
            assert first not in kept.files()[0].name
            await kept.mailbox.delete(await _all(kept.mailbox))
            await until(lambda: not kept.files())

    asyncio.run(case())


def test_emptied_at_once(tmp_path: Path) -> None:
    async def case() -> None:
        async with keeping(tmp_path) as kept:
            for _ in range(5):
                await kept.deliver("bob@b.example", "carol@b.example")
            await kept.settled()
            await kept.mailbox.delete(Selection())
            await until(lambda: not kept.files() and not kept.files("b.example/carol"))

    asyncio.run(case())


def test_read_in_the_api_is_seen_in_every_mailbox_and_back(tmp_path: Path) -> None:
    async def case() -> None:
        async with keeping(tmp_path) as kept:
            identity = await kept.deliver("bob@b.example", "carol@b.example")
            bob, _ = await kept.file(), await kept.file("b.example/carol")
            flagged(bob, "FT")
            await kept.mailbox.set_read([identity], read=True)
            await until(lambda: kept.files()[0].name.endswith(":2,FST"))
            await until(lambda: kept.files("b.example/carol")[0].name.endswith(":2,S"))
            assert kept.files("b.example/carol")[0].parent.name == "cur"
            await kept.mailbox.set_read([identity], read=False)
            await until(lambda: kept.files()[0].name.endswith(":2,FT"))
            await until(lambda: kept.files("b.example/carol")[0].name.endswith(":2,"))

    asyncio.run(case())


def test_read_before_it_is_delivered(tmp_path: Path) -> None:
    async def case() -> None:
        async with keeping(tmp_path) as kept:
            identity = await kept.deliver()
            await kept.mailbox.set_read([identity], read=True)
            await until(lambda: [path.name[-4:] for path in kept.files()] == [":2,S"])

    asyncio.run(case())


def test_deleted_before_it_is_delivered(tmp_path: Path) -> None:
    async def case() -> None:
        mailbox = Mailbox(tmp_path / "store.db")
        first, second = (
            replace(mail(recipients=[f"{name}@b.example"]), delivered=b"x") for name in "ab"
        )
        identity, _ = await mailbox.add([first, second])
        await mailbox.delete([identity])
        assert await mailbox.copies.backlog() == 1
        mailbox.close()
        async with keeping(tmp_path) as kept:
            await kept.file("b.example/b")
            assert not kept.files("b.example/a")

    asyncio.run(case())


def test_what_is_delivered_need_not_end_as_it_came(tmp_path: Path) -> None:
    async def case() -> None:
        async with keeping(tmp_path) as kept:
            content = b"X: 1\r\nSubject: a\r\n\r\nanother text\r\n" + b"y" * 1000
            await kept.mailbox.add([replace(mail(), delivered=content)])
            text = (await kept.file()).read_bytes()
            assert text.partition(b"b.example\n")[2] == content.replace(b"\r\n", b"\n") + b"\n"

    asyncio.run(case())


def test_seen_by_a_client_is_read_in_the_api_and_unseen_elsewhere(tmp_path: Path) -> None:
    async def case() -> None:
        async with keeping(tmp_path) as kept:
            identity = await kept.deliver("bob@b.example", "carol@b.example")
            told = []
            bob = await kept.file()
            await kept.settled()
            kept.mailbox.changes.listen(told.append)
            bob = flagged(bob, "")
            bob = flagged(bob, "S")
            await until_true(lambda: _is_read(kept.mailbox, identity))
            # Another recipient looks for what is unseen: that is his own matter.
            await kept.settled()
            assert kept.files("b.example/carol")[0].parent.name == "new"
            flagged(bob, "")
            await until_true(lambda: _is_unread(kept.mailbox, identity))
            assert len(told) == 2  # its own renames are no change

    asyncio.run(case())


def test_the_last_copy_that_a_client_expunges_takes_the_message_with_it(tmp_path: Path) -> None:
    async def case() -> None:
        async with keeping(tmp_path) as kept:
            identity = await kept.deliver("bob@b.example", "carol@b.example")
            bob, carol = await kept.file(), await kept.file("b.example/carol")
            bob = flagged(bob, "ST")
            await until_true(lambda: _is_read(kept.mailbox, identity))
            bob.unlink()
            await _taken_over(kept)
            assert await _all(kept.mailbox) == [identity]
            flagged(carol, "").unlink()
            await until_true(lambda: _is_gone(kept.mailbox, identity))
            assert kept.mailbox.totals.messages == 0

    asyncio.run(case())


def test_a_message_that_a_client_moves_stays(tmp_path: Path) -> None:
    async def case() -> None:
        async with keeping(tmp_path) as kept:
            identity = await kept.deliver()
            first = moved(flagged(await kept.file(), "S"), ".Archive")
            await until_true(lambda: _is_read(kept.mailbox, identity))
            await _taken_over(kept)
            second = moved(first, ".Archive.Deep")
            await _taken_over(kept)
            await kept.mailbox.set_read([identity], read=False)
            await until(lambda: not second.exists())
            (third,) = kept.files(folder=".Archive.Deep")
            assert third.name == second.name[:-1]
            # A folder that is renamed is the same folder.
            third.parent.parent.rename(third.parent.parent.with_name(".Other"))
            await kept.mailbox.delete([identity])
            await until(lambda: not kept.files(folder=".Other"))

    asyncio.run(case())


def test_a_copy_in_another_folder_keeps_the_message(tmp_path: Path) -> None:
    async def case() -> None:
        async with keeping(tmp_path) as kept:
            identity = await kept.deliver()
            file = await kept.file()
            other = file.parent.parent / ".Archive/cur/1.M1.host:2,"
            other.parent.mkdir(parents=True)
            os.link(file, other)
            flagged(file, "T").unlink()
            await _taken_over(kept)
            await _taken_over(kept)
            assert await _all(kept.mailbox) == [identity]
            other.unlink()
            await until_true(lambda: _is_gone(kept.mailbox, identity))

    asyncio.run(case())


def test_what_happened_while_it_was_down_counts(tmp_path: Path) -> None:
    async def case() -> None:
        async with keeping(tmp_path) as kept:
            ids = [await kept.deliver(f"{name}@b.example") for name in ("a", "b", "c", "d", "e")]
            await kept.settled()
        seen, expunged, deleted, read, archived = ids
        flagged(kept.files("b.example/a")[0], "S")
        kept.files("b.example/b")[0].unlink()
        kept_file = moved(kept.files("b.example/e")[0], ".Archive")
        mailbox = Mailbox(tmp_path / "store.db")
        await mailbox.delete([deleted])
        await mailbox.set_read([read], read=True)
        mailbox.close()
        async with keeping(tmp_path) as kept:
            await until_true(lambda: _is_read(kept.mailbox, seen))
            await until_true(lambda: _is_gone(kept.mailbox, expunged))
            await until(lambda: not kept.files("b.example/c"))
            await until(lambda: kept.files("b.example/d")[0].name.endswith(":2,S"))
            assert kept_file.exists()
            assert sorted(await _all(kept.mailbox)) == sorted([seen, read, archived])

    asyncio.run(case())


def test_a_mailbox_folder_that_is_not_there_deletes_nothing(tmp_path: Path) -> None:
    async def case() -> None:
        async with keeping(tmp_path) as kept:
            identity = await kept.deliver()
            await kept.file()
        shutil.rmtree(tmp_path / "mail/b.example")
        async with keeping(tmp_path) as kept:
            await kept.deliver("carol@b.example")
            await kept.file("b.example/carol")
            assert identity in await _all(kept.mailbox)
            await kept.mailbox.set_read([identity], read=True)
            await kept.deliver("carol@b.example")
            await until(lambda: len(kept.files("b.example/carol")) == 2)
            assert await kept.mailbox.copies.unlike(None, 9) == []  # nothing is tried for ever
            assert identity in await _all(kept.mailbox)

    asyncio.run(case())


def test_a_delivery_that_was_begun_is_ended_once(tmp_path: Path) -> None:
    """Files are there, their rows are not: as a kill in between leaves it."""

    async def case() -> None:
        async with keeping(tmp_path) as kept:
            ids = [await kept.deliver("bob@b.example", "carol@b.example") for _ in range(3)]
            await kept.settled()
        mailbox = Mailbox(tmp_path / "store.db")
        await mailbox._writer.do(lambda c: c.execute("DELETE FROM copies").fetchall())
        await mailbox._writer.do(
            lambda c: c.execute(
                "INSERT INTO deliveries"
                " SELECT seq, 0, x'582d5374616d703a20310d0a', 0, NULL FROM messages"
            ).fetchall()
        )
        mailbox.close()
        names = [flagged(kept.files()[0], "S").name, *(path.name for path in kept.files()[1:])]
        unfinished = kept.root / MAILDIR / "Maildir/tmp" / f"{kept.files()[0].name}"
        unfinished.write_bytes(b"a half")
        (unfinished.parent / "dovecot's").write_bytes(b"")
        async with keeping(tmp_path) as kept:
            await kept.settled()
            assert sorted(path.name for path in kept.files()) == sorted(set(names))
            assert len(kept.files("b.example/carol")) == 3
            assert [path.name for path in unfinished.parent.iterdir()] == ["dovecot's"]
            # What a client did meanwhile counts.
            await until_true(lambda: _any_read(kept.mailbox))
            await kept.mailbox.delete(ids)
            await until(lambda: not kept.files() and not kept.files("b.example/carol"))

    asyncio.run(case())


def test_the_api_counts_where_both_change_it_at_once(tmp_path: Path) -> None:
    async def case() -> None:
        async with keeping(tmp_path) as kept:
            for _ in range(20):
                identity = await kept.deliver()
                await kept.settled()
                (path,) = [path for path in kept.files() if identity in path.name]
                path = flagged(path, "")
                await asyncio.gather(
                    kept.mailbox.set_read([identity], read=True),
                    asyncio.to_thread(flagged, path, "F"),
                )
                await until(
                    lambda identity=identity: (
                        [p.name[-5:] for p in kept.files() if identity in p.name] == [":2,FS"]
                    )
                )
                assert await _is_read(kept.mailbox, identity)

    asyncio.run(case())


def test_what_the_api_has_said_last_is_not_undone_by_another_copy(tmp_path: Path) -> None:
    async def case() -> None:
        mailbox = Mailbox(tmp_path / "store.db")
        (identity,) = await mailbox.add([mail()])
        bob, carol = (Copy(f"b.example/{x}", "n", identity, "new/n", False, 1, 1) for x in "bc")
        await mailbox.copies.delivered([], [bob, carol])
        await mailbox.set_read([identity], read=True)
        seen = [(replace(copy, path="cur/n:2,S", seen=True), True) for copy in (bob, carol)]
        await mailbox.copies.flagged(seen)
        await mailbox.set_read([identity], read=False)
        await mailbox.copies.apply(SeenChanges(bob.maildir, [replace(bob, path="cur/n:2,")]))
        assert not await _is_read(mailbox, identity)
        assert len(await mailbox.copies.unlike(None, 9)) == 2
        mailbox.close()

    asyncio.run(case())


def test_a_file_is_removed_wherever_a_client_has_moved_it(tmp_path: Path) -> None:
    maildir = Maildir(tmp_path, MAILDIR)
    maildir.make()
    maildir.write("", "n", b"x", 1)
    maildir.write("", "m", b"x", 1)
    flagged(maildir.path / "new/n", "F")
    remove_copies(tmp_path, [Copy(MAILDIR, "n", "", "new/n", False, 1, 1)])
    assert [*maildir.paths()] == ["new/m"]


def test_nobody_sees_a_part_of_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maildir = Maildir(tmp_path, MAILDIR)
    maildir.make()
    monkeypatch.setattr(os, "utime", lambda *_, **__: seen.extend(maildir.paths()))
    seen: list[str] = []
    maildir.write("", "n", b"x", 1)
    assert seen == []
    assert [*maildir.paths()] == ["new/n"]


def test_a_file_that_is_renamed_while_it_is_looked_at_is_not_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maildir = Maildir(tmp_path, MAILDIR)
    maildir.make()
    maildir.write("", "n", b"x", 1)
    flagged(maildir.path / "new/n", "")
    monkeypatch.setattr(Maildir, "identity", lambda *_: None)
    found = look_at_all(maildir, {"new/n"})
    assert (found.came, found.went) == ([], [])


def test_an_overflow_of_the_kernel_s_queue(tmp_path: Path) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if limit > 100_000:
        pytest.skip("this machine's queue is long")

    async def case() -> None:
        async with keeping(tmp_path) as kept:
            await kept.deliver()
            identity = await kept.deliver("carol@b.example")
            file, other = await kept.file(), await kept.file("b.example/carol")
            for _ in range(limit // 2 + 10):  # nobody reads meanwhile
                file = flagged(file, "" if file.name.endswith("F") else "F")
            flagged(other, "S")
            await until_true(lambda: _is_read(kept.mailbox, identity))

    asyncio.run(case())


def test_more_events_than_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "_MOST_PENDING", 3)

    async def case() -> None:
        async with keeping(tmp_path) as kept:
            ids = [await kept.deliver() for _ in range(10)]
            await kept.settled()
            for path in kept.files():
                flagged(path, "S")
            for identity in ids:
                await until_true(lambda identity=identity: _is_read(kept.mailbox, identity))

    asyncio.run(case())


def test_mailboxes_beyond_the_kernel_s_watches_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(watches.Inotify, "add_watch", no_more)

    async def case() -> None:
        async with keeping(tmp_path) as kept:
            identity = await kept.deliver()
            file = await kept.file()
            assert (kept.mailboxes.watches.watched, kept.mailboxes.watches.unwatched) == (0, 1)
            file = flagged(file, "S")
            await until_true(lambda: _is_read(kept.mailbox, identity))
            file.unlink()
            await until_true(lambda: _is_gone(kept.mailbox, identity))

    asyncio.run(case())


def test_a_disk_that_fails_is_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def case() -> None:
        async with keeping(tmp_path) as kept:
            (kept.root / "b.example").write_bytes(b"in the way")
            await kept.deliver("bob@b.example", "carol@c.example")
            await until(lambda: "trying again" in caplog.text)
            assert await kept.mailboxes.backlog() == 1
            (kept.root / "b.example").unlink()
            await kept.settled()
            assert len(kept.files()) == len(kept.files("c.example/carol")) == 1

    asyncio.run(case())


def test_a_disk_that_fails_at_the_start_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def case() -> None:
        async with keeping(tmp_path) as kept:
            await kept.deliver()
            await kept.settled()
        # A name for what a process that was killed had begun, which cannot be removed.
        obstacle = tmp_path / "mail" / MAILDIR / "Maildir/tmp/1.signpost"
        obstacle.mkdir()
        async with keeping(tmp_path) as kept:
            await until(lambda: "trying again" in caplog.text)
            obstacle.rmdir()
            await kept.deliver()
            await kept.settled()
            assert len(kept.files()) == 2

    asyncio.run(case())


@pytest.mark.parametrize("error", [StoreFullError("full"), QuestionTooLongError("slow")])
def test_a_store_that_fails_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def case() -> None:
        async with keeping(tmp_path) as kept:
            delivered = kept.mailbox.copies.delivered

            async def fail_once(*_: object) -> list[str]:
                kept.mailbox.copies.delivered = delivered  # type: ignore[method-assign]
                raise error

            kept.mailbox.copies.delivered = fail_once  # type: ignore[method-assign]
            await kept.deliver("bob@b.example", "bob+x@b.example")
            await kept.settled()
            assert len(kept.files()) == 2

    asyncio.run(case())


def test_names_that_are_no_text_are_nobody_s(tmp_path: Path) -> None:
    async def case() -> None:
        async with keeping(tmp_path) as kept:
            await kept.deliver()
            file = await kept.file()
            other = os.fsencode(file.parent.parent / "cur") + b"/\xff:2,S"
            os.link(file, other)
            Path(os.fsdecode(os.fsencode(file.parent.parent) + b"/.\xfe")).mkdir()
            await kept.deliver()
            await kept.settled()
            flagged(file, "").unlink()
            await until(lambda: kept.mailbox.totals.messages == 1)

    asyncio.run(case())


def test_a_mark_is_tried_until_the_file_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, failed = Maildir.rename, []

    def fail_first(self: Maildir, old: MailFile, new: MailFile) -> bool:
        failed.append(old)
        return len(failed) > 2 and rename(self, old, new)

    monkeypatch.setattr(Maildir, "rename", fail_first)

    async def case() -> None:
        async with keeping(tmp_path) as kept:
            identity = await kept.deliver()
            await kept.file()
            await kept.mailbox.set_read([identity], read=True)
            await until(lambda: kept.files()[0].name.endswith(":2,S"))

    asyncio.run(case())


def test_a_folder_that_a_client_has_removed_is_made_again(tmp_path: Path) -> None:
    async def case() -> None:
        async with keeping(tmp_path) as kept:
            await kept.deliver(junk=True)
            junk = await kept.file(folder=".Junk")
            shutil.rmtree(junk.parent.parent)
            await kept.deliver("bob@b.example", "carol@b.example", junk=True)
            await kept.settled()
            assert (
                len(kept.files(folder=".Junk")) == len(kept.files("b.example/carol", ".Junk")) == 1
            )

    asyncio.run(case())


async def _taken_over(kept: Kept) -> None:
    """What a client did in bob's mailbox until now: it is so when what it does after that is."""
    identity = await kept.deliver()
    await kept.settled()
    (marker,) = [path for path in kept.files() if identity in path.name]
    flagged(marker, "").unlink()
    await until_true(lambda: _is_gone(kept.mailbox, identity))


async def _all(mailbox: Mailbox) -> list[str]:
    return [item["ID"] for item in (await mailbox.find(Selection())).items]


async def _is_read(mailbox: Mailbox, identity: str) -> bool:
    message = await mailbox.load(identity)
    return message is not None and bool(message.summary["Read"])


async def _is_unread(mailbox: Mailbox, identity: str) -> bool:
    return not await _is_read(mailbox, identity)


async def _is_gone(mailbox: Mailbox, identity: str) -> bool:
    return await mailbox.load(identity) is None


async def _any_read(mailbox: Mailbox) -> bool:
    return mailbox.totals.unread < mailbox.totals.messages
