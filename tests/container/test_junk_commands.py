"""`signpost junk` and JUNK_DAYS on a server: each command of docs/junk.md, and whose files."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .harness.imap import mailbox
from .harness.messages import letter
from .harness.shell import fresh, wait_until
from .harness.signpost import IMAGE, ROOT, Signpost
from .harness.world import World

PAGE = (ROOT / "docs/junk.md").read_text()
COMMANDS = re.findall(r"^    (docker .*)$", PAGE, re.MULTILINE)
ALICE = ("alice@example.org", "alice-has-a-secret")
BOB = ("bob@example.org", "bob-has-a-secret")
HOME = "/data/mail/example.org/alice"


@pytest.fixture(scope="module")
def server(world: World, image: None) -> Iterator[Signpost]:
    environment = {
        "MAIL_HOSTNAME": "mail.example.org",
        "DOMAINS": "example.org",
        "ACCOUNTS": "\n".join(":".join(each) for each in (ALICE, BOB)),
        "JUNK_FILTER": "yes",
        "JUNK_DAYS": "30",
    }
    with world.signpost(environment, place=131) as server:
        yield server


def learned(server: Signpost, account: str = ALICE[0]) -> tuple[int, int]:
    (found,) = json.loads(server.exec("signpost", "junk", "status", account, "--json"))
    return found["spam"], found["ham"]


def text(number: int, kind: str) -> bytes:
    return letter(token=f"{kind}-{number}", body=f"{kind} {number}\r\n".encode()).replace(
        b"\r\n", b"\n"
    )


def test_the_page(server: Signpost, tmp_path: Path) -> None:
    """From the folder where the old mail is, in the page's order."""
    with mailbox(server.v4, ALICE) as box:
        for folder, kind in (("Junk", "junk"), ("Archive", "archive")):
            box.session.append(folder, r"(\Seen)", None, text(0, kind).replace(b"\n", b"\r\n"))  # type: ignore[arg-type]
    (tmp_path / "Spam.mbox").write_bytes(
        b"".join(b"From x\n" + text(each, "spam") + b"\n" for each in range(3))
    )
    (tmp_path / "old-mail").mkdir()
    for each in range(2):
        (tmp_path / f"old-mail/{each}.eml").write_bytes(text(each, "ham"))
    (tmp_path / "message.eml").write_bytes(text(9, "spam"))
    counts, settings = [], " ".join(f"-e {name}" for name in server.environment)
    for command in COMMANDS:
        typed = re.sub(
            r"docker compose exec (?:-T )?signpost", f"docker exec -i {server.container}", command
        )
        # In a container of its own, as compose would make it.
        once = f"docker run {' '.join(server.volumes())} {settings}"
        typed = re.sub(r"docker compose run(.*?) signpost", rf"{once}\1 {IMAGE}", typed)
        done = subprocess.run(
            typed,
            shell=True,
            cwd=tmp_path,
            env={**os.environ, **server.environment},
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b""), (typed, done.stdout, done.stderr)
        if " junk train " in typed:
            counts.append(learned(server))
        if " junk threshold " in typed:
            assert "threshold: 6\n" in server.exec("signpost", "junk", "status", ALICE[0])
    assert counts == [(1, 0), (1, 1), (4, 1), (4, 3)]
    assert any(" junk explain " in command for command in COMMANDS)
    assert learned(server) == (0, 0)  # `forget` is the last of them
    assert server.exec("find", "/data/mail", "!", "-user", "vmail") == ""


def test_old_mail_is_read_as_root_and_learned_as_vmail(server: Signpost) -> None:
    """A file that is root's alone, and homes of accounts that have had no mail."""
    server.exec(
        *(
            "sh",
            "-c",
            "umask 077; mkdir -p /tmp/old && cat >/tmp/old/1.eml && mkfifo /tmp/old/2",
        ),
        stdin=text(1, "root"),
    )
    done = server.attempt("signpost", "junk", "train", BOB[0], "ham", "/tmp/old")
    assert done.returncode == 2
    assert done.stdout.startswith(b"1 message learned as ham, 0 known before, 1 left out\n")
    assert done.stderr == b"error: /tmp/old/2: cannot be read: it is no file\n"
    found = server.exec("find", "/data/mail/example.org/bob", "-printf", "%u %m %P\n").splitlines()
    assert {"vmail 700 ", "vmail 700 junk", "vmail 600 junk/wordlist.db"} <= set(found)
    assert {line.split()[0] for line in found} == {"vmail"}


def test_junk_of_some_age_goes_and_younger_junk_stays(server: Signpost) -> None:
    """By its age in the folder; days are too long for a test, so seconds are it."""
    listed = server.exec("doveconf", "-n")
    assert re.search(r"mailbox Junk \{[^}]*\bautoexpunge = 30d\b", listed), listed
    old, young = fresh("old"), fresh("young")
    with mailbox(server.v4, BOB) as box:
        when = '"01-Jan-2001 00:00:00 +0000"'
        box.session.append("Junk", "", when, letter(token=old))

        def session_ends(age: str = "3s") -> None:
            """Dovecot looks then."""
            program = "/usr/lib/dovecot/imap"
            setting = f"namespace/inbox/mailbox/Junk/autoexpunge={age}"
            server.exec(program, "-o", setting, "-u", BOB[0], stdin=b"a LOGOUT\r\n", user="vmail")

        def old_is_gone() -> bool:
            session_ends()
            return not box.find(old, "Junk")

        assert box.find(old, "Junk")
        wait_until(old_is_gone, "the old message to go", 15)
        box.session.append("Junk", "", when, letter(token=young))
        session_ends("1m")  # a busy machine may take more than three seconds until then
        assert box.find(young, "Junk")


def test_a_filter_that_hangs_is_a_note_and_no_fault(world: World, server: Signpost) -> None:
    """Mail comes; who watches the container does nothing."""
    (pid,) = server.exec("pgrep", "-u", "vmail", "-f", "entrypoint.junk$").split()
    server.exec("kill", "-STOP", pid, user="vmail")
    try:
        said = server.exec("signpost", "health")
        assert "note: the junk filter: it does not answer within 0.9 s; mail is delivered" in said
        assert said.startswith("healthy: ")
        token = fresh("letter")
        world.swaks(server.v4, to=BOB[0], message=letter(to=BOB[0], token=token)).accepted()
        server.wait_for_mail(BOB[0], token)
    finally:
        server.exec("kill", "-CONT", pid, user="vmail")
    wait_until(lambda: "answer within" not in server.exec("signpost", "health"), "its answer")
