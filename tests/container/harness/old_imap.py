"""Another IMAP server, whose mail is to be moved: Dovecot with another layout and other names."""

from __future__ import annotations

import re
import socket
import tempfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.entrypoint.certificates import Authority

from .container import Container
from .imap import Mailbox
from .shell import attempt, fresh, run, wait_until
from .signpost import IMAGE

PASSWORD = fresh("old-password")
_SPECIAL = {"Gesendete Objekte": "Sent", "Papierkorb": "Trash", "Spam": "Junk"}
_CONFIGURATION = f"""
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
protocols = imap
log_path = /dev/stderr
ssl = yes
ssl_server_cert_file = /old/cert.pem
ssl_server_key_file = /old/key.pem
auth_allow_cleartext = yes
auth_username_chars =
mail_driver = mdbox
mail_home = /tmp/mail/%{{user}}
mail_path = ~/mdbox
mail_uid = vmail
mail_gid = vmail
first_valid_uid = 1
passdb static {{
  password = {PASSWORD}
}}
userdb static {{
  fields {{
    uid = vmail
    gid = vmail
  }}
}}
namespace inbox {{
  inbox = yes
  separator = /
""" + "".join(
    f'  mailbox "{name}" {{\n    special_use = \\{use}\n    auto = create\n  }}\n'
    for name, use in _SPECIAL.items()
)


class OldImap(Container):
    """One such server in the tests' network; everybody's password is PASSWORD."""

    def __init__(self, network: str, image: str = IMAGE, *command: str) -> None:
        """network: the tests' network, in which its name is the container's.

        image, command: another server, which has its certificate in /old.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="signpost-test-")
        folder = Path(self._folder.name)
        folder.chmod(0o755)
        self.container = self.host = fresh("old-imap")
        authority = Authority.make(folder)
        self.authority = (folder / "ca.pem").read_bytes()
        pair = authority.pair(self.host, datetime.now(UTC) + timedelta(days=30))
        for name, content in zip(("cert.pem", "key.pem"), pair, strict=True):
            (folder / name).write_bytes(content)
        (folder / "dovecot.conf").write_text(_CONFIGURATION + "}\n")
        start = "install -d -o vmail /tmp/mail && exec dovecot -F -c /old/dovecot.conf"
        words = (image, *command) if command else ("--entrypoint", "sh", image, "-c", start)
        run(
            *("docker", "run", "--detach", "--init", "--name", self.container),
            *("--network", network, "--volume", f"{folder}:/old:ro", *words),
        )
        self.v4 = re.findall(
            r"\S+", self.inspect("{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}")
        )[0]
        wait_until(self._listens, "the old server")

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection((self.v4, 993), 1):
            return True
        return False

    def remove(self) -> None:
        """All of it."""
        attempt("docker", "rm", "--force", "--volumes", self.container)
        self._folder.cleanup()


def contents(box: Mailbox, folder: str) -> list[tuple[bytes, bytes, bytes]]:
    """Flags, date and bytes of each message of a folder, in its order."""
    session = box.session
    kind, data = session.select(f'"{folder}"', readonly=True)
    assert kind == "OK", data
    if data == [b"0"]:
        return []
    found = []
    _, parts = session.fetch("1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")
    for part in parts:
        if isinstance(part, tuple):
            flags = re.search(rb"FLAGS \(([^)]*)\)", part[0])[1].split()  # type: ignore[index]
            date = re.search(rb'INTERNALDATE "([^"]*)"', part[0])[1]  # type: ignore[index]
            flags = sorted(set(flags) - {rb"\Recent"})
            found.append((b" ".join(flags), date, part[1]))
    return found
