"""Writes the ARC cases under cases/, 3001 and on.

    python -m tests.filters.mailauth.make_arc_cases

The cases are the files. The keys are fixed and Ed25519 signs without chance, so a run changes
nothing but what was changed here.
"""

import shutil
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.filters.mailauth.arc_crafting import RESULTS, SEAL, SIGNATURE, add_set
from tests.filters.mailauth.crafting import SIGNED, record
from tests.filters.mailauth.make_cases import FOLDER, MESSAGE, Maker

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes([1] * 32))
NAME = "mail._domainkey.sealer.example"
ZONE = {NAME: {"TXT": [record(KEY)]}}
ONE = add_set(MESSAGE, KEY)
TWO = add_set(ONE, KEY)
THREE = add_set(TWO, KEY)
MISMATCH = "the signature does not match the header fields"


def without(message: bytes, name: str, instance: int) -> bytes:
    """The message without one ARC field."""
    return message.replace(field_of(message, name, instance), b"")


def field_of(message: bytes, name: str, instance: int) -> bytes:
    """One ARC field of a message."""
    head, _blank, _body = message.partition(b"\r\n\r\n")
    fields = (head + b"\r\n").replace(b"\r\n\t", b"\0").split(b"\r\n")
    start = name.encode() + b":"
    (found,) = (
        field
        for field in fields
        if field.startswith(start) and f"i={instance};".encode() in field + b";"
    )
    return found.replace(b"\0", b"\r\n\t") + b"\r\n"


class ArcMaker(Maker):
    number = 3000

    def arc(
        self,
        name: str,
        about: str,
        message: bytes,
        result: str,
        reason: str = "",
        instances: int = 1,
        *,
        zone: Mapping[str, Any] = ZONE,
        sealer: str | None = "sealer.example",
        more: Mapping[str, Any] | None = None,
        **wanted: Any,
    ) -> None:
        found = {"result": result, "instances": instances, "sealer": sealer, "reason": reason}
        expected = {"arc": {**found, "temporary": False, **wanted}, **(more or {})}
        self.write(f"arc-{name}", about, message, zone, expected)

    def one(self, name: str, about: str, result: str, reason: str = "", **crafted: Any) -> None:
        """A case with one set, made otherwise than add_set makes it."""
        wanted = {k: crafted.pop(k) for k in ("instances", "sealer", "zone") if k in crafted}
        self.arc(name, about, add_set(MESSAGE, KEY, **crafted), result, reason, **wanted)


def chains(make: ArcMaker) -> None:
    a = make.arc
    a("none", "5.2 step 1", MESSAGE, "none", instances=0, sealer=None)
    a("one", "K10: an Ed25519 chain", ONE, "pass")
    a("three", "5.2: the whole chain", THREE, "pass", instances=3)
    a(
        "modified-between",
        "5.2: only the newest ARC-Message-Signature must verify",
        add_set(ONE.replace(b"bye", b"footer"), KEY),
        "pass",
        instances=2,
    )
    body = "the body hash does not match"
    reason = f"ARC-Message-Signature of instance 3: {body}"
    a("body-changed", "step 4", THREE.replace(b"bye", b"buy"), "fail", reason, 3)
    reason = f"ARC-Message-Signature of instance 3: {MISMATCH}"
    a("header-changed", "step 4", THREE.replace(b"good", b"bad"), "fail", reason, 3)
    reason = f"ARC-Seal of instance 3: {MISMATCH}"
    changed = THREE.replace(
        field_of(THREE, RESULTS, 1), field_of(THREE, RESULTS, 1).replace(b"spf=pass", b"spf=fail")
    )
    a("results-changed", "step 6: the newest seal covers the oldest results", changed, "fail",
      reason, 3)  # fmt: skip
    forged = add_set(add_set(MESSAGE, OTHER), KEY)
    reason = f"ARC-Seal of instance 1: {MISMATCH}"
    a("older-seal", "step 6: down to instance 1", forged, "fail", reason, 2)
    a("cut", "a chain may be cut at the top; the body still verifies", ONE, "pass")


