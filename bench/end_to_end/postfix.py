"""Postfix with what docker-mailserver or Mailu says, and its own defaults."""

from __future__ import annotations

import re
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from bench.end_to_end import milters
from bench.end_to_end.disposable import Disposable
from bench.end_to_end.peer_dovecot import DOVECOT, QUOTA_STATUS
from bench.end_to_end.scene import ADDRESS, ADDRESSES, HOSTNAME
from bench.messages import OURS
from bench.server import RUN

SPOOL = Path("/var/spool/postfix")
_CONF, _DATA = RUN / "postfix", Path("/var/lib/postfix")
# Who owns each of the queue's folders, and its mode.
_FOLDERS = {
    **dict.fromkeys(
        ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private",
         "saved", "trace"),
        ("postfix", "root", 0o700),
    ),
    "maildrop": ("postfix", "postdrop", 0o730),
    "public": ("postfix", "postdrop", 0o710),
    "pid": ("root", "root", 0o755),
}  # fmt: skip

_BOTH = f"""\
compatibility_level = 3.10
myhostname = {HOSTNAME}
queue_directory = {SPOOL}
data_directory = {_DATA}
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
meta_directory = /usr/share/postfix
shlib_directory = /usr/lib/postfix
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = {ADDRESS}
inet_protocols = ipv4
biff = no
append_dot_mydomain = no
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8 [::1]/128
recipient_delimiter = +
smtpd_helo_required = yes
virtual_mailbox_domains = {OURS}
virtual_mailbox_maps = texthash:{_CONF}/mailboxes
virtual_alias_maps = texthash:{_CONF}/aliases
virtual_transport = lmtp:unix:{DOVECOT}/lmtp
milter_protocol = 6
smtpd_tls_chain_files = {DOVECOT}.key, {DOVECOT}.cert
smtpd_tls_security_level = may
smtp_tls_security_level = may
smtp_tls_CApath = /etc/ssl/certs
tls_ssl_options = NO_COMPRESSION
smtpd_sasl_type = dovecot
smtpd_sasl_path = {DOVECOT}/smtp-auth
"""
_OPENDKIM = f"""\
mydestination = localhost
mailbox_size_limit = 0
milter_default_action = accept
disable_vrfy_command = yes
smtpd_helo_restrictions = permit_mynetworks, reject_invalid_helo_hostname, permit
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
smtpd_client_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_pipelining
smtpd_sender_restrictions = permit_sasl_authenticated, permit_mynetworks,
  reject_unknown_sender_domain
smtpd_recipient_restrictions = permit_sasl_authenticated, permit_mynetworks,
  reject_unauth_destination, check_policy_service unix:private/policyd-spf,
  reject_unauth_pipelining, reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname,
  reject_unknown_recipient_domain, check_policy_service inet:127.0.0.1:{QUOTA_STATUS}
policyd-spf_time_limit = 3600
"""
_RSPAMD = f"""\
maillog_file = /dev/stdout
mydestination =
milter_mail_macros = i {{mail_addr}} {{client_addr}} {{client_name}} {{auth_authen}}
milter_default_action = tempfail
smtpd_client_restrictions = permit_mynetworks, reject_non_fqdn_sender,
  reject_unknown_sender_domain, reject_unknown_recipient_domain, permit
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
smtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:{QUOTA_STATUS}
smtpd_sender_login_maps = texthash:{_CONF}/mailboxes
submissions_restrictions = reject_unlisted_sender, reject_authenticated_sender_login_mismatch,
  permit
"""
# Their own ports for those who log in; Mailu's front, which checks the login before, is left out.
_SUBMISSIONS = """
submissions inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_reject_unlisted_recipient=no
"""
_DOCKER_MAILSERVER = """\
  -o smtpd_sasl_authenticated_header=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o milter_macro_daemon_name=ORIGINATING
"""
_MAILU = """\
  -o smtpd_client_restrictions=$submissions_restrictions
"""
_SPF_SERVICE = """
policyd-spf unix - n n - 0 spawn
  user=policyd-spf argv=/usr/bin/policyd-spf {run}/policyd-spf.conf
"""
_SPF = """\
debugLevel = 1
TestOnly = 1
HELO_reject = Fail
Mail_From_reject = Fail
PermError_reject = False
TempError_Defer = False
skip_addresses = 127.0.0.0/8,::ffff:127.0.0.0/104,::1
"""


@dataclass(frozen=True)
class Settings:
    """What is added to main.cf, and to port 465 in master.cf."""

    main: str
    submissions: str


OPENDKIM, RSPAMD = Settings(_OPENDKIM, _DOCKER_MAILSERVER), Settings(_RSPAMD, _MAILU)


class Postfix(Disposable):
    """Its queue is empty and new."""

    def __init__(self, settings: Settings, *places: milters.Place) -> None:
        where = ", ".join(place.for_postfix for place in places)
        self._main = f"{_BOTH}{settings.main}smtpd_milters = {where}\n"
        self._services = _SUBMISSIONS + settings.submissions
        # Not a daemon: master stays the parent of all.
        command = ["/usr/lib/postfix/sbin/master", "-d", "-c", str(_CONF)]
        super().__init__("postfix", command)

    def prepare(self) -> None:
        _empty(SPOOL)
        for name, (user, group, mode) in _FOLDERS.items():
            (SPOOL / name).mkdir()
            (SPOOL / name).chmod(mode)
            shutil.chown(SPOOL / name, user, group)
        _DATA.mkdir(exist_ok=True)
        shutil.chown(_DATA, "postfix", "postfix")
        _CONF.mkdir(exist_ok=True)
        mailboxes = "".join(f"{address} {address}\n" for address in ADDRESSES)
        # As docker-mailserver, and so that an address with a tag keeps it.
        (_CONF / "mailboxes").write_text(mailboxes)
        (_CONF / "aliases").write_text("")
        (_CONF / "main.cf").write_text(self._main)
        (RUN / "policyd-spf.conf").write_text(_SPF)
        master = Path("/usr/share/postfix/master.cf.dist").read_text()
        # Neither of the two has the chroots that Debian's own has.
        master = re.sub(r"(?m)^(\w+\s+\S+\s+\S\s+\S\s+)y\b", r"\1n", master)
        (_CONF / "master.cf").write_text(master + self._services + _SPF_SERVICE.format(run=RUN))

    def ready(self) -> bool:
        try:
            with socket.create_connection((ADDRESS, 25), 5) as client:
                return client.recv(1_000).startswith(b"220")
        except OSError:
            return False


def _empty(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
