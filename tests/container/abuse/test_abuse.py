"""Open to nobody: every case of abuse/cases, each by its outcome.

All cases are played at once against one server, and looked at once when nothing is on its way any
more: what was said, who has got what, what left the server, and what the log says.
"""

from __future__ import annotations

import io
import json
import re
import secrets
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ..harness.messages import letter
from ..harness.shell import attempt, fresh, wait_until
from ..harness.signpost import Signpost
from ..harness.sink import OnTheWire, Sink, sink
from ..harness.world import World
from .transcript import Case, Names, Script, played, read_cases

HERE = Path(__file__).parent
CLIENT = (HERE.parent / "clients/transcripts.py").read_text("utf-8")
IDLE = (HERE.parent / "clients/idle.py").read_text("utf-8")
CASES = read_cases(HERE / "cases")
PORT = 2610

LOGINS = {
    name: (f"{name}@example.org", f"{name}'s secret")
    for name in ("alice", "carol", "dave", *(f"s{number}" for number in range(1, 13)))
} | {"bob": ("bob@example.net", "bob's secret")}
ENVIRONMENT = {
    "MAIL_HOSTNAME": "mail.example.org",
    "DOMAINS": "example.org, example.net",
    "ACCOUNTS": "\n".join(":".join(login) for login in LOGINS.values()),
    "ALIASES": "\n".join(
        [
            "info@example.org: alice@example.org, bob@example.net",
            "away@example.org: traveller@far.test",
            "@example.net: bob@example.net",
            "team@example.net: alice@example.org",
            "odd@example.org: #!$%&*=?^_{}~x@far.test",
        ]
    ),
    # Values that mean something to those who read the files that they are rendered into.
    "SRS_SECRET": "#secret,%n$HOME{{7*7}}{%x;|&(id)",
    "SEND_AS": "dave@example.org: news@example.org, @example.net",
    "POSTMASTER_ADDRESS": "alice@example.org",
    "MESSAGE_SIZE_LIMIT": "1M",
    "ENABLE_POP3": "yes",
    "ENABLE_AUTOCONFIG": "yes",
    "RELAY_PORT": str(PORT),
    "RELAY_TLS": "no",
    "DKIM_SELECTOR": "abuse",
}


@dataclass(frozen=True)
class InMailbox:
    """A message in a mailbox."""

    address: str
    folder: str
    message: bytes


@dataclass(frozen=True)
class WhatCame:
    """What has come of a case."""

    script: Script
    answers: list[list[str | None]] | str
    stored: list[InMailbox]
    left: list[OnTheWire]


@pytest.fixture(scope="module")
def out(world: World) -> Iterator[Sink]:
    with sink(world.swaks.container, PORT) as opened:
        yield opened


@pytest.fixture(scope="module")
def server(world: World, image: None, out: Sink) -> Iterator[Signpost]:
    environment = {**ENVIRONMENT, "RELAY_HOST": world.client[0]}
    with world.signpost(environment, place=130) as signpost:
        yield signpost


@pytest.fixture(scope="module")
def tokens() -> dict[str, str]:
    run = secrets.token_hex(4)
    return {case.id: f"abuse{number}x{run}" for number, case in enumerate(CASES)}


@pytest.fixture(scope="module")
def names(world: World, server: Signpost) -> Names:
    return Names(
        words={"own": server.v4, "own6": server.v6, "out": world.address(25)[0]},
        sources={
            "client": world.client[0],
            "allowed": world.allowed[0],
            "stranger": world.stranger[0],
        },
        logins=LOGINS,
    )


@pytest.fixture(scope="module")
def outcomes(
    world: World,
    server: Signpost,
    out: Sink,
    names: Names,
    tokens: dict[str, str],
) -> dict[str, WhatCame]:
    """Of every case."""
    scripts = [played(case, names, tokens[case.id]) for case in CASES]
    # Each password is known then: the cases are not about how many new ones may come at once.
    known = Case("", "", [f"on 993 as {name}" for name in LOGINS])
    play(world, server, [played(known, names, "")])
    answers = play(world, server, scripts)
    wait_until(lambda: not server.exec("smtpctl", "show", "queue"), "an empty queue")
    stored, left = everything_stored(server), out.received()
    return {
        case.id: WhatCame(
            script,
            answer,
            [mail for mail in stored if tokens[case.id].encode() in mail.message],
            [mail for mail in left if tokens[case.id].encode() in whole(mail)],
        )
        for case, script, answer in zip(CASES, scripts, answers, strict=True)
    }


def play(world: World, server: Signpost, scripts: list[Script]) -> list[Any]:
    """What was said to each of them."""
    sessions = json.dumps([script.sessions for script in scripts]).encode()
    command = ("python3", "-c", CLIENT, server.v4)
    answers: list[Any] = json.loads(world.exec_client(*command, stdin=sessions, timeout=180))
    return answers