def structure(make: ArcMaker) -> None:
    a, one = make.arc, make.one
    for name, short in ((SEAL, "seal"), (SIGNATURE, "signature"), (RESULTS, "results")):
        reason = f"no {name} of instance 1"
        a(f"no-{short}", "step 3A", without(TWO, name, 1), "fail", reason, 2)
        twice = field_of(TWO, name, 1) + TWO
        reason = f"two {name} fields of instance 1"
        a(f"two-{short}", "step 3A", twice, "fail", reason, 2)
    gap = add_set(ONE, KEY, instance=3)
    a("gap", "step 3B", gap, "fail", "no ARC-Seal of instance 2", 3)
    two = add_set(MESSAGE, KEY, instance=2)
    a("starts-at-two", "step 3B", two, "fail", "no ARC-Seal of instance 1", 2)
    out = "an ARC instance that is not 1 to 50"
    a("instance-51", "4.2.1", add_set(ONE, KEY, instance=51), "fail", out, 51)
    a("instance-0", "4.2.1", add_set(MESSAGE, KEY, instance=0), "fail", out, 0, sealer=None)
    unread = {"instances": 1, "sealer": None}
    for name, value in (("no", None), ("empty", ""), ("long", "001"), ("sign", "+1")):
        one(f"seal-{name}-instance", "4.2.1", "fail", f"an {SEAL} without an instance",
            seal_tags={"i": value}, **unread)  # fmt: skip
        one(f"signature-{name}-instance", "4.2.1", "fail", f"an {SIGNATURE} without an instance",
            tags={"i": value})  # fmt: skip
    one("results-no-instance", "4.1.1", "fail", f"an {RESULTS} without an instance",
        results="mx.example.org; spf=pass")  # fmt: skip
    one("results-late-instance", "4.1.1: i= comes first", "fail",
        f"an {RESULTS} without an instance", results="mx.example.org; i=1; spf=pass")  # fmt: skip
    one("results-odd-instance", "4.1.1: white space and comments", "pass",
        results="(c (d)) i (e) = (f) 01 (g) ; mx.example.org; spf=pass")  # fmt: skip
    one("results-unreadable", "4.1.1: what is said does not decide", "pass",
        results="i=1; mx.example.org; ???=")  # fmt: skip
    one("k9-odd-instance", "K9: white space in i=", "pass",
        tags={"i": " \r\n\t1 "}, seal_tags={"i": "\r\n 01"})  # fmt: skip
    a("fifty-one", "4.2.1: not even read", b"ARC-Seal: i=1\r\n" * 151 + MESSAGE, "fail",
      "more than 50 ARC sets", 50, sealer=None)  # fmt: skip


def validation_status(make: ArcMaker) -> None:
    a, one = make.arc, make.one
    for cv in ("pass", "None", "", "invalid"):
        one(f"first-cv-{cv or 'empty'}", "step 3C", "fail",
            "the ARC-Seal of instance 1 does not say cv=none", seal_tags={"cv": cv})  # fmt: skip
    second = add_set(ONE, KEY, cv="none")
    reason = "the ARC-Seal of instance 2 does not say cv=pass"
    a("second-cv-none", "step 3C", second, "fail", reason, 2)
    failed = "the newest ARC-Seal says cv=fail"
    a("newest-cv-fail", "step 2", add_set(ONE, KEY, cv="fail", alone=True), "fail", failed, 2)
    ended = add_set(MESSAGE, KEY, cv="fail")
    a("after-cv-fail", "step 3C: nothing can follow", add_set(ended, KEY),
      "fail", "the ARC-Seal of instance 1 does not say cv=none", 2)  # fmt: skip


