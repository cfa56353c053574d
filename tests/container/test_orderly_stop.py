"""smtpd is to start anew, as for a new certificate: what clients are sending is taken first."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from .conftest import ALICE, STANDARD
from .harness.shell import fresh, wait_until
from .harness.signpost import Signpost
from .harness.world import World

# A client that is in the middle of a message until it gets a line on its standard input.
_CLIENT = r"""
import smtplib, sys
client = smtplib.SMTP(sys.argv[1], timeout=30)
client.ehlo("client.outside.test")
client.mail("someone@outside.test")
client.rcpt(sys.argv[2])
client.docmd("DATA")
client.send(f"From: someone@outside.test\r\nMessage-ID: <{sys.argv[3]}@x>\r\n\r\n".encode())
print("sending", flush=True)
sys.stdin.readline()
client.send(b"the rest\r\n.\r\n")
print(client.getreply()[0], flush=True)
"""


@pytest.fixture(scope="module")
def server(world: World, image: None) -> Iterator[Signpost]:
    with world.signpost(STANDARD, place=124) as signpost:
        yield signpost


class Client:
    def __init__(self, world: World, server: Signpost, token: str) -> None:
        self._process = subprocess.Popen(
            [
                *("docker", "exec", "-i", world.swaks.container, "python3", "-c", _CLIENT),
                *(server.v4, ALICE[0], token),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"sending\n"

    def finish(self) -> bytes:
        """Send the rest: the answer."""
        return self._process.communicate(b"\n", timeout=60)[0].strip()

    def leave(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def sending(world: World, server: Signpost, token: str) -> Iterator[Client]:
    client = Client(world, server, token)
    try:
        yield client
    finally:
        client.leave()


def request(server: Signpost) -> int:
    """How often smtpd had started before."""
    count = starts(server)
    server.exec(
        "python", "-c", "from entrypoint.supervise.restarts import request; request('smtpd')"
    )
    return count


def starts(server: Signpost) -> int:
    return server.logs().count("portable starting")


def test_a_message_that_is_being_sent_is_taken(world: World, server: Signpost) -> None:
    token = fresh("slow")
    with sending(world, server, token) as client:
        before = request(server)
        server.wait_for_log("smtp paused")
        assert client.finish() == b"250"
    wait_until(lambda: starts(server) > before, "smtpd's start")
    assert server.wait_for_mail(ALICE[0], token)


def test_who_never_ends_is_not_waited_for_long(world: World, server: Signpost) -> None:
    wait_until(lambda: server.attempt("signpost", "health").returncode == 0, "health", 30)
    with sending(world, server, fresh("endless")):
        began = time.monotonic()
        before = request(server)
        wait_until(lambda: starts(server) > before, "smtpd's start", 30)
        assert time.monotonic() - began < 15
    server.wait_for_log("stopped before all was finished: messages coming in: 1")
