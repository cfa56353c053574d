"""smtpd's ports stay open while it starts again: who connects then waits, and is not refused.

With the capabilities of compose.yaml, and a root that can be written to: a library is taken away.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import STANDARD
from .harness.shell import attempt, wait_until
from .harness.signpost import Signpost
from .harness.world import World

CLIENT = (Path(__file__).parent / "clients/connecting.py").read_text("utf-8")
LIBRARY = "/usr/local/libexec/listening_sockets.so"
# A restart takes two or three seconds; the machine may be busy.
GREETED_WITHIN = 15
REQUEST = "from entrypoint.supervise.restarts import request; request('smtpd')"
READY = """
from entrypoint.config.ports import SMTP_PORTS
from entrypoint.probe.ready import is_ready
raise SystemExit(not is_ready(SMTP_PORTS))
"""


@dataclass
class Came:
    """Of the connections: the seconds until each greeting, and how the others ended, counted."""

    greeted: list[float]
    failed: dict[str, int]


class Connections:
    """One every 50 ms, from the peers' client."""

    def __init__(self, world: World, address: str, port: int) -> None:
        command = (
            *("docker", "exec", "-i", world.swaks.container),
            *("python3", "-c", CLIENT, address, str(port)),
        )
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"connecting\n"

    def end(self) -> Came:
        """Begin no more, and wait for those that are there."""
        return Came(**json.loads(self._process.communicate(timeout=60)[0]))

    def leave(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def connecting(world: World, address: str, port: int) -> Iterator[Connections]:
    connections = Connections(world, address, port)
    try:
        yield connections
    finally:
        connections.leave()


@pytest.fixture(scope="module")
def server(world: World, image: None) -> Iterator[Signpost]:
    signpost = world.signpost(STANDARD, place=127)
    signpost.service["read_only"] = False
    with signpost:
        yield signpost


def starts(server: Signpost) -> int:
    return server.logs().count("portable starting")


@contextmanager
def starting_anew(server: Signpost) -> Iterator[None]:
    """Wait until the next smtpd greets."""
    before = starts(server)
    yield
    wait_until(lambda: starts(server) > before, "smtpd's start", 30)
    look = ("docker", "exec", server.container, "python", "-c", READY)
    wait_until(lambda: attempt(*look).returncode == 0, "smtpd's greeting", 30)


def test_nobody_is_refused_during_a_restart(world: World, server: Signpost) -> None:
    with (
        connecting(world, server.v4, 25) as on_25,
        connecting(world, server.v6, 587) as on_587,
    ):
        with starting_anew(server):
            server.exec("python", "-c", REQUEST)
        for came in (on_25.end(), on_587.end()):
            assert came.failed == {}
            assert len(came.greeted) > 10
            assert max(came.greeted) < GREETED_WITHIN


def test_nobody_is_refused_when_smtpd_dies(world: World, server: Signpost) -> None:
    with connecting(world, server.v4, 25) as connections:
        with starting_anew(server):
            server.processes("pkill", "-KILL", "-f", "^/usr/sbin/smtpd -dF")
        came = connections.end()
    # Who was connected already when it died is cut off.
    assert "ConnectionRefusedError" not in came.failed
    assert len(came.greeted) > 10
    assert max(came.greeted) < GREETED_WITHIN


def test_smtpd_starts_where_it_cannot_ask_for_its_sockets(server: Signpost) -> None:
    """The ports are in use then, by who has the sockets: it gives them up before the next start."""
    with starting_anew(server):
        server.exec("mv", LIBRARY, f"{LIBRARY}.away")
        server.exec("python", "-c", REQUEST)
    server.exec("mv", f"{LIBRARY}.away", LIBRARY)
    with starting_anew(server):
        server.exec("python", "-c", REQUEST)
