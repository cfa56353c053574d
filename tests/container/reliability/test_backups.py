"""Backups of a server that is never at rest, one after the other: none lacks a message."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest

from entrypoint.backup import encryption
from entrypoint.backup.archive import ArchiveReader
from entrypoint.backup.encryption import Opener

from ..harness.imap import any_certificate, mailbox
from ..harness.managesieve import ManageSieve
from ..harness.restless import Restless
from ..harness.shell import wait_until
from ..harness.world import World
from ..test_backup import ALICE, BUSY, CONFIGURED, KEY, PLACE, take, tokens_in

pytestmark = pytest.mark.reliability

SECONDS, LEAST = 300, 5_000
# From the tenth backup on, each message goes through the queue twice.
CAROL = ("carol@rotate.test", "carol-has-a-secret")
REDIRECT = f'redirect "{CAROL[0]}";\r\n'


def test_no_backup_under_load_lacks_what_was_accepted_before(world: World, image: None) -> None:
    environment = {**CONFIGURED, "ACCOUNTS": "\n".join(map(":".join, (ALICE, CAROL)))}
    environment["MESSAGE_RATELIMIT"] = "no"
    with world.signpost(environment, place=PLACE) as signpost:
        with mailbox(signpost.v4, ALICE) as box:
            box.session.create("busy")
        made = 0
        end = time.monotonic() + SECONDS
        with Restless(signpost.v4, ALICE, BUSY, pause=0.0) as restless:
            wait_until(lambda: len(restless.accepted) > 100, "mail")
            while time.monotonic() < end or len(restless.accepted) < LEAST:
                begin = time.time()
                archive = take(signpost)
                before = {token for token, when in restless.accepted.items() if when < begin}
                assert not before - tokens_in(archive)
                made += 1
                if made == 10:
                    with ManageSieve(signpost.v4) as sieve:
                        sieve.start_tls(any_certificate()).login(*ALICE).activate(REDIRECT)
        copies = _copies(archive)
        print(
            f"{made} backups, {len(restless.accepted)} messages, {restless.moves} moves; the last "
            f"has {len(tokens_in(archive))} messages, {copies} of them twice"
        )
        assert made > 10


def _copies(archive: bytes) -> int:
    """How many messages an archive has more than once."""
    found: list[bytes] = []
    with encryption.opened(io.BytesIO(archive), Opener((KEY,))) as stream:
        for head, pieces in ArchiveReader(stream).members():
            if "/cur/" in head.name or "/new/" in head.name:
                found.append(b"".join(pieces))
    return len(found) - len(set(found))


def test_memory_and_time_of_a_large_mailbox(world: World, image: None, tmp_path: Path) -> None:
    """100,000 messages: the archive streams, with some hundred bytes of memory for each."""
    with world.signpost(CONFIGURED, place=PLACE) as signpost:
        signpost.exec(
            "python3",
            "-c",
            "import os, pathlib\n"
            "top = pathlib.Path('/data/mail/rotate.test/alice/Maildir')\n"
            "for sub in ('cur', 'new', 'tmp'): os.makedirs(top / sub)\n"
            "for n in range(100_000):\n"
            "    (top / f'cur/{n}.M{n}P1.host:2,S').write_bytes(b'Subject: x\\n\\n' + b'x' * 2000)",
            user="vmail",
        )
        said = signpost.exec(
            "python3",
            "-c",
            "import resource, subprocess, time\n"
            "begin = time.time()\n"
            "subprocess.run(['signpost', 'backup'], stdout=subprocess.DEVNULL, check=True)\n"
            "used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024\n"
            "print(used, time.time() - begin)",
        )
        print(f"100,000 messages: {said.split()[0]} MB, {float(said.split()[1]):.1f} s")
        assert int(said.split()[0]) < 150
