"""Mail that is meant to cost its receiver much; see test_bounds.py.

`python -m tests.filters.mailauth.hostile NAME` judges one of these and prints, as JSON, what came
out and what was asked.
"""

import asyncio
import json
import resource
import sys
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from filters.mailauth.arc.seal import seal
from filters.mailauth.authenticate import Envelope, authenticate, stamp
from filters.mailauth.dkim.sign import sign
from filters.mailauth.dkim.signing_key import load_signing_key, public_record
from filters.mailauth.dns.resolver import StaticResolver
from filters.mailauth.message import Message
from filters.mailauth.policy import decide
from tests.filters.mailauth.arc_crafting import add_set
from tests.filters.mailauth.crafting import craft, pem, rsa_record

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(32))
KEY = load_signing_key("example.org", "mail", pem(PRIVATE))
NAME = "mail._domainkey.example.org"
ZONE = {NAME: {"TXT": [public_record(KEY)]}}
HEADER = b"From: a@example.org\r\nTo: b@example.net\r\nSubject: s\r\n"
MESSAGE = HEADER + b"\r\nbody\r\n"
ENVELOPE = Envelope("192.0.2.1", "mail.example.org", "a@example.org", ("b@example.net",))
ID = "mx.example.net"
MB = 2**20
# CPU seconds, many times what a case needs (most: a tenth of one) and far below what the libraries
# alone would take.
LIMIT = 10

Case = tuple[bytes, Mapping[str, Any]]


def signed(message: bytes, times: int = 5, **crafted: Any) -> Case:
    """The message under so many signatures, good ones unless told otherwise."""
    return craft(message, PRIVATE, **crafted) * times + message, ZONE


def with_record(*texts: str, algorithm: str = "ed25519-sha256") -> Case:
    """A signed message and its key record."""
    return signed(MESSAGE, tags={"a": algorithm})[0], {NAME: {"TXT": list(texts)}}


def with_rsa_key(modulus: int, exponent: int) -> Case:
    """A signed message and a key that costs much."""
    return with_record(rsa_record(modulus, exponent), algorithm="rsa-sha256")


def with_spf(record: str, more: Mapping[str, Any] | None = None) -> Case:
    """A plain message whose envelope sender's domain has this record."""
    return MESSAGE, {"example.org": {"TXT": ["v=spf1 " + record]}, **(more or {})}


def chain(sets: int, **crafted: Any) -> bytes:
    """A message with so many good ARC sets."""
    message = MESSAGE
    tags = {"d": "example.org"}
    for _ in range(sets):
        message = add_set(message, PRIVATE, tags=tags, seal_tags=tags, **crafted)
    return message


