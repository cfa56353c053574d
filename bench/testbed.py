"""What every measurement needs before it begins: keys, messages, addresses, a name server.

It must not know what is measured.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.listeners import ADDRESSES, KEY_TABLE, KEYS, LOOP_KEY, RUN, SPOOL
from bench.listeners import SELECTOR as SELECTOR_OF_OURS
from bench.load import write_for_source
from bench.messages import FOREIGN, OURS, RECIPIENT, plain, signed
from bench.servers import NameServer
from filters.mailauth.dkim.sign import SigningKey, load_signing_key, public_record

SELECTOR = "bench"


@dataclass(frozen=True)
class Mail:
    """Messages of one kind: who they are from, and a file for each size."""

    sender: str
    kind: str

    def file(self, size: int) -> Path:
        """The message of this size, as smtp-source wants it."""
        return RUN / f"{self.kind}-{size}"


PLAIN = Mail(f"alice@{OURS}", "plain")
SIGNED = Mail(f"alice@{FOREIGN}", "signed")


def _new_pem(kind: str) -> bytes:
    key = generate_private_key(65_537, 2_048) if kind == "rsa" else Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def foreign_key(domain: str = FOREIGN) -> SigningKey:
    """A new RSA key of somebody else's."""
    return load_signing_key(domain, SELECTOR, _new_pem("rsa"))


def prepare(sizes: list[int]) -> SigningKey:
    """Write keys, addresses and messages; returns the key that signed the foreign mail."""
    RUN.mkdir(mode=0o755, exist_ok=True)
    Path("/data").mkdir(exist_ok=True)  # the recipients' home
    mailname = Path("/run/signpost/mailname")
    mailname.parent.mkdir(exist_ok=True)
    mailname.write_text(f"mail.{OURS}\n")
    for kind, path in KEYS.items():
        path.touch(mode=0o600)
        path.write_bytes(_new_pem(kind))
        shutil.chown(path, "signer", "signer")
    KEY_TABLE.write_text(f"{OURS}:{SELECTOR_OF_OURS['rsa']}:{KEYS['rsa']}\n")
    LOOP_KEY.write_text(secrets.token_hex(32))
    LOOP_KEY.chmod(0o644)
    for user, path in SPOOL.items():
        path.mkdir(mode=0o700, exist_ok=True)
        shutil.chown(path, user, user)
    owners = {address: [address] for address in (RECIPIENT, PLAIN.sender)}
    book = {"delimiter": "+", "domains": [OURS], "owners": owners}
    ADDRESSES.write_text(json.dumps(book))
    ADDRESSES.chmod(0o644)
    key = foreign_key()
    for size in sizes:
        write_for_source(plain(size, PLAIN.sender), PLAIN.file(size))
        write_for_source(signed(size, key), SIGNED.file(size))
    return key


@contextmanager
def name_server(key: SigningKey) -> Iterator[None]:
    """DNS on loopback, for everybody in the container."""
    with NameServer(public_record(key), SELECTOR):
        yield
