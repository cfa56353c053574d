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
from typing import ClassVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench import many_senders
from bench.listeners import ADDRESSES, KEY_TABLE, KEYS, LOOP_KEY, OUTSIDE, SPOOL
from bench.listeners import SELECTOR as SELECTOR_OF_OURS
from bench.load import LOADS, Load, send, write_for_source
from bench.messages import FOREIGN, OURS, RECIPIENT, SENDERS, of_senders, plain, signed
from bench.server import RUN
from bench.servers import NameServer
from filters.mailauth.dkim.signing_key import SigningKey, load_signing_key, public_record

SELECTOR = "bench"
SMALL, LARGE = 4_096, 1_000_000


@dataclass(frozen=True)
class Mail:
    """Messages of one kind: who they are from, and a file for each size."""

    sender: str
    kind: str
    recipient: str = RECIPIENT

    def file(self, size: int) -> Path:
        """The message of this size, as smtp-source wants it."""
        return RUN / f"{self.kind}-{size}"

    def send(self, load: Load, port: int, count: int) -> float:
        """Messages per second."""
        return send(
            self.file(load.size),
            port=port,
            sender=self.sender,
            recipient=self.recipient,
            connections=load.connections,
            count=count,
        )

    def fill_caches(self, port: int) -> None:
        """What is needed to verify it is in the filter's memory afterwards."""


class ManyMail(Mail):
    """Messages of all SENDERS by turns, from where the last run has ended."""

    _next: ClassVar[int] = 0

    def send(self, load: Load, port: int, count: int) -> float:
        """Messages per second."""
        first, ManyMail._next = ManyMail._next, ManyMail._next + count
        path, connections = self.file(load.size), load.connections
        return many_senders.send(path, port=port, connections=connections, count=count, first=first)

    def fill_caches(self, port: int) -> None:
        """A small message of each."""
        many_senders.send(self.file(SMALL), port=port, connections=10, count=len(SENDERS), first=0)


# What is signed goes to somebody else, as most of it does; here it stays in the queue.
PLAIN = Mail(f"alice@{OURS}", "plain", f"carol@{OUTSIDE}")
SIGNED = Mail(f"alice@{FOREIGN}", "signed")
MANY_SIGNED = ManyMail("alice@…", "many-signed")


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
        if size in {load.size for load in LOADS}:
            # Ten of what takes long to sign; a run sends fewer.
            some = SENDERS if size < LARGE else SENDERS[:10]
            many_senders.write(MANY_SIGNED.file(size), *of_senders(size, key, some))
    return key


@contextmanager
def name_server(key: SigningKey) -> Iterator[None]:
    """DNS on loopback, for everybody in the container."""
    with NameServer(public_record(key), SELECTOR):
        yield
