"""What is the same for every stack: names, accounts, scripts, addresses, keys, a name server.

It must not know which stack it is.
"""

from __future__ import annotations

import fcntl
import shutil
import socket
import struct
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench import accounts
from bench.messages import FOREIGN, OURS
from bench.server import RUN
from bench.servers import NameServer
from bench.testbed import SELECTOR, foreign_key
from filters.mailauth.dkim.signing_key import SigningKey, load_signing_key, public_record

ACCOUNTS = 10
CONNECTIONS = 10
HOSTNAME = f"mail.{OURS}"
# The servers' address: each stack trusts loopback, and verifies nothing there.
ADDRESS = "192.0.2.10"
# Nor does Signpost know who comes from an address of the container's own. Loopback answers for the
# whole network of each address that it is given, so nobody has to give it the client's.
CLIENT, CLIENT_ADDRESS = f"client.{FOREIGN}", "192.0.2.30"
# Where mail goes that leaves; its MX has an address of its own.
OUTSIDE = "outside.example"
MX, MX_ADDRESS = f"mx.{OUTSIDE}", "192.0.2.20"
# Every stack signs with this key of RSA-2048, and has its own copy of it.
OUR_SELECTOR, OUR_KEY = "mail", RUN / "dkim.pem"
QUOTA = accounts.QUOTA
OWNER = "vmail"

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


class Names(NameServer):
    """The bench's name server, with DMARC's records and the client's own."""

    def __init__(self, key: SigningKey) -> None:
        super().__init__(public_record(key), SELECTOR, AUTHORS)
        for domain in AUTHORS:
            self._records[f"_dmarc.{domain}."] = "v=DMARC1; p=none"
        self._records[f"{OUR_SELECTOR}._domainkey.{OURS}."] = our_record()
        self._records[f"{CLIENT}."] = f"v=spf1 ip4:{CLIENT_ADDRESS} -all"

    def prepare(self) -> None:
        super().prepare()
        with self._conf.open("a") as conf:
            # A library that looks for a name server beside itself asks none on loopback.
            conf.write(f"interface: {ADDRESS}\naccess-control: {ADDRESS}/32 allow\n")
            conf.write(f'local-data-ptr: "{CLIENT_ADDRESS} 3600 {CLIENT}"\n')
            conf.write(f'local-data: "{CLIENT}. 3600 IN A {CLIENT_ADDRESS}"\n')
            conf.write(f'local-data-ptr: "{ADDRESS} 3600 {HOSTNAME}"\n')
            conf.write(f'local-data: "{HOSTNAME}. 3600 IN A {ADDRESS}"\n')
            conf.write(f'local-data: "{OURS}. 3600 IN MX 10 {HOSTNAME}."\n')
            conf.write(f'local-data-ptr: "{MX_ADDRESS} 3600 {MX}"\n')
            conf.write(f'local-data: "{MX}. 3600 IN A {MX_ADDRESS}"\n')
            conf.write(f'local-data: "{OUTSIDE}. 3600 IN MX 10 {MX}."\n')


def prepare() -> SigningKey:
    """The folder of the run, the host's names and addresses; returns the authors' key."""
    RUN.mkdir(mode=0o755, exist_ok=True)
    _add_address("lo:1", ADDRESS)
    _add_address("lo:2", MX_ADDRESS)
    Path("/etc/hosts").write_text("127.0.0.1 localhost\n")
    OUR_KEY.touch(mode=0o600)
    form = Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    OUR_KEY.write_bytes(foreign_key(OURS).private.private_bytes(*form))
    return foreign_key()


def our_record() -> str:
    """The public part of the key that signs, as DNS has it."""
    return public_record(load_signing_key(OURS, OUR_SELECTOR, OUR_KEY.read_bytes()))


def copy_of_our_key(user: str) -> Path:
    """The key that signs, for who runs as this user."""
    path = OUR_KEY.with_name(f"dkim-{user}.pem")
    path.touch(mode=0o600)
    path.write_bytes(OUR_KEY.read_bytes())
    shutil.chown(path, user, user)
    return path


def _add_address(name: str, address: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        inet = socket.inet_aton(address)
        request = struct.pack("16sHH4s8x", name.encode(), socket.AF_INET, 0, inet)
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
