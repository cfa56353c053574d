"""The servers of a run: a name server, rspamd, and smtpd with its queue on tmpfs.

Each is a context manager and its processes end with it. It must not know what is measured.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.listeners import (
    AS_SHIPPED,
    REGISTRATIONS,
    RSPAMD,
    SIGN_IN_C,
    Listener,
    port,
    smtpd_conf,
)
from bench.messages import FOREIGN, MANY, SENDERS, STUCK
from bench.server import RUN, Server

SPOOL = Path("/var/spool/smtpd")
# As in the image (templates/supervisord.conf.j2, templates/start-smtpd).
AS_IN_THE_IMAGE = {
    "EVENT_EPOLL_USE_CHANGELIST": "1",
    "LD_PRELOAD": "/usr/local/libexec/open_files.so",
}
TIMEOUT = 60.0  # seconds that an answer may take


class NameServer(Server):
    """unbound with all it knows in its configuration; below STUCK it never answers."""

    def __init__(
        self, key_record: str, selector: str, domains: Sequence[str] = (FOREIGN, *MANY, *SENDERS)
    ) -> None:
        self._conf = RUN / "unbound.conf"
        self._domains = domains
        self._records: dict[str, str] = {}
        for domain in domains:
            self._records |= {
                f"{domain}.": f"v=spf1 mx include:_spf.{domain} -all",
                f"_spf.{domain}.": "v=spf1 ip4:192.0.2.0/24 ip4:127.0.0.1 ~all",
                # Of another text for each, so that none is known by another's.
                f"{selector}._domainkey.{domain}.": f"{key_record}; n={domain}",
                f"_dmarc.{domain}.": f"v=DMARC1; p=reject; rua=mailto:dmarc@{domain}",
            }
        super().__init__("unbound", ["unbound", "-d", "-p", "-c", str(self._conf)])

    def prepare(self) -> None:
        lines = [
            "server:",
            "interface: 127.0.0.1",
            "interface: 127.0.0.2",
            "interface: 127.0.0.3",
            "do-ip6: no",
            "do-daemonize: no",
            'username: ""',
            'chroot: ""',
            "use-syslog: no",
            "num-threads: 1",
            'module-config: "iterator"',
            'local-zone: "." static',
            f'local-data: ". 3600 IN SOA ns.{FOREIGN}. root.{FOREIGN}. 1 3600 600 86400 3600"',
            f'local-zone: "{STUCK}." deny',
        ]
        for domain in self._domains:
            lines += [
                f'local-data: "{domain}. 3600 IN MX 10 mx.{domain}."',
                f'local-data: "mx.{domain}. 3600 IN A 192.0.2.25"',
            ]
        for name, text in self._records.items():
            strings = " ".join(f'"{text[at : at + 250]}"' for at in range(0, len(text), 250))
            lines.append(f"local-data: '{name} 3600 IN TXT {strings}'")
        self._conf.write_text("\n".join(lines) + "\n")
        # Three, as many as resolv.conf takes: one that does not answer is asked again elsewhere.
        servers = "".join(f"nameserver 127.0.0.{last}\n" for last in (1, 2, 3))
        Path("/etc/resolv.conf").write_text(servers)

    def ready(self) -> bool:
        # A query for the root's SOA.
        question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x06\x00\x01"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(0.2)
            try:
                client.connect(("127.0.0.1", 53))
                client.send(question)
                return client.recv(512).startswith(b"\x12\x34")
            except OSError:
                return False


class Rspamd(Server):
    """rspamd, SPF and DKIM only."""

    def __init__(self) -> None:
        command = ["rspamd", "-f", "-u", "_rspamd", "-g", "_rspamd", "-c", "/srv/bench/rspamd.conf"]
        super().__init__("rspamd", command)

    def ready(self) -> bool:
        host, _, number = RSPAMD.partition(":")
        try:
            with socket.create_connection((host, int(number)), 1) as client:
                client.sendall(b"GET /ping HTTP/1.0\r\n\r\n")
                return client.recv(100).startswith(b"HTTP/1.")
        except OSError:
            return False


class Smtpd(Server):
    """smtpd with a fresh queue and these listeners.

    Deliveries are paused from the start: a message has arrived when it is in the queue, and
    what a delivery would cost has nothing to do with filters. It runs as in the image, with
    libevent's list of changes and open_files.so, or `plain`, as Debian starts it.
    """

    def __init__(self, listeners: Sequence[Listener], *, plain: bool = False) -> None:
        self._conf = RUN / "smtpd.conf"
        self.environment = {} if plain else AS_IN_THE_IMAGE
        self._listeners = listeners
        super().__init__("smtpd", ["smtpd", "-dF", "-P", "mda", "-f", str(self._conf)])

    def prepare(self) -> None:
        self._conf.write_text(smtpd_conf(self._listeners))
        self._conf.chmod(0o600)
        if SIGN_IN_C in self._listeners:
            REGISTRATIONS.write_bytes(_registrations(AS_SHIPPED))
        for entry in SPOOL.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def ready(self) -> bool:
        return all(_greets(port(listener)) for listener in self._listeners)

    def messages(self) -> list[Path]:
        """The files of the accepted messages."""
        return list(SPOOL.glob("queue/*/*/message"))


_HANDSHAKE = b"""config|smtpd-version|7.6.0-portable
config|protocol|0.7
config|smtp-session-timeout|300
config|subsystem|smtp-in
config|subsystem|smtp-out
config|admd|mail.example.org
config|ready
"""


def _as_user(
    listener: Listener, command: Sequence[str], link: socket.socket
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, stdin=link, stdout=link, user=listener.user, group=listener.group, extra_groups=[]
    )


def _registrations(listener: Listener) -> bytes:
    """What a filter answers to smtpd's handshake."""
    command = str(listener.command).split()
    said = b""
    ours, its = socket.socketpair()
    with ours, its, _as_user(listener, command, its) as process:
        its.close()
        ours.settimeout(TIMEOUT)
        ours.sendall(_HANDSHAKE)
        while not said.endswith(b"register|ready\n"):
            more = ours.recv(65_536)
            if not more:
                raise RuntimeError(f"{listener.title} does not start:\n{said!r}")
            said += more
        ours.close()  # its end
        process.wait(TIMEOUT)
    return said


def _greets(number: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", number), TIMEOUT) as client:
            return client.recv(1_000).startswith(b"220")
    except OSError:
        return False
