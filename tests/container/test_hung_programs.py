"""Whatever of a program hangs or is left behind: it ends, its ports are free, it starts again.

With the capabilities of compose.yaml, where root may not signal another user's process.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from .conftest import STANDARD
from .harness.shell import attempt, run, wait_until
from .harness.signpost import Signpost
from .harness.world import World

PROGRAMS = ("logins", "web", "smtpd", "dovecot", "junk")
LOGPIPE = r"\S*python\S* -m entrypoint\.supervise\.logpipe .*"
# What of each program hangs. smtpd's dispatcher and Dovecot's login processes have the ports.
PARTS = {
    "smtpd: dispatcher": "smtpd",
    r"\S*python\S* .*-m filters\.inbound": "smtpd",
    "dovecot/auth": "dovecot",
    "dovecot/imap-login": "dovecot",
    r"\S*python\S* -m entrypoint\.supervise\.until_eof filters\.logins": "logins",
    r"\S*python\S* -m entrypoint\.supervise\.until_eof entrypoint\.web": "web",
    r"\S*python\S* -m entrypoint\.supervise\.until_eof entrypoint\.junk": "junk",
    r"\S*python\S* -m entrypoint\.maintenance": "maintenance",
}


@pytest.fixture(scope="module")
def server(world: World, image: None) -> Iterator[Signpost]:
    every = STANDARD | {"ENABLE_AUTOCONFIG": "yes", "JUNK_FILTER": "yes"}
    with world.signpost(every, place=121) as signpost:
        yield signpost


def started(server: Signpost) -> dict[tuple[int, str], str]:
    """Every process by its number and the time of its start."""
    printed = server.processes("ps", "-eo", "pid,lstart,args", "--no-headers").decode()
    found = (re.match(r" *(\d+) (.{24}) (.*)", line) for line in printed.splitlines())
    return {(int(each[1]), each[2]): each[3] for each in found if each}


def matching(server: Signpost, pattern: str) -> set[tuple[int, str]]:
    return {key for key, args in started(server).items() if re.match(pattern, args)}


def signal(server: Signpost, name: str, keys: set[tuple[int, str]]) -> None:
    assert keys
    server.processes("kill", f"-{name}", *(str(pid) for pid, _ in keys))


def request(server: Signpost, *programs: str) -> None:
    for program in programs:
        server.exec(
            "python",
            "-c",
            f"from entrypoint.supervise.restarts import request as r; r('{program}')",
        )


def wait_until_healthy(server: Signpost) -> None:
    wait_until(lambda: server.attempt("signpost", "health").returncode == 0, "health", 30)


def test_what_hangs_in_part_is_started_again(server: Signpost) -> None:
    hung = {key for pattern in PARTS for key in matching(server, pattern)}
    signal(server, "STOP", hung)
    began = time.monotonic()
    request(server, *sorted(set(PARTS.values())))
    wait_until(lambda: not hung & started(server).keys(), "the hung processes to end", 30)
    assert time.monotonic() - began < 20
    wait_until_healthy(server)
    assert "in use" not in server.logs()


@pytest.mark.parametrize("program", PROGRAMS)
def test_nothing_outlives_its_logpipe(server: Signpost, program: str) -> None:
    wait_until_healthy(server)
    before = matching(server, f"{LOGPIPE} {program} ")
    assert len(before) == 1
    ((pid, _),) = before
    tree = server.processes("ps", "-o", "pid", "--no-headers", "--ppid", str(pid)).split()
    below = {key for key in started(server) if str(key[0]).encode() in tree}
    assert below
    lines = len(server.logs().splitlines())
    signal(server, "KILL", before)
    wait_until(lambda: not below & started(server).keys(), "the program to end", 10)
    wait_until_healthy(server)
    said = "\n".join(server.logs().splitlines()[lines:])
    assert "in use" not in said
    # What smtpd has started ends when smtpd does, in its own time.
    assert program == "smtpd" or "killing what is left" not in said


def test_not_even_what_hangs_outlives_it(server: Signpost) -> None:
    wait_until_healthy(server)
    # The process that applies changes has no logpipe.
    parts = [part for part, program in PARTS.items() if program in PROGRAMS]
    hung = {key for part in parts for key in matching(server, part)}
    lines = len(server.logs().splitlines())
    signal(server, "STOP", hung)
    signal(server, "KILL", matching(server, LOGPIPE))
    wait_until(lambda: not hung & started(server).keys(), "the hung processes to end", 20)
    wait_until_healthy(server)
    assert "in use" not in "\n".join(server.logs().splitlines()[lines:])


def test_a_stop_ends_what_hangs_and_takes_less_than_dockers_ten_seconds(server: Signpost) -> None:
    wait_until_healthy(server)
    signal(server, "STOP", matching(server, "smtpd: dispatcher"))
    signal(server, "STOP", matching(server, "dovecot/auth"))
    try:
        began = time.monotonic()
        run("docker", "stop", server.container)
        assert time.monotonic() - began < 10
        assert server.exit_code() == 0
    finally:
        attempt("docker", "start", server.container)
