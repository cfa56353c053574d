"""What a fork of supervisor's process is: the command that it was forked for, and nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from entrypoint.supervise.forks import is_fork

MODULE = """
import json, os, signal, sys
def main():
    shown = open("/proc/self/cmdline", "rb").read().replace(b"\\0", b" ").decode().strip()
    blocked = [*map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))]
    print(json.dumps([sys.argv[1:], dict(os.environ), shown, blocked,
        str(signal.getsignal(signal.SIGTERM)), str(signal.getsignal(signal.SIGCHLD))]))
    sys.exit(7)
"""
PARENT = """
import json, os, signal, sys
from entrypoint.supervise.forks import become
signal.signal(signal.SIGTERM, lambda *_: None)
signal.signal(signal.SIGCHLD, lambda *_: None)
reader, writer = os.pipe2(os.O_NONBLOCK)
signal.set_wakeup_fd(writer)
child = os.fork()
if child == 0:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    become(["python", "-m", "entrypoint_module", *sys.argv[1:]], {"A": "b"}, [signal.SIGUSR1])
print(json.dumps(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))
"""


@pytest.mark.parametrize("length", [1, 4000])
def test_it_is_what_exec_would_have_made(length: int, tmp_path: Path) -> None:
    (tmp_path / "entrypoint_module.py").write_text(MODULE)
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-c", PARENT, "--option", "x" * length, "end"],
        capture_output=True,
        env={"PYTHONPATH": f"{tmp_path}:{root}", "SECRET": "y" * 300},
        check=True,
        timeout=20,
    )
    said, status = map(json.loads, done.stdout.splitlines())
    arguments, environ, shown, blocked, term, child = said
    assert arguments == ["--option", "x" * length, "end"]
    assert environ == {"A": "b"}
    # A long word leaves room for what stands behind it.
    cut = "x" if length == 1 else "x" * 47 + "..."
    assert shown == f"python -m entrypoint_module --option {cut} end"
    assert blocked == [signal.SIGUSR1]
    assert term == child == str(signal.SIG_DFL)
    assert status == 7
    assert done.stderr == b""


def test_an_error_is_the_end_of_the_fork_alone(tmp_path: Path) -> None:
    (tmp_path / "entrypoint_module.py").write_text("def main(): raise RuntimeError('why')")
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-c", PARENT],
        capture_output=True,
        env={"PYTHONPATH": f"{tmp_path}:{root}"},
        check=True,
        timeout=20,
    )
    assert done.stdout == b"1\n"
    assert b"RuntimeError: why" in done.stderr


@pytest.mark.parametrize(
    ("command", "forked"),
    [
        ("python -m entrypoint.supervise.logpipe smtpd smtpd -dF", True),
        ("python -m entrypoint.maintenance", True),
        ("python -m filters.logins", False),
        ("/usr/bin/python -m entrypoint.maintenance", False),
        ("setpriv python -m entrypoint.web", False),
        ("python -m", False),
    ],
)
def test_what_is_forked(command: str, forked: bool) -> None:
    assert is_fork(command.split()) == forked


def test_what_is_left_out_of_supervisor_can_be_imported_later() -> None:
    script = (
        "import entrypoint.supervise.__main__, html, http.client, importlib.metadata, hashlib; "
        "import xmlrpc.client, urllib.parse, importlib.resources; "
        "print(html.escape('<'), http.client.OK, hashlib.sha1(b'').name, urllib.parse.quote('/'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, env=os.environ
    )
    assert done.stdout == b"&lt; 200 sha1 /\n"
