"""What is the same for every stack: names, accounts, scripts, messages, an address, a name server.

It must not know which stack it is.
"""

from __future__ import annotations

import fcntl
import shutil
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from bench import accounts
from bench.listeners import RUN
from bench.messages import FOREIGN, OURS, plain
from bench.servers import NameServer
from bench.testbed import SELECTOR, foreign_key
from filters.mailauth.dkim.sign import SigningKey, public_record, sign
from filters.mailauth.message import Message

SIZE = 4_096
ACCOUNTS = 10
CONNECTIONS = 10
HOSTNAME = f"mail.{OURS}"
# The client's and the servers' address: each stack trusts loopback, and verifies nothing there.
ADDRESS = "192.0.2.10"
CLIENT = f"client.{FOREIGN}"
QUOTA = accounts.QUOTA
OWNER = "vmail"
# Every so many messages one is for a sub-address.
TAGGED = 4

# Every person has this one, and it lets all mail pass.
SCRIPT = """\
require ["fileinto", "mailbox"];
if header :is "Subject" "Never" {
  fileinto :create "Never";
}
"""
# Who writes. In `.test` libunbound, which is OpenDKIM's, knows of nobody.
AUTHORS = tuple(f"d{number}.example" for number in range(50))
ADDRESSES = tuple(accounts.address(number) for number in range(ACCOUNTS))

_SIOCSIFADDR = 0x8916


@dataclass(frozen=True)
class Letter:
    """One message, as it goes over the wire, with its last dot."""

    number: int
    sender: str
    recipient: str
    data: bytes

    @property
    def name(self) -> bytes:
        """What stands in its Message-ID and in nobody else's."""
        return b"<" + _name(self.number) + b"@"


def _name(number: int) -> bytes:
    return b"letter-%07d" % number


class Post:
    """New messages, each with a Message-ID of its own and signed by its author's domain."""

    def __init__(self, key: SigningKey) -> None:
        self._keys = [SigningKey(name, SELECTOR, key.algorithm, key.private) for name in AUTHORS]
        self._next = 0

    def letters(self, count: int) -> list[Letter]:
        """So many, for all accounts by turns."""
        return [self._letter() for _ in range(count)]

    def tampered(self) -> Letter:
        """One whose body is not what was signed."""
        one = self._letter()
        data = one.data.replace(b"\r\n.\r\n", b"\r\nHe never signed this.\r\n.\r\n")
        return Letter(one.number, one.sender, one.recipient, data)

    def _letter(self) -> Letter:
        number, self._next = self._next, self._next + 1
        # So that every domain writes to every account.
        key = self._keys[number // ACCOUNTS % len(self._keys)]
        sender = f"alice@{key.domain}"
        text = plain(SIZE, sender).replace(b"<20261103100000.4711@", b"<" + _name(number) + b"@")
        data = sign(Message(text), [key]) + text
        if b"\r\n." in data:
            raise RuntimeError("a line that begins with a dot")
        name, _, domain = ADDRESSES[number % ACCOUNTS].partition("@")
        tag = "+bench" if number % TAGGED == 0 else ""
        return Letter(number, sender, f"{name}{tag}@{domain}", data + b".\r\n")


class Names(NameServer):
    """The bench's name server, with DMARC's records and the client's own."""

    def __init__(self, key: SigningKey) -> None:
        super().__init__(public_record(key), SELECTOR, AUTHORS)
        for domain in AUTHORS:
            self._records[f"_dmarc.{domain}."] = "v=DMARC1; p=none"
        self._records[f"{CLIENT}."] = f"v=spf1 ip4:{ADDRESS} -all"

    def prepare(self) -> None:
        super().prepare()
        with self._conf.open("a") as conf:
            # A library that looks for a name server beside itself asks none on loopback.
            conf.write(f"interface: {ADDRESS}\naccess-control: {ADDRESS}/32 allow\n")
            conf.write(f'local-data-ptr: "{ADDRESS} 3600 {CLIENT}"\n')
            conf.write(f'local-data: "{CLIENT}. 3600 IN A {ADDRESS}"\n')
            conf.write(f'local-data: "{HOSTNAME}. 3600 IN A {ADDRESS}"\n')
            conf.write(f'local-data: "{OURS}. 3600 IN MX 10 {HOSTNAME}."\n')


def prepare() -> SigningKey:
    """The folder of the run, the host's names and address; returns the authors' key."""
    RUN.mkdir(mode=0o755, exist_ok=True)
    _add_address()
    Path("/etc/hosts").write_text("127.0.0.1 localhost\n")
    return foreign_key()


def _add_address() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sHH4s8x", b"lo:1", socket.AF_INET, 0, socket.inet_aton(ADDRESS))
        try:
            fcntl.ioctl(any_socket, _SIOCSIFADDR, request)
        except PermissionError as error:
            raise RuntimeError("the container needs --cap-add NET_ADMIN") from error


def new_homes(mail: Path) -> None:
    """Empty mailboxes, DOMAIN/NAME, with the script in each; as both Dovecots look for them."""
    shutil.rmtree(mail, ignore_errors=True)
    for address in ADDRESSES:
        name, _, domain = address.partition("@")
        home = mail / domain / name
        (home / "sieve").mkdir(parents=True)
        (home / "sieve" / "own.sieve").write_text(SCRIPT)
        (home / ".dovecot.sieve").symlink_to("sieve/own.sieve")
    for path in (mail, *mail.rglob("*")):
        shutil.chown(path, OWNER, OWNER) if not path.is_symlink() else None
