"""Every way in which a disk takes nothing, over a restart: /data's own disk, or one with the queue;
with mailboxes and without.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ..harness.imap import mailbox
from ..harness.shell import wait_until
from ..harness.signpost import Signpost
from ..harness.small_disk import Kind, SmallDisk
from ..harness.world import World
from ..test_full_disk import submit

pytestmark = pytest.mark.reliability

ALICE = ("alice@example.org", "alice-has-a-secret")
# What names the disk, and how.
SAID: dict[Kind, str] = {"blocks": "MiB free)", "inodes": "inodes free)", "read-only": "read-only"}


@contextmanager
def started(world: World, disk: SmallDisk, *, together: bool, imap: bool) -> Iterator[Signpost]:
    signpost = world.signpost(
        {
            "DOMAINS": "example.org",
            "ACCOUNTS": ":".join(ALICE),
            "ENABLE_IMAP": "yes" if imap else "no",
        },
        place=105,
    )
    signpost.patience = 120
    signpost.service["volumes"] = [
        disk.mount("data", "/data"),
        *([disk.mount("queue", "/var/spool/smtpd")] if together else []),
    ]
    with signpost:
        yield signpost


@pytest.mark.parametrize("imap", [True, False], ids=["imap", "no-imap"])
@pytest.mark.parametrize("together", [False, True], ids=["data", "one-disk"])
@pytest.mark.parametrize("kind", ["blocks", "inodes", "read-only"])
def test_mail_is_read_none_is_lost_and_all_goes_on(
    world: World, image: None, kind: Kind, together: bool, imap: bool
) -> None:
    with (
        SmallDisk("data", "queue") as disk,
        started(world, disk, together=together, imap=imap) as signpost,
    ):
        tokens = [submit(world, signpost, 40_000) for _ in range(4)]
        for token in tokens:
            assert signpost.wait_for_mail(ALICE[0], token)
        disk.fill(kind)
        if together:
            wait_until(
                lambda: signpost.submit(world.swaks, ALICE, to=ALICE[0]).code == 452,
                "mail to be refused",
            )
        else:
            tokens.append(submit(world, signpost))
            signpost.wait_for_log(rf"mda delivery .*to=<{ALICE[0]}>.*result=TempFail")
        signpost.restart()
        signpost.wait_for_log(r"error maintenance: the disk of /data")
        health = signpost.attempt("signpost", "health")
        assert health.returncode == 1
        assert SAID[kind] in health.stdout.decode()
        if imap:
            with mailbox(signpost.v4, ALICE) as box:
                read_only = kind == "read-only"
                assert box.session.select(readonly=read_only)[1] == [b"4"]
                assert b"x" * 76 in box.find(tokens[0])[0] if not read_only else True
                if not read_only:
                    box.session.store("2:4", "+FLAGS", r"(\Deleted)")
                    assert box.session.expunge()[1] == [b"4", b"3", b"2"]
                    tokens = [tokens[0], *tokens[4:]]
                    if kind == "blocks" and not together:
                        assert box.wait_for(tokens[-1], timeout=60)
        disk.clear(kind)
        begin = time.monotonic()
        for token in tokens:
            assert signpost.wait_for_mail(ALICE[0], token, timeout=60)
        signpost.wait_for_log(r"info maintenance: the disk of \S+( and \S+)? takes mail again")
        tokens.append(wait_until(lambda: submit(world, signpost), "mail to be taken", 30))
        assert signpost.wait_for_mail(ALICE[0], tokens[-1])
        assert time.monotonic() - begin < 60
        # Nothing has bounced.
        assert len(signpost.read_mail(ALICE[0])) == len(tokens)
        assert signpost.attempt("signpost", "health").returncode == 0
        log = re.split(r"info signpost: signpost \d", signpost.logs())[-1]
        assert log.count("error maintenance: the disk of /data") == 1
        assert log.count("takes mail again") == 1
        assert "Traceback" not in log
        assert "cannot be kept running" not in log


def test_what_has_waited_for_long_does_not_wait_for_smtpds_next_try(
    world: World, image: None
) -> None:
    """smtpd tries after 10 n² seconds: after the fourth time that is 70 seconds later."""
    with (
        SmallDisk("data") as disk,
        started(world, disk, together=False, imap=True) as signpost,
    ):
        first = [submit(world, signpost, 40_000) for _ in range(3)]
        for token in first:
            assert signpost.wait_for_mail(ALICE[0], token)
        disk.fill()
        waits = submit(world, signpost)
        wait_until(lambda: signpost.logs().count("result=TempFail") >= 4, "four tries", 150)
        with mailbox(signpost.v4, ALICE) as box:
            box.session.select()
            box.session.store("1:3", "+FLAGS", r"(\Deleted)")
            box.session.expunge()
            begin = time.monotonic()
            assert box.wait_for(waits, timeout=60)
        assert time.monotonic() - begin < 50
        disk.clear()
