"""Where everything lies, each place once: /data, the spool, and what every start makes anew.

Names that a template writes stand there, too; tests/entrypoint/test_render.py compares them.
"""

from __future__ import annotations

from pathlib import Path

# What outlasts a container.
DATA = Path("/data")
DATA_ACCOUNTS = DATA / "accounts"
DATA_DKIM = DATA / "dkim"
MAIL = DATA / "mail"  # DOMAIN/NAME: a home for each account
SIEVE_SCRIPT = ".dovecot.sieve"  # in a home: Dovecot's link to the active one
SPOOL = Path("/var/spool/smtpd")

# Made anew by every start.
RUN = Path("/run/signpost")
DOVECOT_RUN = Path("/run/dovecot")
SERVER_LOCK = Path("/run/signpost.lock")  # held for as long as the server runs

RUN_DKIM = RUN / "dkim"
# Names in RUN.
DKIM_KEYS = "dkim-keys"
PORTS = "ports"
LOGINS = "logins.json"
WEB = RUN / "web"  # there only if the web service is to run
WEBROOT = RUN / "acme"  # whose .well-known/acme-challenge it serves then
MAILBOXES = RUN / "mailboxes"  # each account's address; deliver.c has it, too
DENIED = RUN / "denied"  # a file for each account whose mail Dovecot may not read
LEFT_MAIL = RUN / "left-mail.json"  # what is not vmail's, and cannot be made so
LOGINS_SOCKET = RUN / "logins/socket"
GUARD_SOCKET = RUN / "guard/socket"
MAINTENANCE_SOCKET = RUN / "maintenance.socket"
LISTENING_SOCKETS = RUN / "listening.socket"  # listening_sockets.c has it, too
METRICS = RUN / "metrics"  # there only with METRICS_PORT
JUNK = RUN / "junk"  # there only with JUNK_FILTER; verdict.c has the next two of it
VERDICT_SOCKET = JUNK / "verdict"
SILENT_SINCE = JUNK / "silent"  # by its time; there only if the last question had none in time
WRITTEN_TO_SOCKET = JUNK / "written-to"
TARGET = RUN / "target.json"  # there only in a test target: how its process is to run

# What the filters write in folders of their own.
UNSIGNED = SPOOL / "filters/signer/unsigned.json"
CLIENT_COUNTS = SPOOL / "filters/verifier/clients.json"


class NoAccountError(ValueError):
    """An address that no account can have."""


def account_home(account: str, mail: Path = MAIL) -> Path:
    """Where an account's mail is, and all else that goes with it. account: its address.

    Raises NoAccountError for what names no folder.
    """
    local, at, domain = account.rpartition("@")
    for name in (local, domain):
        if not at or name in ("", ".", "..") or "/" in name or "\0" in name:
            raise NoAccountError(f"no account's address: {account!r}")
    return mail / domain / local
