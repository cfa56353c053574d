"""Who has mailboxes: the image's own start, and Dovecot as anybody would set it up for Maildirs.

It must not know what is measured.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from bench.accounts import QUOTA
from bench.imap import Imap
from bench.messages import OURS
from bench.server import RUN, Server
from entrypoint.tls.self_signed import self_signed

DATA = Path("/data")
# What a container that starts anew does not have: what was rendered, and kept accounts.
_STARTED = (Path("/run/signpost"), DATA / "accounts")

# Everything that is not said is Dovecot's default. A login process serves one connection.
_ALONE = """\
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
base_dir = {run}/dovecot
state_dir = {run}/dovecot-state
log_path = /dev/stderr
protocols = imap
service imap-login {{
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {port}
  }}
}}
ssl = required
ssl_server_cert_file = {run}/alone.cert
ssl_server_key_file = {run}/alone.key
auth_mechanisms = plain login
passdb passwd-file {{
  passwd_file_path = {users}
  default_password_scheme = CRYPT
}}
userdb passwd-file {{
  passwd_file_path = {users}
}}
mail_uid = vmail
mail_gid = vmail
first_valid_uid = 1
mail_driver = maildir
mail_home = {mail}/%{{user | domain}}/%{{user | username}}
mail_path = %{{home}}/Maildir
"""


class MailServer(Server):
    """`port`: IMAP over TLS. `mail`: where DOMAIN/NAME/Maildir lie."""

    title: str
    port: int
    mail: Path

    def maildir(self, login: str) -> Path:
        """Where an account's mail is."""
        name, _, domain = login.partition("@")
        return self.mail / domain / name / "Maildir"


class Signpost(MailServer):
    """`signpost start`, in a container that has started before: the keys in /data are there."""

    title, port, mail = "Signpost", 993, DATA / "mail"

    def __init__(self, accounts: str) -> None:
        self._accounts, self._file = accounts, RUN / "accounts"
        self.environment = {
            "DOMAINS": OURS,
            "ACCOUNTS_FILE": str(self._file),
            "DEFAULT_QUOTA": QUOTA,
        }
        super().__init__("signpost", ["signpost", "start"])

    def prepare(self) -> None:
        for path in _STARTED:
            shutil.rmtree(path, ignore_errors=True)
        self.log.unlink(missing_ok=True)
        self._file.write_text(self._accounts)
        self._file.chmod(0o600)

    def ready(self) -> bool:
        return b"signpost ready" in self.log.read_bytes()


class DovecotAlone(MailServer):
    """The same Dovecot with a passwd-file, without our configuration."""

    title, port, mail = "Dovecot alone", 10_993, DATA / "alone"

    def __init__(self, passwd_file: str) -> None:
        self._users, self._conf = passwd_file, RUN / "alone.conf"
        super().__init__("alone", ["dovecot", "-F", "-c", str(self._conf)])

    def prepare(self) -> None:
        certificate, key = self_signed(f"mail.{OURS}")
        (RUN / "alone.cert").write_bytes(certificate)
        (RUN / "alone.key").write_bytes(key)
        users = RUN / "alone.users"
        users.write_text(self._users)
        text = _ALONE.format(run=RUN, port=self.port, users=users, mail=self.mail)
        self._conf.write_text(text)
        self.mail.mkdir(parents=True, exist_ok=True)
        shutil.chown(self.mail, "vmail", "vmail")

    def ready(self) -> bool:
        try:
            with Imap(self.port):
                return True
        except (OSError, RuntimeError):
            return False