def tag_lists(make: ArcMaker) -> None:
    one = make.one
    one("seal-h", "4.1.3: a seal has no h=", "fail", "the ARC-Seal of instance 1 has h=",
        seal_tags={"h": "from"})  # fmt: skip
    one("signature-h-seal", "4.1.2", "fail",
        "ARC-Message-Signature of instance 1: h= holds ARC-Seal",
        names=(*SIGNED, "ARC-Seal"))  # fmt: skip
    one("signature-h-results", "4.1.2: a sealer's fault that harms nobody", "pass",
        names=(*SIGNED, "arc-authentication-results"))  # fmt: skip
    one("signature-h-no-from", "K1", "fail",
        "ARC-Message-Signature of instance 1: the signature does not cover From",
        names=("to", "subject"))  # fmt: skip
    one("signature-v", "4.1.2: v= is ignored", "pass", tags={"v": "7"})
    one("unknown-tags", "RFC 6376 3.2", "pass", tags={"zz": "1"}, seal_tags={"bh": "x", "c": "y"})
    one("simple", "4.1.2: any of DKIM's canonicalisations", "pass", tags={"c": "simple/simple"})
    one("k7-length", "K7: l= leaves an end unsigned", "fail",
        "ARC-Message-Signature of instance 1: l= leaves the end of the body unsigned",
        tags={"l": "3"})  # fmt: skip
    malformed = "is malformed: the tag a= occurs twice"
    one("seal-repeated-tag", "RFC 6376 3.2", "fail", f"an {SEAL} {malformed}",
        seal_tags={"zz": "1; a=ed25519-sha256"}, instances=1, sealer=None)  # fmt: skip
    one("signature-repeated-tag", "RFC 6376 3.2", "fail", f"an {SIGNATURE} {malformed}",
        tags={"zz": "1; a=ed25519-sha256"})  # fmt: skip
    for tag in ("a", "b", "d", "s"):
        lacks = f"of instance 1: the signature lacks {tag}="
        alone: Any = {"seal_tags": {tag: None}} if tag != "b" else {"seal_after": {"b": ""}}
        said = lacks if tag != "b" else "of instance 1: the signature's b= is empty"
        sealer = None if tag == "d" else "sealer.example"
        one(f"seal-no-{tag}", "4.1.3", "fail", f"ARC-Seal {said}", sealer=sealer, **alone)
    one("seal-sha1", "RFC 8301", "fail", "ARC-Seal of instance 1: rsa-sha1 is no longer valid",
        seal_tags={"a": "rsa-sha1"})  # fmt: skip
    one("seal-future", "K6", "fail", "ARC-Seal of instance 1: the signature's t= is in the future",
        seal_tags={"t": "1700001000"})  # fmt: skip
    one("seal-digits", "K8", "fail", "ARC-Seal of instance 1: the signature's t= is no number",
        seal_tags={"t": "1" * 5000})  # fmt: skip
    one("seal-base64", "K8", "fail", "ARC-Seal of instance 1: the signature's b= is no base64",
        seal_after={"b": "A==="})  # fmt: skip
    subject = "an unsigned second Subject above the signed one"
    make.arc("unsigned-subject", "RFC 6376 8.15", b"Subject: other\r\n" + ONE, "fail",
             f"ARC-Message-Signature of instance 1: {subject}")  # fmt: skip
    make.arc("second-from", "no single author", b"From: m@evil.example\r\n" + ONE, "fail",
             "several From fields")  # fmt: skip


def keys(make: ArcMaker) -> None:
    a = make.arc
    signature = "ARC-Message-Signature of instance 1"
    a("no-key", "K13", ONE, "fail", f"{signature}: no key record for the signature", zone={})
    a("servfail", "K13: not failed for good", ONE, "fail", f"SERVFAIL for TXT of {NAME}",
      zone={NAME: "SERVFAIL"}, temporary=True)  # fmt: skip
    a("timeout", "K13: not failed for good", ONE, "fail", "the DNS look-up timed out for TXT of "
      + NAME, zone={NAME: "TIMEOUT"}, temporary=True)  # fmt: skip
    slow = add_set(add_set(MESSAGE, KEY, seal_tags={"s": "slow"}), KEY)
    away = "slow._domainkey.sealer.example"
    a("older-servfail", "K13: in the middle of a chain", slow, "fail",
      f"SERVFAIL for TXT of {away}", 2, zone={**ZONE, away: "SERVFAIL"},
      temporary=True)  # fmt: skip
    a("revoked", "RFC 6376 3.6.1", ONE, "fail", f"{signature}: the key is revoked",
      zone={NAME: {"TXT": ["v=DKIM1; k=ed25519; p="]}})  # fmt: skip
    a("questions", "one question for one key, and three for SPF and DMARC", THREE, "pass",
      instances=3, more={"questions": 4})  # fmt: skip


def main() -> None:
    for folder in FOLDER.iterdir():
        if folder.is_dir() and folder.name.startswith("3") and "-arc-" in folder.name:
            shutil.rmtree(folder)
    make = ArcMaker()
    chains(make)
    structure(make)
    validation_status(make)
    tag_lists(make)
    keys(make)


if __name__ == "__main__":
    main()
