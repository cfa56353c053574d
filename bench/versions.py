"""What was measured, and on what: packages, libraries, kernel, processor."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

PACKAGES = (
    "opensmtpd",
    "opensmtpd-filter-dkimsign",
    "opensmtpd-filter-rspamd",
    "dovecot-core",
    "rspamd",
    "opendkim",
    "opendmarc",
    "python3-spf-engine",
    "rsyslog",
    "unbound",
)
LIBRARIES = ("signpost", "cryptography", "dkimpy", "dnspython", "pyspf")


def versions() -> list[tuple[str, str]]:
    """Name and version of everything that took part."""
    command = ["dpkg-query", "--show", "--showformat", "${Package} ${Version}\n", *PACKAGES]
    installed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = [(line.split()[0], line.split()[1]) for line in installed.splitlines()]
    postfix = Path("/usr/local/share/postfix-version").read_text().strip()
    found.append(("postfix", postfix))
    found.append(("Python", platform.python_version()))
    found += [(name, version(name)) for name in LIBRARIES]
    found.append(("OpenSSL in cryptography", _openssl()))
    found.append(("Linux", platform.release()))
    return found


def _openssl() -> str:
    from cryptography.hazmat.backends.openssl.backend import backend

    return backend.openssl_version_text()


def processor() -> str:
    """The processor's name and how many of them there are."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.machine()
