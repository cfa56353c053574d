"""`signpost start`: where the server runs already, and what is said of clients."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from entrypoint import paths
from entrypoint.commands import start
from entrypoint.completion import preview
from entrypoint.config import environ
from entrypoint.config.settings import HostFacts

# What a start does: it takes the lock, and becomes another program.
SERVER = """
import os, sys
from pathlib import Path
from entrypoint.commands.start import claim_server
print(claim_server(Path(sys.argv[1])), flush=True)
os.execv("/bin/sh", ["sh", "-c", "echo up; read line"])
"""


def test_a_second_start_touches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        assert server.stdout.readline() == b"True\n"
        assert server.stdout.readline() == b"up\n"
        assert not start.claim_server(lock)
        monkeypatch.setattr(start.claim_server, "__defaults__", (lock,))
        # Whatever the configuration is, and before it is read.
        done = CliRunner().invoke(start.command, env={"DOMAINS": "!"})
        assert done.exit_code == 1
        assert done.output == (
            "error: the server runs in this container already; nothing was changed. "
            "To start it anew: docker compose restart\n"
        )
        server.stdin.write(b"end\n")
        server.stdin.close()
        assert server.wait(20) == 0
    # A file that a server has left, even one that was killed, is no server.
    assert start.claim_server(lock)


def test_a_lock_that_cannot_be_written_holds_nothing_up(tmp_path: Path) -> None:
    assert start.claim_server(tmp_path / "nowhere" / "lock")


ROOTLESS = HostFacts(ipv6=False, gateways=("10.0.2.2",), own=("10.0.2.100",), rootless=True)


@pytest.mark.parametrize(
    ("host", "counts", "said"),
    [
        (HostFacts(ipv6=False), None, []),
        (
            ROOTLESS,
            None,
            ["the engine is rootless: .* all appear at 10.0.2.2, 10.0.2.100, and SPF"],
        ),
        (
            HostFacts(ipv6=False),
            {"clients": {"gateway": 40, "other": 0}, "only": "172.18.0.1", "since": 0},
            ["clients: all 40 messages so far came from 172.18.0.1, a gateway or .* DNSBL"],
        ),
        (HostFacts(ipv6=False), {"clients": {"gateway": 40, "other": 9}, "only": None}, []),
    ],
    ids=["nothing", "rootless", "all from a gateway", "some"],
)
def test_that_clients_look_alike_is_said_at_the_start(
    host: HostFacts,
    counts: object,
    said: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(paths, "CLIENT_COUNTS", tmp_path / "clients.json")
    if counts is not None:
        paths.CLIENT_COUNTS.write_text(json.dumps(counts))
    start._tell_clients(preview(environ.load({}, host=host)))
    assert len(caplog.messages) == len(said)
    for message, pattern in zip(caplog.messages, said, strict=True):
        assert re.match(pattern, message)
