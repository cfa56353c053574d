"""DKIM signatures of ours, of Mail::DKIM and of libopendkim: each verifies what the others sign.

Ours are relaxed/relaxed; theirs are of all four canonicalisations. No Signpost runs here: what it
signs on its way is in test_signing.py.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from filters.mailauth.dkim.sign import sign
from filters.mailauth.dkim.signing_key import SigningKey, load_signing_key, public_record
from filters.mailauth.dkim.verify import verify
from filters.mailauth.dns.resolver import StaticResolver
from filters.mailauth.message import Message

from .harness.messages import letter
from .harness.shell import attempt, fresh
from .harness.world import World

DOMAIN = "outside.test"
ALGORITHMS = ("rsa-sha256", "ed25519-sha256")
METHODS = ["/".join(pair) for pair in itertools.product(("relaxed", "simple"), repeat=2)]
AUTHOR = f"Someone <someone@{DOMAIN}>"

MESSAGES = {
    "plain": letter(AUTHOR),
    "white space": letter(
        AUTHOR, subject=b"  a \t b\t", body=b"  a \t b\t\r\n\t\r\n \r\nHello.  \r\n"
    ),
    "8-bit": letter(AUTHOR, subject=b"caf\xe9 \xf0\x9f\x93\xae", body=b"Hello.\xff\xfe \x80\r\n"),
    "empty body": letter(AUTHOR, body=b""),
    "blank lines alone": letter(AUTHOR, body=b"\r\n\r\n\r\n"),
    "many blank lines at the end": letter(AUTHOR, body=b"Hello.\r\n" + b"\r\n" * 3_000),
    "no line end": letter(AUTHOR, body=b"bye\r\nHello."),
    "dots": letter(AUTHOR, body=b".\r\n..\r\n.Hello.\r\n"),
    "long lines": letter(
        AUTHOR, subject=b"word " * 150, body=b"Hello." + b"x" * 4_000 + b" \t" * 900 + b"\r\n"
    ),
    "folded fields": letter(
        AUTHOR,
        subject=b"\r\n a\r\n\t\tfolded \r\n  subject",
        fields=[b"References:\r\n <1@tests.invalid>\r\n\t<2@tests.invalid>"],
    ),
    "fields twice": letter(
        AUTHOR,
        fields=[b"Resent-To: one@far.test", b"Resent-To: two@far.test", b"Comments: 1"] * 2,
    ),
    "odd names and colons": letter(
        AUTHOR, fields=[b"CC:no-space@far.test", b"mime-VERSION:1.0", b"In-Reply-To: <a:b@x>:"]
    ),
}
NAMES = list(MESSAGES)


@dataclass(frozen=True)
class Pen:
    """One key, its record published, and who can write with it."""

    world: World
    key: SigningKey
    path: str

    def ours(self, message: bytes, method: str) -> bytes:
        assert method == "relaxed/relaxed"
        return sign(Message(message), [self.key]) + message

    def mail_dkim(self, message: bytes, method: str) -> bytes:
        return self._theirs("dkim-sign", message, method)

    def opendkim(self, message: bytes, method: str) -> bytes:
        return self._theirs("opendkim-sign", message, method)

    def _theirs(self, program: str, message: bytes, method: str) -> bytes:
        command = (program, self.key.domain, self.key.selector, self.path, method)
        signed = self.world.exec_client(*command, self.key.algorithm, stdin=message)
        assert signed.endswith(message)
        return signed

    def we_say(self, message: bytes) -> list[str]:
        name = f"{self.key.selector}._domainkey.{DOMAIN}"
        zone = StaticResolver({name: {"TXT": [public_record(self.key)]}})
        results = asyncio.run(verify(Message(message), zone))
        assert all(r.algorithm == self.key.algorithm and r.domain == DOMAIN for r in results)
        return [result.result for result in results]

    def mail_dkim_says(self, message: bytes) -> list[str]:
        found = self.world.verify(message)
        assert all(row[:3] == (DOMAIN, self.key.selector, self.key.algorithm) for row in found)
        return [result.partition(" ")[0] for *_, result in found]

    def opendkim_says(self, message: bytes) -> list[str]:
        """opendkim-testmsg's exit status tells."""
        container = self.world.swaks.container
        done = attempt("docker", "exec", "-i", container, "opendkim-testmsg", "-C", stdin=message)
        if done.returncode == 0:
            return ["pass"]
        assert b"Bad signature" in done.stderr, done.stderr
        return ["fail"]


