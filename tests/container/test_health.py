"""A server that looks alive and moves no mail: `signpost health` says so, and names the part.

The rows of docs/reliability.md are the cases: each part is stopped (SIGSTOP) in a real container.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import ALICE, STANDARD
from .harness.parts import PATTERNS
from .harness.shell import attempt, fresh, run, wait_until
from .harness.signpost import PEERS, ROOT, Signpost
from .harness.world import World

PAGE = ROOT / "docs/reliability.md"


@dataclass(frozen=True)
class Row:
    """A row of the page's table of parts."""

    part: str
    named: str
    restarted: str


def rows() -> list[Row]:
    table = PAGE.read_text().partition("<!-- parts:")[2].partition("<!-- end of parts -->")[0]
    cells = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in table.splitlines()
        if line.startswith("|")
    ]
    return [Row(part, named.strip("`"), program) for part, _, named, program in cells[2:]]


@pytest.fixture(scope="module")
def server(world: World, image: None) -> Iterator[Signpost]:
    environment = {**STANDARD, "ENABLE_AUTOCONFIG": "yes", "ENABLE_POP3": "yes", "GREYLIST": "yes"}
    with world.signpost(environment, place=130) as signpost:
        yield signpost


@pytest.fixture(scope="module")
def outside(server: Signpost) -> Iterator[str]:
    """A container that sees the server's processes and may signal each of them."""
    with beside(server) as name:
        yield name


@contextmanager
def beside(server: Signpost) -> Iterator[str]:
    name = fresh("signpost-test-signals")
    run(
        *("docker", "run", "--detach", "--rm", "--init", "--name", name),
        *("--pid", f"container:{server.container}", "--entrypoint", "sleep", PEERS, "infinity"),
    )
    try:
        yield name
    finally:
        attempt("docker", "rm", "--force", name)


@contextmanager
def stopped(outside: str, pattern: str) -> Iterator[None]:
    """pkill never finds itself, and nothing else has the pattern in its command line."""
    try:
        run("docker", "exec", outside, "pkill", "-STOP", "-f", "--", pattern)
        yield
    finally:
        run("docker", "exec", outside, "pkill", "-CONT", "-f", "--", pattern)


def health(server: Signpost) -> tuple[int, str, float]:
    """Exit status, what is said, and the seconds that it took."""
    begin = time.monotonic()
    done = server.attempt("signpost", "health")
    return done.returncode, done.stdout.decode(), time.monotonic() - begin


def wait_until_healthy(server: Signpost, timeout: float = 20) -> None:
    wait_until(lambda: health(server)[0] == 0, "health to be good again", timeout)


def test_every_row_has_a_process_and_every_process_a_row() -> None:
    assert [row.part for row in rows()] == list(PATTERNS)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.part)
def test_each_part_that_is_stopped_is_named_within_ten_seconds(
    server: Signpost, outside: str, row: Row
) -> None:
    if row.part.startswith("Dovecot's"):
        wait_until_healthy(server)  # some are there only for a while after they were asked
    with stopped(outside, PATTERNS[row.part]):
        status, said, seconds = health(server)
    assert status == 1, said
    assert re.search(rf"(?m)^unhealthy: {re.escape(row.named)}\b", said), said
    assert seconds < 10
    wait_until_healthy(server)


def test_a_part_that_hangs_and_is_not_stopped_is_named_by_what_does_not_answer(
    world: World, image: None, tmp_path: Path
) -> None:
    """An extra filter that never answers: no process's state tells it."""
    tmp_path.chmod(0o755)
    program = tmp_path / "hang"
    program.write_text(HANGS)
    program.chmod(0o755)
    environment = {**STANDARD, "EXTRA_FILTERS_INBOUND": "/opt/hang"}
    with world.signpost(environment, place=131, mounts={"/opt/hang": program}) as signpost:
        # On a slow machine what begins last is not there yet.
        wait_until(lambda: "maintenance" not in health(signpost)[1], "maintenance", 30)
        status, said, seconds = health(signpost)
    assert status == 1
    assert said == (
        "unhealthy: the inbound filter, or one of EXTRA_FILTERS_INBOUND, does not answer within "
        "7 s (port 25, RCPT)\n"
    )
    assert seconds < 10


