"""A Signpost with what the project's own compose.yaml gives one, less what a test leaves out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import yaml

from .container import Container
from .shell import attempt, fresh, run, wait_until
from .signpost import IMAGE, READY, ROOT

SERVICE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"][
    "signpost"
]
CAPABILITIES: tuple[str, ...] = tuple(SERVICE["cap_add"])


class Deprived(Container):
    """Without a network; what it says to itself is enough."""

    def __init__(
        self, environment: Mapping[str, str], without: Collection[str], options: Sequence[str] = ()
    ) -> None:
        """without: capabilities."""
        self.container = fresh("signpost-test-deprived")
        self._options = [
            *("--network", "none", "--read-only", "--cap-drop", "ALL", *options),
            *("--memory", "5g", "--pids-limit", "4096"),
        ]
        self._options += [f"--cap-add={name}" for name in CAPABILITIES if name not in without]
        self._options += [f"--security-opt={each}" for each in SERVICE["security_opt"]]
        for mount in SERVICE["volumes"]:
            if isinstance(mount, dict):
                self._options.append(f"--mount=type={mount['type']},dst={mount['target']}")
            else:
                self._options.append(f"--volume={mount.partition(':')[2]}")
        self._options += [f"--env={name}={value}" for name, value in environment.items()]

    def launch(self) -> None:
        """Create the container; do not wait."""
        run("docker", "run", "--detach", "--name", self.container, *self._options, IMAGE)

    def restart(self) -> None:
        """Stop the container and start the same one again; do not wait."""
        run("docker", "restart", "--time", "10", self.container)

    def is_ready(self, starts: int = 1, timeout: float = 30) -> bool:
        """Whether it is in time; False at once where it has ended."""

        def look() -> bool | None:
            running = self.running()
            said = self.logs().count(READY)
            return True if said >= starts else None if running else False

        try:
            return wait_until(lambda: look() is not None, "ready", timeout) and bool(look())
        except AssertionError:
            return False

    def remove(self) -> None:
        """The container and its volumes, which have no name."""
        attempt("docker", "rm", "--force", "--volumes", self.container)

    def __enter__(self) -> Deprived:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()
