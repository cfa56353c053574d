"""Asks smtpd itself whether a rendered configuration is one: `smtpd -n`."""

from __future__ import annotations

import subprocess
from pathlib import Path

from entrypoint.problems import ConfigurationError


def check_syntax(path: Path) -> None:
    """Raises ConfigurationError with smtpd's own words."""
    done = subprocess.run(  # noqa: S603 -- a fixed program on a file of ours
        ["/usr/sbin/smtpd", "-n", "-f", str(path)], capture_output=True, check=False
    )
    if done.returncode:
        said = (done.stderr + done.stdout).decode("utf-8", "backslashreplace").strip()
        raise ConfigurationError([f"smtpd refuses {path}: {line}" for line in said.splitlines()])