HANGS = """#!/bin/sh
while read -r line; do [ "$line" = "config|ready" ] && break; done
echo "register|filter|smtp-in|rcpt-to"
echo "register|ready"
while read -r line; do :; done
"""


def test_it_is_quick_where_all_is_well(server: Signpost) -> None:
    wait_until_healthy(server)
    wait_until(lambda: health(server)[2] < 2, "it to be quick")


@pytest.fixture
def login(server: Signpost) -> dict[str, str]:
    assert server.exec("stat", "-c", "%a %U", "/run/signpost/probe-login.json") == "600 root\n"
    found: dict[str, str] = json.loads(server.exec("cat", "/run/signpost/probe-login.json"))
    return found


class TestItsLogin:
    def test_it_leaves_nothing_in_the_log_and_nothing_in_data(
        self, server: Signpost, login: dict[str, str]
    ) -> None:
        wait_until_healthy(server)
        before = server.logs()
        # Not a folder's own time: to see a quota, a file is written to /data/mail and removed.
        printed = r"-type f -printf '%p %T@\n' -o -printf '%p\n'"
        files = f"find /data /var/spool/smtpd/filters {printed} | sort"
        as_it_was = server.files("sh", "-c", files)
        assert health(server)[0] == 0
        # The watchdog asks, too, now and then: nor does that leave a line.
        assert server.logs() == before
        assert server.files("sh", "-c", files) == as_it_was
        for secret in (login["password"], login["mark"], login["name"]):
            found = server.files("sh", "-c", f"grep -rlF {secret} /data /var/spool/smtpd; true")
            assert found == ""
            assert secret not in server.logs()
        assert login["password"].encode() not in server.processes("sh", "-c", "cat /proc/*/cmdline")

    def test_it_is_nobodys_account(self, server: Signpost, login: dict[str, str]) -> None:
        assert login["name"] not in server.exec("signpost", "account", "list")
        added = server.attempt("signpost", "account", "add", login["name"], "--generate")
        assert added.returncode
        assert server.attempt("signpost", "blocked", "list").stdout.find(b"health-") == -1

    def test_it_sends_and_receives_nothing(
        self, world: World, server: Signpost, login: dict[str, str]
    ) -> None:
        refused = world.swaks(server.v4, sender="", to=login["name"], quit_after="RCPT")
        assert refused.code == 550
        pair = (login["name"], login["password"])
        for sender in ("", ALICE[0], login["name"]):
            sent = world.swaks(
                server.v4,
                port=465,
                security="implicit",
                login=pair,
                sender=sender,
                to=ALICE[0],
                quit_after="RCPT",
            )
            assert sent.code == 550, sent.transcript

    def test_who_only_knows_its_name_is_a_stranger(
        self, world: World, server: Signpost, login: dict[str, str]
    ) -> None:
        lines = len(server.logs().splitlines())
        for swaks, host in ((world.swaks, server.v4), (server.inside(), "127.0.0.1")):
            refused = swaks(
                host,
                port=465,
                security="implicit",
                login=(login["name"], "guessed"),
                quit_after="AUTH",
            )
            assert refused.code == 535, refused.transcript

        def logged() -> bool:
            fresh_lines = "\n".join(server.logs().splitlines()[lines:])
            return fresh_lines.count(f"authentication user={login['name']} result=permfail") >= 2

        wait_until(logged, "both failures in the log")

    def test_it_is_another_at_the_next_start(self, server: Signpost, login: dict[str, str]) -> None:
        server.restart()
        again = json.loads(server.exec("cat", "/run/signpost/probe-login.json"))
        assert not set(again.values()) & set(login.values())
        assert health(server)[0] == 0
