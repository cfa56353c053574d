"""A container that runs: what it says, and what a command in it prints."""

from __future__ import annotations

import re
import subprocess

from .shell import attempt, run, wait_until


class Container:
    """container: its name."""

    container: str

    def logs(self) -> str:
        """Everything on the container's stdout and stderr so far."""
        done = attempt("docker", "logs", self.container)
        return (done.stdout + done.stderr).decode(errors="replace")

    def wait_for_log(self, pattern: str, timeout: float = 20) -> re.Match[str]:
        """The first match of a pattern in the log (^ and $ are a line's ends).

        Fails at once, with the log, when the container has ended without it.
        """

        def look() -> re.Match[str] | None:
            running = self.running()  # asked first: it may end after its last line
            found = re.search(pattern, self.logs(), re.MULTILINE)
            assert found or running, f"it ended without {pattern!r}:\n{self.logs()}"
            return found

        try:
            found = wait_until(look, f"a log line like {pattern!r}", timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}\nthe log:\n{self.logs()}") from None
        assert found is not None
        return found

    def running(self) -> bool:
        """Whether the container runs."""
        return self.inspect("{{.State.Running}}") == "true"

    def attempt(
        self, *command: str, stdin: bytes = b"", user: str = "root"
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command in the container, whatever its exit status."""
        return attempt(
            "docker", "exec", "-i", "--user", user, self.container, *command, stdin=stdin
        )

    def exec(self, *command: str, stdin: bytes = b"", user: str = "root") -> str:
        """What a command in the container prints; it must succeed."""
        return run(
            "docker", "exec", "-i", "--user", user, self.container, *command, stdin=stdin
        ).decode()

    def inspect(self, template: str) -> str:
        """What the engine says of it."""
        return run("docker", "inspect", "--format", template, self.container).decode().strip()
