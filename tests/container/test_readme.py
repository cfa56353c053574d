"""Every command of the README, in its order, as a newcomer types it in a fresh copy."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .harness.shell import fresh, wait_until
from .harness.signpost import ROOT
from .harness.world import World

README = (ROOT / "README.md").read_text()
PROSE = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
COMMANDS = re.findall(r"^    (\S.*)$", PROSE, re.MULTILINE)
(ENV,) = re.findall(r"```env\n(.*?)```", README, re.DOTALL)
FOREGROUND = "docker compose up"
STARTS = {FOREGROUND, "make up", "make test"}
ELSEWHERE = {"git pull"}  # test_own_settings.py
# The doctor finds no record of a domain that is nobody's, and says so by its status.
STATUS = {"docker compose exec signpost signpost doctor": 2}
# What a person types when asked.
HASH = "docker compose run --rm signpost hash"
TYPED = {HASH: b"foo #bar pa$word\n"}


class Newcomer:
    """A fresh copy of what is in the repository, and a shell in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Nobody's running Signpost is touched: the project has a name of its own.
        self.environ = {**os.environ, "COMPOSE_PROJECT_NAME": fresh("newcomer")}

    def type(self, command: str) -> str:
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env=self.environ,
            input=TYPED.get(command, b""),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=600,
            check=False,
        )
        printed = done.stdout.decode(errors="replace")
        expected = STATUS.get(command, 0)
        assert done.returncode == expected, f"{command}: exit {done.returncode}\n{printed}"
        return printed


@pytest.fixture(scope="module")
def newcomer(
    world: World, image: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Newcomer]:
    folder = tmp_path_factory.mktemp("newcomer") / "signpost"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    for name in filter(None, tracked.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    newcomer = Newcomer(folder)
    try:
        yield newcomer
    finally:
        newcomer.type("docker compose down --volumes --timeout 5")


def test_docker_compose_up_runs_a_demo_until_it_is_stopped(newcomer: Newcomer) -> None:
    assert FOREGROUND in COMMANDS
    log = newcomer.folder / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            FOREGROUND.split(),
            cwd=newcomer.folder,
            env=newcomer.environ,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until(
                lambda: process.poll() is not None or "signpost ready" in log.read_text(),
                "Signpost to be ready",
                300,
            )
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
    said = log.read_text()
    assert "signpost ready" in said, said
    assert re.search(r"demo account postmaster@signpost\.test password: \w{20}\n", said), said


def test_make_up_then_every_command_with_a_domain_of_ones_own(newcomer: Newcomer) -> None:
    # The doctor of a test connects to nobody outside.
    (newcomer.folder / ".env").write_text(f"{ENV}DOCTOR_PROBE_DOMAIN=no\n")
    try:
        assert "signpost ready" in newcomer.type("make up")
        rest = [command for command in COMMANDS if command not in STARTS | ELSEWHERE]
        assert len(rest) >= 7
        printed = {command: newcomer.type(command) for command in rest}
    finally:
        newcomer.type("docker compose down --timeout 10")
    together = "\n".join(printed.values())
    assert "the configuration is good: mail.example.org, 1 domain, 2 accounts" in together
    assert re.search(r"^\$6\$\S+$", printed[HASH], re.MULTILINE), printed[HASH]
    assert "mail._domainkey.example.org. IN TXT" in together
    assert "the queue is empty" in together
    assert STATUS.keys() <= printed.keys()
    assert "-> publish" in together
    assert "a long passphrase" not in together


def test_make_test_is_what_ci_runs() -> None:
    assert "make test" in COMMANDS
    assert "make test" in (ROOT / ".ci/run").read_text()
