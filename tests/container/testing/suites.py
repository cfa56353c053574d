"""Test suites of others, run as their authors run them: by pytest or Node, each in a folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from pytest_signpost.server import Server

from tests.container.harness.signpost import ROOT

PLUGIN = ROOT / "deploy/pytest-signpost"
_NODE_PACKAGES = ROOT / "build/node"  # made once in a checkout
# Where `make` puts Node.js on a machine that has none.
_PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def run(*command: str, cwd: Path, status: int = 0, **environment: str) -> str:
    """What it prints. None of the plugins' variables are this machine's own."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST_", "SIGNPOST_", "MAILPIT_"))
    }
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**inherited, "PATH": _PATH, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def run_pytest(
    folder: Path, *arguments: str, plugins: Iterable[str], status: int = 0, **environment: str
) -> str:
    """With these plugins, by the names that they are installed by, and none of our own settings."""
    named = [word for plugin in plugins for word in ("-p", plugin)]
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *named, *arguments)
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # each takes its time to load
    return run(*command, cwd=folder, status=status, **environment)


def run_node(folder: Path, *arguments: str, **environment: str) -> str:
    """Node's own test runner, its report as TAP."""
    node = shutil.which("node", path=_PATH)
    assert node, "Node.js is missing: `make test` installs it"
    return run(node, "--test", "--test-reporter=tap", *arguments, cwd=folder, **environment)


def copied(source: Path, folder: Path, names: Iterable[str] = ("*",)) -> Path:
    """A copy to run in, without what running leaves behind."""
    for name in names:
        for path in source.glob(name):
            if path.is_file():
                folder.mkdir(exist_ok=True)
                shutil.copy(path, folder)
    return folder


def with_packages(folder: Path) -> Path:
    """The folder, with what its package-lock.json pins."""
    lock = (folder / "package-lock.json").read_bytes()
    kept = _NODE_PACKAGES / hashlib.sha256(lock).hexdigest()[:16]
    if not kept.is_dir():
        npm = shutil.which("npm", path=_PATH)
        assert npm, "npm is missing: `make test` installs it with Node.js"
        run(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
        _NODE_PACKAGES.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / "node_modules", kept)
    (folder / "node_modules").symlink_to(kept)
    return folder


def addresses(server: Server) -> dict[str, str]:
    """Variables that tell a suite where the server is."""
    smtp = f"{server.smtp.host}:{server.smtp.port}"
    return {
        "SIGNPOST_URL": server.url,
        "SIGNPOST_SMTP": smtp,
        "MAILPIT_URL": server.url,
        "MAILPIT_SMTP": smtp,
    }
