"""What verifies for Postfix, from Debian's packages; and the syslog that these write to."""

from __future__ import annotations

import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from bench.end_to_end.disposable import Disposable
from bench.end_to_end.scene import ADDRESS, HOSTNAME, OUR_SELECTOR, copy_of_our_key
from bench.messages import OURS
from bench.server import RUN

LOG = Path("/dev/log")


@dataclass(frozen=True)
class Place:
    """Where a milter listens: a socket with a name, as Debian's packages of OpenDKIM and OpenDMARC
    have it, or a TCP port, as docker-mailserver and Mailu do.

    Over TCP every message waits 40 ms for each part of the answer that a milter sends alone: for
    the kernel's delayed ACK.
    """

    path: Path
    port: int
    tcp: bool

    @property
    def for_postfix(self) -> str:
        """As Postfix writes it."""
        return f"inet:127.0.0.1:{self.port}" if self.tcp else f"unix:{self.path}"

    @property
    def for_milter(self) -> str:
        """As libmilter writes it."""
        return f"inet:{self.port}@127.0.0.1" if self.tcp else f"local:{self.path}"

    def listens(self) -> bool:
        """Whether somebody does."""
        return answers(self.port) if self.tcp else self.path.is_socket()


def dkim(tcp: bool) -> Place:
    """OpenDKIM's."""
    return Place(Path("/run/opendkim/opendkim.sock"), 8891, tcp)


def dmarc(tcp: bool) -> Place:
    """OpenDMARC's."""
    return Place(Path("/run/opendmarc/opendmarc.sock"), 8893, tcp)


def rspamd(tcp: bool) -> Place:
    """rspamd's."""
    return Place(Path("/run/rspamd/milter.sock"), 11332, tcp)


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


class Syslog(Disposable):
    """rsyslogd, into one file."""

    def __init__(self) -> None:
        self._conf = RUN / "rsyslog.conf"
        command = ["rsyslogd", "-n", "-f", str(self._conf), "-i", str(RUN / "rsyslog.pid")]
        super().__init__("rsyslog", command)

    def prepare(self) -> None:
        (RUN / "rsyslog.pid").unlink(missing_ok=True)
        LOG.unlink(missing_ok=True)
        self._conf.write_text(
            f'module(load="imuxsock")\n*.* action(type="omfile" file="{RUN}/mail.log")\n'
        )

    def ready(self) -> bool:
        return LOG.exists()


class _Milter(Disposable):
    place: Place
    user: str

    def prepare(self) -> None:
        folder = self.place.path.parent
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        shutil.chown(folder, self.user, "postfix")
        folder.chmod(0o2770)

    def ready(self) -> bool:
        return self.place.listens()


class OpenDkim(_Milter):
    """It verifies what comes from outside, and signs what a login sends."""

    user = "opendkim"

    def __init__(self, place: Place) -> None:
        self.place = place
        self._conf = RUN / "opendkim.conf"
        super().__init__("opendkim", ["opendkim", "-f", "-x", str(self._conf)])

    def prepare(self) -> None:
        super().prepare()
        key = copy_of_our_key(self.user)
        (RUN / "signing.table").write_text(f"*@{OURS} ours\n")
        (RUN / "key.table").write_text(f"ours {OURS}:{OUR_SELECTOR}:{key}\n")
        (RUN / "trusted.hosts").write_text("127.0.0.1\nlocalhost\n")
        self._conf.write_text(
            "Syslog yes\nSyslogSuccess yes\nLogWhy yes\nUMask 002\n"
            "Canonicalization relaxed/simple\nMode sv\nSignatureAlgorithm rsa-sha256\n"
            f"ExternalIgnoreList refile:{RUN}/trusted.hosts\n"
            f"InternalHosts refile:{RUN}/trusted.hosts\n"
            f"KeyTable refile:{RUN}/key.table\nSigningTable refile:{RUN}/signing.table\n"
            f"AuthservID {HOSTNAME}\n"
            f"Nameservers {ADDRESS}\n"
            f"UserID opendkim:postfix\nSocket {self.place.for_milter}\n"
        )


class OpenDmarc(_Milter):
    """It reads what OpenDKIM and policyd-spf have found."""

    user = "opendmarc"

    def __init__(self, place: Place) -> None:
        self.place = place
        self._conf = RUN / "opendmarc.conf"
        super().__init__("opendmarc", ["opendmarc", "-f", "-c", str(self._conf)])

    def prepare(self) -> None:
        super().prepare()
        self._conf.write_text(
            "Syslog true\nUMask 0002\nUserID opendmarc:postfix\n"
            f"Socket {self.place.for_milter}\n"
            "PublicSuffixList /usr/share/publicsuffix/public_suffix_list.dat\n"
            f"AuthservID {HOSTNAME}\nTrustedAuthservIDs {HOSTNAME}\n"
            "RejectFailures true\nIgnoreAuthenticatedClients true\n"
            f"IgnoreHosts {RUN}/trusted.hosts\n"
        )


class RspamdMilter(_Milter):
    """rspamd as its package sets it up, with all its modules that need no Redis, as a milter."""

    user = "_rspamd"

    def __init__(self, place: Place) -> None:
        self.place = place
        super().__init__("rspamd", ["rspamd", "-f", "-u", "_rspamd", "-g", "_rspamd"])

    def prepare(self) -> None:
        super().prepare()
        place = self.place
        listen = f"127.0.0.1:{place.port}" if place.tcp else f"{place.path} mode=0666"
        local = {
            "options.inc": 'dns { nameserver = ["127.0.0.1:53:1"]; }\n'
            'local_addrs = ["127.0.0.0/8"];\n',
            "logging.inc": f'type = "file"; filename = "{RUN}/rspamd-mail.log"; level = "info";\n',
            # Its processes are not told apart by who speaks to them: the proxy scans by itself.
            "worker-proxy.inc": f'bind_socket = "{listen}"; milter = yes; timeout = 120s;\n'
            'upstream "local" { default = yes; self_scan = yes; }\n',
            "milter_headers.conf": 'use = ["authentication-results"];\n'
            f'routines {{ authentication-results {{ hostname = "{HOSTNAME}"; }} }}\n',
            # As Mailu, whose key is its domain's, too.
            "dkim_signing.conf": f'selector = "{OUR_SELECTOR}"; use_esld = false;\n'
            f'path = "{copy_of_our_key(self.user)}"; try_fallback = true;\n'
            "allow_username_mismatch = true;\n",
            # Nothing else has a name server here that could answer.
            "fuzzy_check.conf": "enabled = false;\n",
        }
        for name, text in local.items():
            Path("/etc/rspamd/local.d", name).write_text(text)
        log = RUN / "rspamd-mail.log"
        log.touch()
        shutil.chown(log, "_rspamd", "_rspamd")
