"""The README's compose.override.yaml in a clone: it is read, and nothing of one's own stops git."""

from __future__ import annotations

import json
import os
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ..entrypoint.certificates import Authority
from .harness.copy import copy_checkout
from .harness.shell import fresh
from .harness.signpost import IMAGE, ROOT

(OVERRIDE,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
# The image under test, and no network of the host's.
OF_TESTS = f"""services:
  signpost:
    image: {IMAGE}
    networks: !reset []
    network_mode: none
"""


class Clone:
    """A clone of a repository with one commit: what is in ours, be it committed or not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "signpost"
        published = folder / "published"
        copy_checkout(published)
        author = ("-c", "user.name=author", "-c", "user.email=author@example.org")
        _run("git", "init", "--quiet", cwd=published)
        _run("git", "add", "--all", "--force", cwd=published)
        _run("git", *author, "commit", "--quiet", "--message", "a version", cwd=published)
        _run("git", "clone", "--quiet", str(published), str(self.folder), cwd=folder)
        (folder / "tests.yaml").write_text(OF_TESTS)
        files = ("compose.yaml", "compose.override.yaml", "../tests.yaml")
        self._environ = {
            **os.environ,
            "COMPOSE_FILE": ":".join(files),
            "COMPOSE_PROJECT_NAME": fresh("own-settings"),
        }

    def type(self, command: str) -> str:
        return _run(*command.split(), cwd=self.folder, environ=self._environ)


def _run(*command: str, cwd: Path, environ: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=environ, capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, (command, done.stderr.decode(errors="replace"))
    return done.stdout.decode()


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    clone = Clone(tmp_path)
    (clone.folder / "compose.override.yaml").write_text(OVERRIDE)
    for name in ("secrets", "tls"):
        (clone.folder / name).mkdir()
    accounts = "alice@example.org:a long passphrase\nbob@example.net:another one\n"
    (clone.folder / "secrets/accounts").write_text(accounts)
    pair = Authority.make(clone.folder / "tls").pair(
        "mail.example.org", datetime.now(UTC) + timedelta(days=90)
    )
    for name, content in zip(("fullchain.pem", "privkey.pem"), pair, strict=True):
        (clone.folder / "tls" / name).write_bytes(content)
    return clone


def test_the_override_of_the_readme(clone: Clone, image: None) -> None:
    try:
        said = clone.type("docker compose run --rm signpost check")
    finally:
        clone.type("docker compose down --volumes")
    assert said == "the configuration is good: mail.example.org, 2 domains, 2 accounts\n"
    found = json.loads(clone.type("docker compose config --format json"))["services"]["signpost"]
    assert [each["published"] for each in found["ports"]] == ["25", "465", "993"]
    assert {each["target"] for each in found["volumes"]} == {
        *("/data", "/var/spool/smtpd", "/run", "/tmp"),  # of compose.yaml
        *("/secrets", "/tls"),
    }


def test_nothing_of_ones_own_stops_git(clone: Clone) -> None:
    (clone.folder / ".env").write_text("DOMAINS=example.org\n")
    assert clone.type("git status --porcelain") == ""
    assert clone.type("git pull") == "Already up to date.\n"
