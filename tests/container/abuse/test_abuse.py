"""Open to nobody: every case of abuse/cases, each by its outcome.

All cases are played at once against one server, and looked at once when nothing is on its way any
more: what was said, who has got what, what left the server, and what the log says.
"""

from __future__ import annotations

import io
import json
import re
import secrets
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ..harness.shell import attempt, wait_until
from ..harness.signpost import Signpost
from ..harness.sink import OnTheWire, Sink, sink
from ..harness.world import World
from .transcript import Case, Names, Script, played, read_cases

HERE = Path(__file__).parent
CLIENT = (HERE.parent / "clients/transcripts.py").read_text("utf-8")
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
        ]
    ),
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
class Stored:
    """A message in a mailbox."""

    address: str
    folder: str
    message: bytes


@dataclass(frozen=True)
class Outcome:
    """What has come of a case."""

    script: Script
    answers: list[list[str | None]] | str
    stored: list[Stored]
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
def outcomes(
    world: World, server: Signpost, out: Sink, tokens: dict[str, str]
) -> dict[str, Outcome]:
    """Of every case."""
    names = Names(
        words={"own": server.v4, "own6": server.v6, "out": world.address(25)[0]},
        sources={
            "client": world.client[0],
            "allowed": world.allowed[0],
            "stranger": world.stranger[0],
        },
        logins=LOGINS,
    )
    scripts = [played(case, names, tokens[case.id]) for case in CASES]
    said = world.exec_client(
        *("python3", "-c", CLIENT, server.v4),
        stdin=json.dumps([script.sessions for script in scripts]).encode(),
        timeout=180,
    )
    answers: list[Any] = json.loads(said)
    wait_until(lambda: not server.exec("smtpctl", "show", "queue"), "an empty queue")
    stored, left = everything_stored(server), out.received()
    return {
        case.id: Outcome(
            script,
            answer,
            [mail for mail in stored if tokens[case.id].encode() in mail.message],
            [mail for mail in left if tokens[case.id].encode() in whole(mail)],
        )
        for case, script, answer in zip(CASES, scripts, answers, strict=True)
    }


def everything_stored(server: Signpost) -> list[Stored]:
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
                found.append(Stored(address, place[3] or "INBOX", content.read()))
    return found


def whole(mail: OnTheWire) -> bytes:
    return b"\r\n".join([*mail.commands, b"", mail.data])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_abuse(
    case: Case, outcomes: dict[str, Outcome], tokens: dict[str, str], server: Signpost
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


def fits(answer: str | None, pattern: str) -> bool:
    if answer is None and (pattern == "closed" or pattern.endswith("|closed")):
        return True
    if pattern == "silence":
        return answer == "" or answer is None
    return answer is not None and pattern != "closed" and re.match(pattern, answer) is not None
