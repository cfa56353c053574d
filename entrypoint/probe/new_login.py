"""Makes the login of the health check, at each start; see `entrypoint.probe.login`."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import asdict
from pathlib import Path

from entrypoint.files import own_folder, write_file
from entrypoint.paths import RUN
from entrypoint.probe.login import LOGIN, ProbeLogin

_DIGEST = "probe-login-digest.json"
_USERS = "dovecot/probe-users"
_HOME = "probe-home"


def make_probe_login(*, imap: bool, run: Path = RUN) -> None:
    """A new one in the place of the last start's. Raises OSError."""
    login = ProbeLogin(
        f"health-{secrets.token_hex(16)}", secrets.token_hex(32), secrets.token_hex(32)
    )
    digest = hashlib.sha256(login.password.encode("ascii")).hexdigest()
    checked = {"login": login.name, "sha256": digest}
    write_file(run / _DIGEST, json.dumps(checked).encode("ascii"), "root", "logins", 0o640)
    if imap:
        home = run / _HOME
        own_folder(home, "vmail", "vmail", 0o700)
        user = f"{login.name}:::::{home}::\n".encode("ascii")
        write_file(run / _USERS, user, "root", "dovecot", 0o640)
    write_file(run / LOGIN.name, json.dumps(asdict(login)).encode("ascii"), "root", "root", 0o600)
