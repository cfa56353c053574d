"""The mailboxes of the peers: the same Dovecot, set up as ours where that is part of the load."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from bench.accounts import PASSWORD
from bench.end_to_end import milters
from bench.end_to_end.disposable import Disposable
from bench.end_to_end.scene import ADDRESSES, HOSTNAME, OWNER, QUOTA
from bench.messages import OURS
from bench.server import RUN
from entrypoint.config.passwords import hash_password
from entrypoint.tls.self_signed import self_signed

DOVECOT = RUN / "peer-dovecot"
QUOTA_STATUS = 65_265  # the port

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
service auth {{
  unix_listener {run}/smtp-auth {{
    user = postfix
    group = postfix
    mode = 0660
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


class Dovecot(Disposable):
    """The peers' mailboxes."""

    def __init__(self, mail: Path) -> None:
        self._conf, self._mail = RUN / "peer-dovecot.conf", mail
        super().__init__("peer-dovecot", ["dovecot", "-F", "-c", str(self._conf)])

    def prepare(self) -> None:
        # What was left from the last start, sockets too.
        shutil.rmtree(DOVECOT, ignore_errors=True)
        certificate, key = self_signed(HOSTNAME)
        _beside(".cert").write_bytes(certificate)
        _beside(".key").write_bytes(key)
        hashed = hash_password(PASSWORD)
        users = "".join(f"{address}:{hashed}::::::\n" for address in ADDRESSES)
        _beside(".users").write_text(users)
        self._conf.write_text(
            _PEER.format(
                run=DOVECOT,
                hostname=HOSTNAME,
                domain=OURS,
                owner=OWNER,
                mail=self._mail,
                quota=QUOTA,
                quota_status=QUOTA_STATUS,
            )
        )
        _beside(".sieve").write_text(_SPAM)
        command = ["sievec", "-c", str(self._conf), str(_beside(".sieve"))]
        subprocess.run(command, check=True, capture_output=True)

    def ready(self) -> bool:
        return (DOVECOT / "lmtp").exists() and milters.answers(QUOTA_STATUS)


def _beside(suffix: str) -> Path:
    return DOVECOT.with_name(DOVECOT.name + suffix)