@pytest.fixture(scope="module")
def pens(world: World) -> dict[str, Pen]:
    private = {
        "rsa-sha256": generate_private_key(65537, 2048),
        "ed25519-sha256": Ed25519PrivateKey.generate(),
    }
    # Mail::DKIM reads an RSA key as PKCS #1 alone.
    form = {
        "rsa-sha256": PrivateFormat.TraditionalOpenSSL,
        "ed25519-sha256": PrivateFormat.PKCS8,
    }
    pens, lines = {}, []
    for algorithm, made in private.items():
        pem = made.private_bytes(Encoding.PEM, form[algorithm], NoEncryption())
        key = load_signing_key(DOMAIN, fresh(algorithm.partition("-")[0]), pem)
        path = f"/tmp/{key.selector}.pem"
        world.exec_client("sh", "-c", f"cat > {path}", stdin=pem)
        strings = " ".join(f'"{part}"' for part in re.findall(".{1,250}", public_record(key)))
        lines.append(f"{key.selector}._domainkey.{DOMAIN}. 1 IN TXT {strings}")
        pens[algorithm] = Pen(world, key, path)
    world.ns.publish(DOMAIN, *lines)
    return pens


def changed(signed: bytes, message: bytes) -> list[bytes]:
    """The message with a changed body, and with a changed field."""
    field = signed.removesuffix(message)
    head, blank, body = message.partition(b"\r\n\r\n")
    body = body.replace(b"Hello.", b"Hullo.") if b"Hello." in body else b"Hullo.\r\n"
    return [
        field + head + blank + body,
        field + message.replace(b"<someone@", b"<s0meone@"),
    ]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("verdict", [Pen.mail_dkim_says, Pen.opendkim_says])
def test_they_verify_ours(
    pens: dict[str, Pen], verdict: Callable[[Pen, bytes], list[str]], algorithm: str, name: str
) -> None:
    pen, message = pens[algorithm], MESSAGES[name]
    signed = pen.ours(message, "relaxed/relaxed")
    assert verdict(pen, signed) == ["pass"]
    for other in changed(signed, message):
        assert verdict(pen, other) == ["fail"]


THEIRS = [
    pytest.param(write, method, name, id=f"{write.__name__}-{method}-{name}")
    for write, method, name in itertools.product((Pen.mail_dkim, Pen.opendkim), METHODS, NAMES)
    # RFC 6376 §3.4.3 adds the line end that is missing, Mail::DKIM does not; SMTP has no such body.
    if (write, name) != (Pen.mail_dkim, "no line end") or method.endswith("/relaxed")
]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(("write", "method", "name"), THEIRS)
def test_ours_verifies_theirs(
    pens: dict[str, Pen],
    write: Callable[[Pen, bytes, str], bytes],
    method: str,
    name: str,
    algorithm: str,
) -> None:
    pen, message = pens[algorithm], MESSAGES[name]
    signed = write(pen, message, method)
    assert re.search(rb"[\s;]c=" + method.encode() + rb"[\s;]", signed)
    assert pen.we_say(signed) == ["pass"]
    for other in changed(signed, message):
        assert pen.we_say(other) == ["fail"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_three_signatures_each_pass_for_all(pens: dict[str, Pen], algorithm: str) -> None:
    pen, method = pens[algorithm], "relaxed/relaxed"
    message = pen.opendkim(pen.mail_dkim(pen.ours(letter(AUTHOR), method), method), method)
    assert pen.we_say(message) == pen.mail_dkim_says(message) == ["pass"] * 3


def test_opendkims_sha1_is_no_longer_valid(pens: dict[str, Pen]) -> None:
    """RFC 8301 §3.1; opendkim-testmsg signs with nothing else."""
    pen = pens["rsa-sha256"]
    command = ("opendkim-testmsg", "-C", "-d", DOMAIN, "-s", pen.key.selector, "-k", pen.path)
    signed = pen.world.exec_client(*command, stdin=letter(AUTHOR))
    assert b"a=rsa-sha1" in signed
    zone = StaticResolver(
        {f"{pen.key.selector}._domainkey.{DOMAIN}": {"TXT": [public_record(pen.key)]}}
    )
    (found,) = asyncio.run(verify(Message(signed), zone))
    assert (found.result, found.reason) == ("permerror", "rsa-sha1 is no longer valid")
