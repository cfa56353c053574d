"""What verifies for Postfix, from Debian's packages; and the syslog that these write to."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

from bench.end_to_end.scene import ADDRESS, HOSTNAME
from bench.listeners import RUN
from bench.servers import Server

DKIM, DMARC, RSPAMD = 8891, 8893, 11332
LOG = Path("/dev/log")


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


class Syslog(Server):
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


class _Milter(Server):
    port: int

    def ready(self) -> bool:
        return answers(self.port)


class OpenDkim(_Milter):
    """It verifies what comes from outside, and would sign what does not."""

    port = DKIM

    def __init__(self) -> None:
        self._conf = RUN / "opendkim.conf"
        super().__init__("opendkim", ["opendkim", "-f", "-x", str(self._conf)])

    def prepare(self) -> None:
        (RUN / "signing.table").write_text("")
        (RUN / "key.table").write_text("")
        (RUN / "trusted.hosts").write_text("127.0.0.1\nlocalhost\n")
        self._conf.write_text(
            "Syslog yes\nSyslogSuccess yes\nLogWhy yes\nUMask 002\n"
            "Canonicalization relaxed/simple\nMode sv\nSignatureAlgorithm rsa-sha256\n"
            f"ExternalIgnoreList refile:{RUN}/trusted.hosts\n"
            f"InternalHosts refile:{RUN}/trusted.hosts\n"
            f"KeyTable refile:{RUN}/key.table\nSigningTable refile:{RUN}/signing.table\n"
            f"AuthservID {HOSTNAME}\n"
            f"Nameservers {ADDRESS}\n"
            f"UserID opendkim:opendkim\nSocket inet:{DKIM}@127.0.0.1\n"
        )


class OpenDmarc(_Milter):
    """It reads what OpenDKIM and policyd-spf have found."""

    port = DMARC

    def __init__(self) -> None:
        self._conf = RUN / "opendmarc.conf"
        super().__init__("opendmarc", ["opendmarc", "-f", "-c", str(self._conf)])

    def prepare(self) -> None:
        self._conf.write_text(
            "Syslog true\nUMask 0002\nUserID opendmarc:opendmarc\n"
            f"Socket inet:{DMARC}@127.0.0.1\n"
            "PublicSuffixList /usr/share/publicsuffix/public_suffix_list.dat\n"
            f"AuthservID {HOSTNAME}\nTrustedAuthservIDs {HOSTNAME}\n"
            "RejectFailures true\nIgnoreAuthenticatedClients true\n"
            f"IgnoreHosts {RUN}/trusted.hosts\n"
        )


class RspamdMilter(_Milter):
    """rspamd as its package sets it up, with all its modules that need no Redis, as a milter."""

    port = RSPAMD

    def __init__(self) -> None:
        super().__init__("rspamd", ["rspamd", "-f", "-u", "_rspamd", "-g", "_rspamd"])

    def prepare(self) -> None:
        local = {
            "options.inc": 'dns { nameserver = ["127.0.0.1:53:1"]; }\n'
            'local_addrs = ["127.0.0.0/8"];\n',
            "logging.inc": f'type = "file"; filename = "{RUN}/rspamd-mail.log"; level = "info";\n',
            # Its processes are not told apart by who speaks to them: the proxy scans by itself.
            "worker-proxy.inc": 'bind_socket = "127.0.0.1:11332"; milter = yes; timeout = 120s;\n'
            'upstream "local" { default = yes; self_scan = yes; }\n',
            "milter_headers.conf": 'use = ["authentication-results"];\n'
            f'routines {{ authentication-results {{ hostname = "{HOSTNAME}"; }} }}\n',
            # Nothing else has a name server here that could answer.
            "fuzzy_check.conf": "enabled = false;\n",
        }
        for name, text in local.items():
            Path("/etc/rspamd/local.d", name).write_text(text)
        log, run = RUN / "rspamd-mail.log", Path("/run/rspamd")
        log.touch()
        run.mkdir(exist_ok=True)
        for path in (log, run):
            shutil.chown(path, "_rspamd", "_rspamd")