def large(size: int) -> bytes:
    """A message of that size, with white space to reduce in every line."""
    line = b"word \t word  " * 6 + b"\r\n"
    return HEADER + b"\r\n" + line * (size // len(line))


def signed_by_us(message: bytes) -> Case:
    """The message with our signature: crafting is slow."""
    return sign(Message(message), [KEY]) + message, ZONE


def strangers() -> Case:
    """A signature of each of 900 domains."""
    field = b"DKIM-Signature: v=1; a=rsa-sha256; d=d%d.example; s=s; h=from; bh=AAAA; b=AAAA\r\n"
    return b"".join(field % number for number in range(900)) + MESSAGE, {}


def many_fields() -> bytes:
    """300 KB of header."""
    return b"".join(b"X%d: %s\r\n" % (n, b"y " * 160) for n in range(900)) + MESSAGE


def fan_out() -> Case:
    """RFC 7208 §4.6.4 allows ten terms of ten hosts each: 112 questions."""
    hosts = {f"h{n}.{m}.org": {"A": ["192.0.2.7"]} for n in range(10) for m in range(10)}
    exchanges = {f"{m}.org": {"MX": [[n, f"h{n}.{m}.org"] for n in range(10)]} for m in range(10)}
    terms = " ".join(f"mx:{m}.org" for m in range(10))
    return with_spf(f"{terms} -all exp=e.org", {**hosts, **exchanges})


def ten_by_ten() -> Case:
    """Ten records that include ten others each."""
    all_ten = " ".join(f"include:{n}.org" for n in range(10))
    return with_spf(all_ten, {f"{n}.org": {"TXT": ["v=spf1 " + all_ten]} for n in range(10)})


SIGNATURES: dict[str, Callable[[], Case]] = {
    "990 signatures": lambda: signed(MESSAGE, 990),
    "1,000 signatures": lambda: signed(MESSAGE, 1_000),
    "9,000 signatures": lambda: signed(MESSAGE, 9_000),
    "a signature of each of 900 domains": strangers,
    "a key of 16,384 bits": lambda: with_rsa_key(2**16_384 - 2**8_000 - 1, 2**16_383 + 1),
    "a key of 8,192 bits, and its exponent": lambda: with_rsa_key(
        2**8_192 - 2**8_000 - 1, 2**8_191 + 1
    ),
    "a key record of 60 KB": lambda: with_record("v=DKIM1; k=ed25519; p=" + "A" * 60_000),
    "5,000 key records, the last one good": lambda: with_record(
        *["v=DKIM1; k=ed25519; p=AAAA"] * 4_999, public_record(KEY)
    ),
    "65,000 spaces in b=": lambda: signed(MESSAGE, after={"b": "AAAA" + " " * 65_000 + "="}),
    "16,000 spaces in b=": lambda: signed(MESSAGE, after={"b": "AAAA" + " " * 16_000 + "="}),
    "b after b in n=": lambda: signed(MESSAGE, tags={"n": "b" + " b" * 7_000 + " " * 1_000}),
}
HEADERS: dict[str, Callable[[], Case]] = {
    "a line of 65,000 spaces in the header": lambda: signed(
        HEADER + b"X: " + b" " * 65_000 + b"x\r\n\r\n", names=("from", "x")
    ),
    "300 KB in 900 fields, each signed": lambda: signed(
        many_fields(), names=("from", *(f"x{n}" for n in range(900)))
    ),
    "300 KB in one field": lambda: signed(
        b"X: " + b"y \t" * 100_000 + b"\r\n" + MESSAGE, names=("from", "x")
    ),
    "a field of 75,000 lines": lambda: signed(
        b"X:" + b"\r\n y" * 75_000 + b"\r\n" + MESSAGE, names=("from", "x")
    ),
    "a field of 200 KB, 1,000 times in h=": lambda: signed(
        b"X: " + b"y" * 200_000 + b"\r\n" + MESSAGE, names=("from", *["x"] * 1_000)
    ),
    "two million fields": lambda: (b"a:\r\n" * 2_000_000 + MESSAGE, ZONE),
    "a From field of 1 MB": lambda: (
        b"From: " + b'"a\\" (b) ' * 100_000 + b"<a@example.org>\r\n\r\nx\r\n",
        ZONE,
    ),
    "20,000 forged results": lambda: (
        b"Authentication-Results: mx.example.net; spf=pass\r\n" * 20_000 + MESSAGE,
        ZONE,
    ),
    "20,000 forged results below two million fields": lambda: (
        b"a:\r\n" * 2_000_000 + b"Received-SPF: pass mx.example.net\r\n" * 20_000 + MESSAGE,
        ZONE,
    ),
    "5,000 results of others": lambda: (
        b"Authentication-Results: x.example; spf=pass\r\n" * 5_000 + MESSAGE,
        ZONE,
    ),
    "results that nest": lambda: (
        (b"Authentication-Results: x.example; spf=pass " + b"(" * 500 + b"\r\n") * 2_000 + MESSAGE,
        ZONE,
    ),
    "results of 1 MB in one field": lambda: (
        b"Authentication-Results: x.example;" + b" spf=pass x.y=z;" * 60_000 + b"\r\n" + MESSAGE,
        ZONE,
    ),
    "an author domain of 127 labels": lambda: (
        MESSAGE.replace(b"a@example.org", b"a@" + b".".join([b"a"] * 127)),
        ZONE,
    ),
    "a DMARC record of 1 MB": lambda: (
        MESSAGE,
        {"_dmarc.example.org": {"TXT": ["v=DMARC1; p=none; " + "x=y; " * 200_000]}},
    ),
}
BODIES: dict[str, Callable[[], Case]] = {
    "a line of 65,000 spaces in the body": lambda: signed(
        HEADER + b"\r\n" + b" " * 65_000 + b"x\r\n"
    ),
    "a million empty lines at the end": lambda: signed(HEADER + b"\r\nx" + b"\r\n" * 1_000_000),
    "a million bare CRs at the end": lambda: signed(HEADER + b"\r\nx" + b"\r" * 1_000_000),
    "10 MB under five signatures": lambda: signed(large(10 * MB)),
    "10 MB of white space": lambda: signed(HEADER + b"\r\n" + b" \t" * 5 * MB + b"x\r\n"),
    "50 MB": lambda: signed_by_us(large(50 * MB)),
}
CHAINS: dict[str, Callable[[], Case]] = {
    "a chain of 50": lambda: (chain(50), ZONE),
    "a chain of 51": lambda: (chain(51), ZONE),
    "a chain of 50 and no key": lambda: (chain(50), {}),
    "a chain of 50 whose oldest seal is false": lambda: (
        chain(50).replace(b"ARC-Seal: i=1;\r\n\ta=", b"ARC-Seal: i=1;\r\n\tx=y;\r\n\ta="),
        ZONE,
    ),
    "a chain of 50 whose fields are long": lambda: (
        chain(50, said="x.example; " + "; ".join(["spf=pass (" + "x" * 80 + ")"] * 60)),
        ZONE,
    ),
    "3,000 seals": lambda: (
        b"".join(b"ARC-Seal: i=%d; cv=pass; d=a.b\r\n" % (n % 50) for n in range(3_000)) + MESSAGE,
        ZONE,
    ),
}
SPF: dict[str, Callable[[], Case]] = {
    "112 questions": fan_out,
    "a record that includes itself": lambda: with_spf("include:example.org -all"),
    "ten records that include ten": ten_by_ten,
    "a label of 16,000": lambda: with_spf("a:" + "x" * 16_000),
    "8,000 dots": lambda: with_spf("a:" + ".x" * 8_000),
    "3,000 macros": lambda: with_spf("exists:" + "%{i}." * 3_000 + "org"),
    "3,000 macros in a modifier": lambda: with_spf("unknown=" + "%{d}." * 3_000),
    "1,000 terms": lambda: with_spf("ip4:192.0.2.9 " * 1_000),
    "long terms": lambda: with_spf(" ".join(["a:" + "x" * 900 + "!"] * 15)),
    "a record of 1 MB": lambda: with_spf("ip4:192.0.2.9 " * 70_000),
}
CASES = {**SIGNATURES, **HEADERS, **BODIES, **CHAINS, **SPF}


def main(name: str) -> None:
    message, zone = CASES[name]()
    resolver = StaticResolver(zone)
    verdict = asyncio.run(authenticate(message, ENVELOPE, resolver))
    decision = decide(verdict, ENVELOPE, enforce="yes", trusted_sealers=frozenset({"example.org"}))
    stamped = stamp(message, verdict, ID, disposition=decision.disposition)
    results = verdict.results()
    seal(Message(stamped), chain=verdict.arc, authserv_id=ID, results=results, key=KEY)
    found = {
        "dkim": [result.result for result in verdict.dkim],
        "dkim_reason": verdict.dkim[0].reason if verdict.dkim else "",
        "spf": verdict.spf.result if verdict.spf else "",
        "arc": verdict.arc.result,
        "arc_reason": verdict.arc.reason,
        "author": verdict.author.reason,
        "asked": resolver.asked,
        "left": stamped.count(b"\nAuthentication-Results: ") + stamped.count(b"\nReceived-SPF: "),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT))
    main(sys.argv[1])
