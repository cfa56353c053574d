"""Clients of Mailpit, in their published packages and unchanged."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.entrypoint.test_target.running import Running

HERE = Path(__file__).parent
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(not (NODE and shutil.which("npm")), reason="needs Node.js and npm")


def run(*command: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_suite(suite: str, cwd: Path, **environment: str) -> str:
    """In a pytest of its own: it has that client's plugin, and none of our settings."""
    shutil.copy(HERE / suite, cwd / "test_suite.py")
    pytest_ = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_suite.py")
    return run(*pytest_, cwd=cwd, **environment)


def test_pytest_mailpit(target: Running, tmp_path: Path) -> None:
    out = run_suite(
        "pytest_mailpit_suite.py",
        tmp_path,
        MAILPIT_URL=target.url,
        MAILPIT_SMTP=f"127.0.0.1:{target.smtp_port}",
    )
    assert "6 passed" in out


def test_mailpit_api_client(target: Running, tmp_path: Path) -> None:
    raw = (
        b"From: Alice <alice@a.example>\r\nTo: bob@b.example\r\nSubject: a subject\r\n"
        b"Message-ID: <1@a.example>\r\nDate: Sun, 1 Mar 2026 12:00:00 +0000\r\n"
        b"Delivered-To: bob@b.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\n\r\ntext\r\n--b\r\nContent-Disposition: attachment; filename=a\r\n\r\nattached"
        b"\r\n--b--\r\n"
    )
    identity = target.deliver(raw)
    out = run_suite(
        "mailpit_api_client_suite.py", tmp_path, MAILPIT_URL=target.url, MAILPIT_MESSAGE=identity
    )
    assert "4 passed" in out


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what package-lock.json pins."""
    folder = tmp_path_factory.mktemp("node") / "clients"
    shutil.copytree(HERE / "node", folder, ignore=shutil.ignore_patterns("node_modules"))
    run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
    return folder


@needs_node
@pytest.mark.parametrize(("suite", "tests"), [("mailpit-api", 8), ("cypress-mailpit", 8)])
def test_node_packages(target: Running, packages: Path, suite: str, tests: int) -> None:
    # One after the other: they share a mailbox.
    command = (str(NODE), "--test", "--test-reporter=tap", f"{suite}.test.mjs")
    out = run(*command, cwd=packages, MAILPIT_URL=target.url)
    assert f"# pass {tests}\n" in out
