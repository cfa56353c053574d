"""Every command of the README, in its order, as a newcomer types it in a fresh copy.

Another copy runs on the machine meanwhile, as somebody has started it with `make up`.
"""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from .harness.copy import Copy
from .harness.shell import wait_until
from .harness.signpost import ROOT

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


@pytest.fixture(scope="module")
def subnet() -> str:
    """What stands in both copies' compose.yaml; nobody else's network has it."""
    return f"fd5a:9e38:{secrets.token_hex(2)}:{secrets.token_hex(2)}::/64"


@pytest.fixture(scope="module")
def another(image: None, subnet: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    """A copy that runs."""
    copy = Copy(tmp_path_factory.mktemp("another"), subnet)
    try:
        assert "signpost ready" in copy.type("make up")
        yield copy
    finally:
        copy.remove()


@pytest.fixture(scope="module")
def newcomer(
    another: Copy, subnet: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Copy]:
    copy = Copy(tmp_path_factory.mktemp("newcomer"), subnet)
    try:
        yield copy
    finally:
        copy.remove()


def test_docker_compose_up_runs_a_demo_until_it_is_stopped(newcomer: Copy) -> None:
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


def test_make_up_then_every_command_with_a_domain_of_ones_own(
    newcomer: Copy, another: Copy, subnet: str
) -> None:
    since = another.inspect("{{.State.StartedAt}} {{.Image}}")
    # The doctor of a test connects to nobody outside.
    (newcomer.folder / ".env").write_text(f"{ENV}DOCTOR_PROBE_DOMAIN=no\n")
    assert "signpost ready" in newcomer.type("make up")
    # It is the one that `docker compose up` has made.
    assert newcomer.subnet() == subnet
    rest = [command for command in COMMANDS if command not in STARTS | ELSEWHERE]
    assert len(rest) >= 7
    printed = {
        command: newcomer.type(command, TYPED.get(command, b""), STATUS.get(command, 0))
        for command in rest
    }
    together = "\n".join(printed.values())
    assert "the configuration is good: mail.example.org, 1 domain, 2 accounts" in together
    assert re.search(r"^\$6\$\S+$", printed[HASH], re.MULTILINE), printed[HASH]
    assert "mail._domainkey.example.org. IN TXT" in together
    assert "the queue is empty" in together
    assert STATUS.keys() <= printed.keys()
    assert "-> publish" in together
    assert "a long passphrase" not in together
    assert another.inspect("{{.State.StartedAt}} {{.Image}}") == since


def test_make_up_gives_each_copy_a_subnet_of_its_own(another: Copy, subnet: str) -> None:
    assert another.subnet() != subnet
    assert another.inspect("{{.Config.Image}}") == f"signpost:{another.name}"
    own = ipaddress.ip_network(another.subnet())
    assert own.subnet_of(ipaddress.ip_network("fd00::/8"))
    address = another.inspect("{{range .NetworkSettings.Networks}}{{.GlobalIPv6Address}}{{end}}")
    assert ipaddress.ip_address(address) in own
    # Compose takes the network for its own, and nothing that is typed next changes it.
    since = another.inspect("{{.State.StartedAt}}")
    another.type("docker compose run --rm signpost check")
    printed = another.type("docker compose up --detach")
    assert "WARN" not in printed
    assert another.inspect("{{.State.StartedAt}}") == since


def test_ports_in_use_are_named_with_the_cure(another: Copy, newcomer: Copy) -> None:
    port = another.type("docker compose port signpost 25").strip().rpartition(":")[2]
    override = newcomer.folder / "compose.override.yaml"
    before = override.read_text()
    with socket.create_server(("0.0.0.0", 0)) as program:
        theirs = str(program.getsockname()[1])
        taken = before.replace('"25"', f'"{port}:25"').replace('"143"', f'"{theirs}:143"')
        override.write_text(taken)
        try:
            printed = newcomer.type("make up", status=2)
            override.write_text(printed[printed.index("services:\n") :].partition("\n\n")[0])
            config = yaml.safe_load(newcomer.type("docker compose config"))
        finally:
            override.write_text(before)
    assert f"\n  container {another.container} has {port}\n" in printed
    assert f"\n  another program has {theirs}\n" in printed
    ports = {
        port["target"]: port.get("published") for port in config["services"]["signpost"]["ports"]
    }
    assert list(ports) == [25, 143, 465, 587, 993, 4190]
    assert ports[25] not in {None, port}
    assert ports[143] not in {None, theirs, ports[25]}
    assert ports[465] is None


def test_a_subnet_of_another_network_is_named_with_the_cure(
    another: Copy, subnet: str, tmp_path: Path
) -> None:
    copy = Copy(tmp_path, subnet)
    (copy.folder / ".env").write_text(f"IPV6_SUBNET={another.subnet()}\n")
    try:
        printed = copy.type("make up", status=2)
    finally:
        copy.remove()
    assert f"the network {another.network} has the subnet {another.subnet()} already." in printed
    assert re.search(
        r"into the file \.env beside .* such as IPV6_SUBNET=fd[0-9a-f:]*::/64\n", printed
    )


def test_a_folder_of_the_same_name_does_not_take_over_the_server(
    another: Copy, subnet: str, tmp_path: Path
) -> None:
    same = Copy(tmp_path, subnet, another.name)
    since = another.inspect("{{.Id}} {{.State.StartedAt}}")
    for command in ("make up", "make down"):
        printed = same.type(command, status=2)
        assert f"the copy of Signpost in {another.folder} has the name" in printed
        assert f"COMPOSE_PROJECT_NAME={another.name}2 in a file .env" in printed
    assert another.inspect("{{.Id}} {{.State.StartedAt}}") == since


def test_make_down_leaves_the_engine_to_the_containers_of_others(
    newcomer: Copy, another: Copy
) -> None:
    with subprocess.Popen(["sleep", "60"]) as engine:  # stands for the one that `make up` started
        try:
            start = Path(f"/proc/{engine.pid}/stat").read_text().split()[21]
            newcomer.state.mkdir(exist_ok=True)
            (newcomer.state / "engine").write_text(f"{engine.pid} {start}\n")
            printed = newcomer.type("make down")
            assert engine.poll() is None
        finally:
            engine.kill()
    if os.getuid() == 0:
        said = re.search(r"^engine: the Docker engine goes on: (.*)$", printed, re.MULTILINE)
        assert said, printed
        assert another.container in said[1].split()
    assert another.inspect("{{.State.Running}}") == "true"


def test_make_test_is_what_ci_runs() -> None:
    assert "make test" in COMMANDS
    assert "make test" in (ROOT / ".ci/run").read_text()