def everything_stored(server: Signpost) -> list[InMailbox]:
    archive = attempt("docker", "cp", f"{server.container}:/data/mail", "-")
    found = []
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        for member in files:
            place = re.fullmatch(
                r"mail/([^/]+)/([^/]+)/Maildir/(?:([^/]+)/)?(?:new|cur)/[^/]+", member.name
            )
            content = files.extractfile(member) if place else None
            if place and content:
                address = f"{place[2]}@{place[1]}"
                found.append(InMailbox(address, place[3] or "INBOX", content.read()))
    return found


def whole(mail: OnTheWire) -> bytes:
    return b"\r\n".join([*mail.commands, b"", mail.data])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_abuse(
    case: Case, outcomes: dict[str, WhatCame], tokens: dict[str, str], server: Signpost
) -> None:
    outcome, token = outcomes[case.id], tokens[case.id]
    assert not isinstance(outcome.answers, str), outcome.answers
    for answers, patterns in zip(outcome.answers, outcome.script.patterns, strict=True):
        said = [fits(answer, pattern) for answer, pattern in zip(answers, patterns, strict=True)]
        assert all(said), "\n" + "\n".join(
            f"{'  ' if ok else '! '}{pattern!r}: {answer!r}"
            for ok, answer, pattern in zip(said, answers, patterns, strict=True)
        )
    at = [f"{mail.address} {mail.folder}" for mail in outcome.stored]
    assert len(at) == len(case.arrives), at
    for expected in case.arrives:
        place, _, pattern = expected.replace("{token}", token).partition(" ")
        assert any(
            mail.address == place and re.search(pattern.encode(), mail.message)
            for mail in outcome.stored
        ), (expected, outcome.stored)
    assert len(outcome.left) == len(case.leaves), outcome.left
    for expected in case.leaves:
        pattern = expected.replace("{token}", token).encode()
        assert any(re.search(pattern, whole(mail)) for mail in outcome.left), outcome.left
    for expected in case.log:
        server.wait_for_log(expected.replace("{token}", token), 5)


def test_all_that_was_said_is_lines_of_the_programs_that_said_it(
    server: Signpost, outcomes: dict[str, WhatCame]
) -> None:
    log = server.logs()
    assert not re.search(r"[^\x20-\x7e\n]", log)
    lines = log.splitlines()
    odd = [line for line in lines if not re.match(r"\S+ (debug|info|warning|error) [\w-]+: ", line)]
    assert not odd
    assert not [line for line in lines if re.match(r"\S+ \S+ \S+ .{0,9}forged", line)]


def test_nobody_has_left_anything_where_it_does_not_belong(
    server: Signpost, outcomes: dict[str, WhatCame]
) -> None:
    """Neither in another's mailbox, nor in a file that a command or a path would have made."""
    look = ("find", "/data/mail", "/tmp", "/run", "/etc", "-name", "*abuse*x*")
    found = [path.split("/") for path in server.exec(*look).splitlines()]
    assert {tuple(path[:6]) for path in found} <= {
        ("", "data", "mail", "example.org", "carol", "Maildir")
    }
    homes = server.exec("find", "/data/mail", "-mindepth", "2", "-maxdepth", "2").split()
    assert set(homes) <= {
        f"/data/mail/{domain}/{name}"
        for name, _, domain in (login[0].partition("@") for login in LOGINS.values())
    }


def test_the_server_is_as_it_was(
    world: World, server: Signpost, outcomes: dict[str, WhatCame]
) -> None:
    log = server.logs()
    assert log.count("portable starting") == 1
    ends = re.compile(r"fatal|panic|Traceback|exited|restart|terminated")
    # Dovecot's process of one session ends so where a client leaves within a script.
    known = re.compile(r"forged|sieve\(carol@example\.org\)")
    assert not [line for line in log.splitlines() if ends.search(line) and not known.search(line)]
    assert server.attempt("signpost", "health").returncode == 0


@pytest.mark.parametrize("port", [25, 587, 465, 993])
def test_hundreds_of_idle_connections_keep_nobody_waiting(
    world: World, server: Signpost, port: int
) -> None:
    stay_idle(world, server, 2_000 if port in {25, 587} else 300, port)


@pytest.mark.reliability
def test_thousands_of_idle_connections_keep_nobody_waiting(world: World, server: Signpost) -> None:
    stay_idle(world, server, 2_000, 25, 465, 993, 143, 4190)


def stay_idle(world: World, server: Signpost, count: int, *ports: int) -> None:
    """All of them come at once, and each is greeted; a message goes through beside them."""
    command = ("docker", "exec", "-i", world.swaks.container, "python3", "-c", IDLE)
    token = fresh("meanwhile")
    with subprocess.Popen(
        [*command, server.v4, str(count), *map(str, ports)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        greeted = json.loads(process.stdout.readline())
        assert greeted == {str(port): count for port in ports}
        world.swaks(
            server.v4,
            source=world.allowed[0],
            to=LOGINS["alice"][0],
            message=letter(token=token),
        ).accepted()
        process.stdin.close()
    server.wait_for_mail(LOGINS["alice"][0], token)


def fits(answer: str | None, pattern: str) -> bool:
    if answer is None and (pattern == "closed" or pattern.endswith("|closed")):
        return True
    if pattern == "silence":
        return answer == "" or answer is None
    return answer is not None and pattern != "closed" and re.match(pattern, answer) is not None
