"""Running commands and waiting for conditions. Knows nothing of mail or containers."""

from __future__ import annotations

import secrets
import subprocess
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")


class CommandError(AssertionError):
    """A command exited non-zero; the text has all that it printed."""


def attempt(
    *command: str,
    stdin: bytes = b"",
    environ: Mapping[str, str] | None = None,
    timeout: float = 600,
) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end, whatever its exit status."""
    return subprocess.run(
        command, input=stdin, env=environ, timeout=timeout, capture_output=True, check=False
    )


def run(
    *command: str,
    stdin: bytes = b"",
    environ: Mapping[str, str] | None = None,
    timeout: float = 600,
) -> bytes:
    """Run a command that must succeed; its standard output."""
    done = attempt(*command, stdin=stdin, environ=environ, timeout=timeout)
    if done.returncode:
        printed = (done.stdout + done.stderr).decode(errors="replace")
        raise CommandError(f"{' '.join(command)}: exit {done.returncode}\n{printed}")
    return done.stdout


def wait_until(condition: Callable[[], T], what: str, timeout: float = 20) -> T:
    """The first true value that `condition` returns, asked again for `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s in vain for {what}; last seen: {value!r}")
        time.sleep(0.1)


def fresh(name: str) -> str:
    """A word that no other test uses, beginning with `name`."""
    return f"{name}-{secrets.token_hex(4)}"
