"""Postfix before Dovecot, each with what docker-mailserver or Mailu says and their own defaults."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from pathlib import Path

from bench.accounts import PASSWORD
from bench.end_to_end import milters
from bench.end_to_end.scene import ADDRESS, ADDRESSES, HOSTNAME, OWNER, QUOTA
from bench.listeners import RUN
from bench.messages import OURS
from bench.servers import Server
from entrypoint.config.passwords import hash_password
from entrypoint.tls.self_signed import self_signed

SPOOL = Path("/var/spool/postfix")
_CONF, _DATA = RUN / "postfix", Path("/var/lib/postfix")
_DOVECOT = RUN / "peer-dovecot"
_QUOTA_STATUS = 65_265
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
virtual_transport = lmtp:unix:{_DOVECOT}/lmtp
milter_protocol = 6
"""
OPENDKIM = f"""\
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
  reject_unknown_recipient_domain, check_policy_service inet:127.0.0.1:{_QUOTA_STATUS}
policyd-spf_time_limit = 3600
"""
RSPAMD = f"""\
maillog_file = /dev/stdout
mydestination =
milter_mail_macros = i {{mail_addr}} {{client_addr}} {{client_name}} {{auth_authen}}
milter_default_action = tempfail
smtpd_client_restrictions = permit_mynetworks, reject_non_fqdn_sender,
  reject_unknown_sender_domain, reject_unknown_recipient_domain, permit
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
smtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:{_QUOTA_STATUS}
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


class Postfix(Server):
    """Its queue is empty and new."""

    def __init__(self, settings: str, *places: milters.Place) -> None:
        where = ", ".join(place.for_postfix for place in places)
        self._settings = f"{settings}smtpd_milters = {where}\n"
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
        (_CONF / "main.cf").write_text(_BOTH + self._settings)
        (RUN / "policyd-spf.conf").write_text(_SPF)
        master = Path("/usr/share/postfix/master.cf.dist").read_text()
        # Neither of the two has the chroots that Debian's own has.
        master = re.sub(r"(?m)^(\w+\s+\S+\s+\S\s+\S\s+)y\b", r"\1n", master)
        (_CONF / "master.cf").write_text(master + _SPF_SERVICE.format(run=RUN))

    def ready(self) -> bool:
        try:
            with socket.create_connection((ADDRESS, 25), 5) as client:
                return client.recv(1_000).startswith(b"220")
        except OSError:
            return False


# As in Signpost's: one owner of mail, Maildirs, a quota that counts, Sieve before and after the
# person's own. What else is said there is not said here.
_PEER = """\
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
base_dir = {run}
state_dir = {run}-state
log_path = {run}.log
protocols = imap lmtp sieve
ssl_server_cert_file = {run}.cert
ssl_server_key_file = {run}.key
auth_mechanisms = plain login
auth_username_format = %{{user | lower}}
recipient_delimiter = +
hostname = {hostname}
postmaster_address = postmaster@{domain}
passdb passwd-file {{
  passwd_file_path = {run}.users
  default_password_scheme = CRYPT
}}
userdb passwd-file {{
  passwd_file_path = {run}.users
}}
mail_uid = {owner}
mail_gid = {owner}
first_valid_uid = 1
mail_driver = maildir
mail_home = {mail}/%{{user | domain}}/%{{user | username}}
mail_path = %{{home}}/Maildir
mail_plugins {{
  quota = yes
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Drafts {{
    auto = subscribe
    special_use = \\Drafts
  }}
  mailbox Sent {{
    auto = subscribe
    special_use = \\Sent
  }}
  mailbox Trash {{
    auto = subscribe
    special_use = \\Trash
  }}
  mailbox Junk {{
    auto = subscribe
    special_use = \\Junk
  }}
}}
protocol lmtp {{
  mail_plugins {{
    sieve = yes
  }}
}}
service lmtp {{
  unix_listener lmtp {{
    user = postfix
    mode = 0600
  }}
}}
service quota-status {{
  executable = quota-status -p postfix
  client_limit = 1
  inet_listener quota {{
    listen = 127.0.0.1
    port = {quota_status}
  }}
}}
quota user {{
  driver = count
  storage_size = {quota}
}}
quota_status_success = DUNNO
quota_status_nouser = DUNNO
quota_status_overquota = 552 5.2.2 Mailbox is full
lmtp_rcpt_check_quota = yes
sieve_script spam {{
  type = before
  driver = file
  path = {run}.sieve
}}
sieve_script personal {{
  driver = file
  path = ~/sieve
  active_path = ~/.dovecot.sieve
}}
"""
_SPAM = """\
require ["fileinto", "mailbox"];
if header :contains "X-Spam-Flag" "YES" {
  fileinto :create "Junk";
}
"""


class Dovecot(Server):
    """The peers' mailboxes."""

    def __init__(self, mail: Path) -> None:
        self._conf, self._mail = RUN / "peer-dovecot.conf", mail
        super().__init__("peer-dovecot", ["dovecot", "-F", "-c", str(self._conf)])

    def prepare(self) -> None:
        # What was left from the last start, sockets too.
        shutil.rmtree(_DOVECOT, ignore_errors=True)
        certificate, key = self_signed(HOSTNAME)
        _beside(".cert").write_bytes(certificate)
        _beside(".key").write_bytes(key)
        hashed = hash_password(PASSWORD)
        users = "".join(f"{address}:{hashed}::::::\n" for address in ADDRESSES)
        _beside(".users").write_text(users)
        self._conf.write_text(
            _PEER.format(
                run=_DOVECOT,
                hostname=HOSTNAME,
                domain=OURS,
                owner=OWNER,
                mail=self._mail,
                quota=QUOTA,
                quota_status=_QUOTA_STATUS,
            )
        )
        _beside(".sieve").write_text(_SPAM)
        command = ["sievec", "-c", str(self._conf), str(_beside(".sieve"))]
        subprocess.run(command, check=True, capture_output=True)

    def ready(self) -> bool:
        return (_DOVECOT / "lmtp").exists() and milters.answers(_QUOTA_STATUS)


def _beside(suffix: str) -> Path:
    return _DOVECOT.with_name(_DOVECOT.name + suffix)


def _empty(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
