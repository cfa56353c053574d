"""`signpost start` where the server runs already."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from entrypoint.commands import start

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
