"""What the container gets from outside: name servers that are silent, files that are replaced."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .harness.shell import wait_until
from .harness.signpost import Signpost
from .harness.world import World

ALICE = ("alice@example.org", "alice-has-a-secret")
BOB = ("bob@example.org", "bob-has-a-secret")
NAME_SERVERS = (Path(__file__).parent / "clients/name_servers.py").read_text("utf-8")
MODES = "/tmp/modes"
ACCOUNTS = "/run/secrets/accounts"
# Seconds from the connection to the greeting, for each port.
GREETINGS = """
import json, socket, sys, time
source, host, *ports = sys.argv[1:]
links, found = [], {}
begin = time.monotonic()
for port in ports:
    links.append(socket.create_connection((host, int(port)), 30, (source, 0)))
for port, link in zip(ports, links):
    found[port] = time.monotonic() - begin if link.recv(4) == b"220 " else None
print(json.dumps(found))
"""


class NameServers:
    """Three, at the addresses of the peers' client."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.addresses = [world.client[0], world.allowed[0], world.stranger[0]]
        self.are("silent silent silent")
        command = ("docker", "exec", "-i", world.swaks.container, "python3", "-c", NAME_SERVERS)
        self._process = subprocess.Popen(
            (*command, MODES, *self.addresses), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            raise AssertionError(f"the name servers ended with {self._process.wait(10)}")

    def are(self, modes: str) -> None:
        """silent, or the seconds to their answers; see clients/name_servers.py."""
        self._world.exec_client("sh", "-c", f"echo '{modes}' > {MODES}")

    def end(self) -> None:
        self._world.exec_client("pkill", "-f", MODES)
        self._process.communicate(timeout=10)


@pytest.fixture(scope="module")
def name_servers(world: World) -> Iterator[NameServers]:
    servers = NameServers(world)
    try:
        yield servers
    finally:
        servers.end()


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that is mounted alone."""
    path = tmp_path_factory.mktemp("secrets") / "accounts"
    path.write_text("".join(f"{':'.join(each)}\n" for each in (ALICE, BOB)))
    return path


@pytest.fixture(scope="module")
def server(
    world: World, image: None, name_servers: NameServers, accounts: Path
) -> Iterator[Signpost]:
    """Started while every name server is silent."""
    environment = {
        "DOMAINS": "example.org",
        "ACCOUNTS_FILE": ACCOUNTS,
        "DNS_SERVERS": ", ".join(name_servers.addresses),
        "DNS_TIMEOUT": "2",
    }
    signpost = world.signpost(environment, place=134, mounts={ACCOUNTS: accounts})
    signpost.patience = 25  # it takes three seconds, and took as long as a greeting
    with signpost:
        yield signpost


def greetings(world: World, server: Signpost, source: str) -> dict[str, float]:
    ports = ("25", "587")
    said = world.exec_client("python3", "-c", GREETINGS, source, server.v4, *ports)
    found: dict[str, float] = json.loads(said)
    return found


def connected(server: Signpost, source: str) -> list[str]:
    pattern = rf"smtp connected address={re.escape(source)} host=(\S+)"
    return re.findall(pattern, server.logs())


class TestSilentNameServers:
    def test_all_three_are_silent_and_nobody_waits_long(
        self, world: World, server: Signpost, name_servers: NameServers
    ) -> None:
        """Asked all at once: the greetings, a login with a message, one from outside, health."""
        begin = time.monotonic()
        with ThreadPoolExecutor() as at_once:
            greeted = at_once.submit(greetings, world, server, world.client[0])
            sent = at_once.submit(server.submit, world.swaks, ALICE, to=ALICE[0])
            came = at_once.submit(world.swaks, server.v4, sender="x@far.test", to=ALICE[0])
            said = health(server)
            assert time.monotonic() - begin < 10  # seconds
            assert max(greeted.result().values()) < 5, greeted.result()
            assert sent.result().code == 250, sent.result().transcript
            assert came.result().code == 250, came.result().transcript
        assert time.monotonic() - begin < 15
        assert set(connected(server, world.client[0])) == {"<unknown>"}
        # And nobody else: smtpd is not blamed.
        listed = re.escape(", ".join(name_servers.addresses))
        silent = rf"unhealthy: DNS: no name server answers within 7 s \({listed}\).*\n"
        assert re.fullmatch(silent, said)
        late = ", ".join(
            f"{re.escape(each)}: nothing within 5 s" for each in name_servers.addresses
        )
        server.wait_for_log(rf"error maintenance: DNS: no name server answers \({late}\): ")

    def test_the_third_answers_and_a_name_that_it_does_not_confirm_is_not_waited_for(
        self, world: World, server: Signpost, name_servers: NameServers
    ) -> None:
        name_servers.are("silent silent 0")
        try:
            found = greetings(world, server, world.stranger[0])
            assert max(found.values()) < 5, found
            assert connected(server, world.stranger[0]) == ["client.test"] * 2
            found = greetings(world, server, world.allowed[0])
            assert max(found.values()) < 5, found
            assert connected(server, world.allowed[0]) == ["unconfirmed.test"] * 2
            third = re.escape(name_servers.addresses[2])
            again = rf"info maintenance: DNS: the name server {third} answers again"
            server.wait_for_log(again, timeout=60)
            first = re.escape(name_servers.addresses[0])
            server.wait_for_log(
                rf"warning maintenance: DNS: the name server {first} does not answer .*others do",
                timeout=60,
            )
        finally:
            name_servers.are("silent silent silent")

    @pytest.mark.reliability
    def test_the_way_of_a_message_is_asked_for_as_patiently_as_ever(
        self, world: World, server: Signpost, name_servers: NameServers
    ) -> None:
        name_servers.are("4 4 4")
        try:
            begin = time.monotonic()
            assert server.submit(world.swaks, ALICE, to="x@far.test").code == 250
            server.wait_for_log(
                rf"mta connecting address=smtp://{re.escape(world.client[0])}:25", timeout=40
            )
            assert time.monotonic() - begin > 8  # MX and A, four seconds each
        finally:
            name_servers.are("silent silent silent")


class TestReplacedFiles:
    def test_one_that_is_mounted_alone_is_named_and_a_restart_reads_the_new_one(
        self, server: Signpost, accounts: Path, name_servers: NameServers
    ) -> None:
        name_servers.are("0 0 0")
        wait_until(lambda: health(server) == "", "health to be good")
        # As `sed -i` and editors do: a new file takes the old one's name.
        new = accounts.with_name("accounts.new")
        new.write_text(f"{':'.join(ALICE)}\n")
        new.rename(accounts)
        said = rf"ACCOUNTS_FILE: {ACCOUNTS} is still the old file, .*"
        server.wait_for_log(f"error maintenance: {said}mount the folder")
        assert re.fullmatch(f"unhealthy: {said}\n", health(server))
        checked = server.attempt("signpost", "check").stderr.decode()
        assert re.search(f"(?m)^warning: {said}$", checked)
        assert BOB[0] in server.exec("signpost", "account", "list")
        server.restart()
        assert BOB[0] not in server.exec("signpost", "account", "list")
        wait_until(lambda: health(server) == "", "health to be good again")


def health(server: Signpost) -> str:
    """What it says where it is not good."""
    done = server.attempt("signpost", "health")
    return done.stdout.decode() if done.returncode else ""
