"""Imports that are killed again and again; what they cost; a server that is not Dovecot."""

from __future__ import annotations

import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ..harness.imap import mailbox
from ..harness.messages import letter
from ..harness.old_imap import PASSWORD, OldImap, contents
from ..harness.shell import run, wait_until
from ..harness.signpost import PEERS, Signpost
from ..harness.world import World

COUNT, KILLS = 10_000, 12
ALICE, BOB, CAROL = (
    (f"{name}@example.org", f"{name}-secret") for name in ("alice", "bob", "carol")
)
TRUST = ("--certificate-file", "/tmp/authority.pem", "--user", "old")
# The import's most resident memory, in KiB, on standard error behind all else.
MEASURED = (
    "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:]);"
    "print('most', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr);"
    "sys.exit(done.returncode)"
)
pytestmark = pytest.mark.reliability


@pytest.fixture(scope="module")
def server(world: World, image: None) -> Iterator[Signpost]:
    accounts = "\n".join(":".join(each) for each in (ALICE, BOB, CAROL))
    with world.signpost({"DOMAINS": "example.org", "ACCOUNTS": accounts}, place=117) as signpost:
        yield signpost


@pytest.fixture(scope="module")
def old(server: Signpost) -> Iterator[OldImap]:
    old = OldImap(server.place.network)
    try:
        with mailbox(old.v4, ("old", PASSWORD)) as there:
            for number in range(COUNT):
                folder = ("INBOX", "Work", "Gesendete Objekte")[number % 3]
                if number < 3:
                    there.session.create(f'"{folder}"')
                body = b"%d is a line of this message\r\n" % number * (number % 150)
                flags = ("", r"\Seen", "own")[number // 3 % 3]
                message = letter(token=f"m{number}", body=body)
                kind, _ = there.session.append(f'"{folder}"', flags, "", message)
                assert kind == "OK"
        yield old
    finally:
        old.remove()


def import_in(server: Signpost, old: OldImap, address: str) -> tuple[int, str]:
    server.exec("sh", "-c", "cat >/tmp/authority.pem", stdin=old.authority)
    command = ("signpost", "import", address, "--from", old.host, *TRUST)
    done = server.attempt("python", "-c", MEASURED, *command, stdin=f"{PASSWORD}\n".encode())
    return done.returncode, (done.stdout + done.stderr).decode()


def all_of(host: str, login: tuple[str, str], folders: tuple[str, ...]) -> list[Counter[bytes]]:
    with mailbox(host, login) as box:
        return [Counter(each[2] for each in contents(box, folder)) for folder in folders]


THERE = ("INBOX", "Work", "Gesendete Objekte")
HERE = ("INBOX", "Work", "Sent")


def test_ten_thousand_messages(server: Signpost, old: OldImap) -> None:
    begin = time.monotonic()
    status, said = import_in(server, old, ALICE[0])
    seconds = time.monotonic() - begin
    assert status == 0, said
    assert f"{COUNT} messages brought" in said
    most = int(re.findall(r"most (\d+)", said)[0]) / 1024
    print(f"{COUNT / seconds:.0f} messages a second, {most:.0f} MiB", file=sys.stderr)
    assert most < 200
    begin = time.monotonic()
    status, said = import_in(server, old, ALICE[0])
    print(f"again, nothing new: {time.monotonic() - begin:.1f} s", file=sys.stderr)
    assert "\n0 messages brought" in said
    there = all_of(old.v4, ("old", PASSWORD), THERE)
    assert all_of(server.v4, ALICE, HERE) == there


def test_killed_at_random_moments(server: Signpost, old: OldImap) -> None:
    chance = random.Random(18)
    killed = 0
    for round_ in range(KILLS):
        victim = chance.choice(("impor[t]", "/usr/lib/dovecot/ima[p]"))
        kill = (
            f"sleep {chance.uniform(0.5, 2.5):.2f}; for each in $(grep -lsz -e '^{victim}$'"
            " /proc/[0-9]*/cmdline); do pid=${each#/proc/}; kill -KILL ${pid%/cmdline}; done"
        )
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(import_in, server, old, BOB[0])
            server.attempt("sh", "-c", kill, user="vmail")
            if round_ == KILLS // 2:
                server.restart()
            killed += done.result()[0] != 0
    status, said = import_in(server, old, BOB[0])
    assert status == 0, said
    assert killed
    there = all_of(old.v4, ("old", PASSWORD), THERE)
    assert all_of(server.v4, BOB, HERE) == there


def test_courier(server: Signpost) -> None:
    image = f"{PEERS}-courier"
    run("docker", "build", "--quiet", "--tag", image, str(Path(__file__).parent / "courier"))
    old = OldImap(server.place.network, image, PASSWORD)
    try:
        folders = {"INBOX": "INBOX", "INBOX.Sent": "Sent", "INBOX.Sent Items": "Sent"}
        folders |= {"INBOX.Trash": "Trash", "INBOX.Work": "Work", "INBOX.Work.In": "Work/In"}
        with mailbox(old.v4, ("old", PASSWORD)) as there:
            for number, folder in enumerate(folders):
                there.session.create(f'"{folder}"')
                flags = ("", r"\Seen", "own")[number % 3]
                date = '"29-Feb-2012 23:59:58 +0000"'
                message = letter(token=f"c{number}.")
                assert there.session.append(f'"{folder}"', flags, date, message)[0] == "OK"
            wanted: dict[str, list[object]] = {}
            for folder, name in folders.items():
                wanted.setdefault(name, []).extend(contents(there, folder))
        for count in (6, 0):
            status, said = import_in(server, old, CAROL[0])
            assert status == 0, said
            assert f"\n{count} messages brought" in said
        with mailbox(server.v4, CAROL) as here:
            for name, messages in wanted.items():
                assert contents(here, name) == messages, name
    finally:
        old.remove()


def test_a_server_that_hangs_is_given_up(server: Signpost, old: OldImap) -> None:
    run("docker", "pause", old.container)
    try:
        begin = time.monotonic()
        status, said = import_in(server, old, CAROL[0])
        assert (status, time.monotonic() - begin < 130) == (1, True), said
    finally:
        run("docker", "unpause", old.container)
    wait_until(lambda: old.running(), "the old server")
