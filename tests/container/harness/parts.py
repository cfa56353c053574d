"""The processes that a Signpost is made of, and signals to them from outside its container."""

from __future__ import annotations

import subprocess

from .container import Container
from .shell import attempt
from .signpost import PEERS

# How each part's processes are found, by their command lines.
PATTERNS = {
    "smtpd's parent": "^/usr/sbin/smtpd -dF",
    **{
        f"smtpd's {name}": f"^smtpd: {name}"
        for name in ("dispatcher", "lookup", "queue", "scheduler", "control", "crypto")
    },
    "the inbound filter": "-m filters.inbound",
    "the submission filter": "-m filters.submission",
    "the log of smtpd": "-m entrypoint.supervise.logpipe .* smtpd ",
    "Dovecot's master": "^/usr/sbin/dovecot ",
    # A process that has no argument has a command line without a blank behind it.
    "Dovecot's auth": "^dovecot/auth$",
    "Dovecot's auth-worker": "^dovecot/auth -w",
    **{
        f"Dovecot's {name}": f"^dovecot/{name}"
        for name in (
            *("anvil", "stats", "config", "log", "imap-login", "managesieve-login"),
            *("pop3-login", "lmtp", "quota-status"),
        )
    },
    "the log of dovecot": "-m entrypoint.supervise.logpipe .* dovecot ",
    "logins": "^python -m (entrypoint.supervise.until_eof )?filters.logins",
    "web": "^python -m (entrypoint.supervise.until_eof )?entrypoint.web",
    "maintenance": "^python -m entrypoint.maintenance",
}
# Mail goes on without it, and only some settings have it.
JUNK_FILTER = {
    "the junk filter": "^python -m (entrypoint.supervise.until_eof )?entrypoint.junk",
    "a bogofilter": "^bogofilter ",
}


def signal(server: Container, part: str, name: str) -> subprocess.CompletedProcess[bytes]:
    """Send a signal, such as KILL, to all processes of a part: they are other users' inside."""
    return attempt(
        *("docker", "run", "--rm", "--network", "none", "--pid", f"container:{server.container}"),
        *("--cap-add", "KILL", "--entrypoint", "pkill", PEERS),
        *(f"-{name}", "-f", "--", (PATTERNS | JUNK_FILTER)[part]),
    )
