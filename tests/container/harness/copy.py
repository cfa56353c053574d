"""A copy of the repository, as somebody clones it, and a shell in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from .shell import attempt, fresh, run
from .signpost import ROOT

SUBNET = "fd5e:6d61:696c::/64"
# The engine finds a free port for each; and nobody's registry is asked for the image.
OVERRIDE = """services:
  signpost:
    pull_policy: never
    ports: !override ["25", "143", "465", "587", "993", "4190"]
"""


def copy_checkout(folder: Path) -> None:
    """What is in the repository, be it committed or not."""
    tracked = run("git", "-C", str(ROOT), "ls-files", "-z").decode().split("\0")
    for file in filter(None, tracked):
        if (ROOT / file).is_file():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, folder / file)


class Copy:
    """Its own folder and Compose project; `make down` in it never ends the tests' engine.

    Copies with the same `subnet` in compose.yaml are to each other what two clones are, and nothing
    to a Signpost that runs on this machine.
    """

    def __init__(self, parent: Path, subnet: str, name: str | None = None) -> None:
        self.name = name or fresh("signpost-test-copy")
        self.folder = parent / self.name
        self.network = f"{self.name}_mail"
        self.container = f"{self.name}-signpost-1"
        self.state = parent / "engine"
        mine = {"COMPOSE_PROJECT_NAME", "COMPOSE_FILE", "IPV6_SUBNET", "MAKEFLAGS", "MAKELEVEL"}
        self.environ = {key: value for key, value in os.environ.items() if key not in mine}
        self.environ["SIGNPOST_ENGINE_STATE"] = str(self.state)
        copy_checkout(self.folder)
        compose = (self.folder / "compose.yaml").read_text()
        assert compose.count(SUBNET) == 1
        (self.folder / "compose.yaml").write_text(compose.replace(SUBNET, subnet))
        (self.folder / "compose.override.yaml").write_text(OVERRIDE)

    def attempt(
        self, command: str, stdin: bytes = b"", more: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        """A command line: its exit status, and all that it prints."""
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env={**self.environ, **(more or {})},
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=600,
            check=False,
        )
        return done.returncode, done.stdout.decode(errors="replace")

    def type(self, command: str, stdin: bytes = b"", status: int = 0) -> str:
        """What a command line prints that ends with this status."""
        found, printed = self.attempt(command, stdin)
        assert found == status, f"{command}: exit {found}\n{printed}"
        return printed

    def subnet(self) -> str:
        """The IPv6 subnet of its network."""
        form = "{{range .IPAM.Config}}{{.Subnet}} {{end}}"
        subnets = run("docker", "network", "inspect", "--format", form, self.network).decode()
        return next(subnet for subnet in subnets.split() if ":" in subnet)

    def inspect(self, template: str) -> str:
        """Something of its container."""
        return run("docker", "inspect", "--format", template, self.container).decode().strip()

    def remove(self) -> None:
        """Its containers, network, volumes and image."""
        attempt("docker", "rm", "--force", self.container)
        self.attempt("docker compose down --volumes --rmi all --timeout 1")
