"""Writes the DKIM and SPF cases under cases/: `python -m tests.filters.mailauth.make_cases`.

The cases are the files; this only spares writing signatures by hand. It makes new keys, so a run
changes every signed case. Run it to add one, then look at what came out.
"""

import base64
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.filters.mailauth.crafting import SIGNED, craft, public_data, record, rsa_key

FOLDER = Path(__file__).parent / "cases"
NOW = 1_700_000_000
RSA = rsa_key()
ED = Ed25519PrivateKey.generate()
NAME = "mail._domainkey.example.org"
KEY = {NAME: {"TXT": [record(RSA)]}}
ED_KEY = {NAME: {"TXT": [record(ED)]}}
HEADER = (
    b"From: Alice <alice@example.org>\r\nTo: bob@example.net\r\n"
    b"Subject: a  good\r\n\tsubject\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
)
BODY = b"Hello  Bob, \r\n\r\nbye\r\n\r\n\r\n"
MESSAGE = HEADER + b"\r\n" + BODY
NO_DMARC = 'dmarc=none reason="no DMARC record" header.from=example.org'
DKIM_ENVELOPE = {"client_address": "192.0.2.1", "helo": "mail.example.org", "sender": ""}


class Maker:
    number = 0

    def write(
        self,
        name: str,
        about: str,
        message: bytes,
        zone: Mapping[str, Any],
        expected: Mapping[str, Any],
        envelope: Mapping[str, Any] = DKIM_ENVELOPE,
    ) -> None:
        self.number += 1
        folder = FOLDER / f"{self.number:02}-{name}"
        folder.mkdir(parents=True)
        (folder / "message.eml").write_bytes(message)
        lines = [f"now = {NOW}"] + [f"{k} = {json.dumps(v)}" for k, v in envelope.items()]
        (folder / "envelope.toml").write_text("\n".join(lines) + "\n")
        (folder / "zone.yaml").write_text(yaml.safe_dump(dict(zone), width=95))
        text = json.dumps({"about": about, **expected}, indent=2)
        (folder / "expected.json").write_text(text + "\n")

    def dkim(
        self,
        name: str,
        about: str,
        result: str,
        reason: str = "",
        *,
        message: bytes = MESSAGE,
        key: Any = RSA,
        zone: Mapping[str, Any] = KEY,
        front: bytes | None = None,
        signed: bytes | None = None,
        names: Sequence[str] = SIGNED,
        more: Mapping[str, Any] | None = None,
        tags: Mapping[str, str | None] | None = None,
        after: Mapping[str, str] | None = None,
    ) -> None:
        """A case with one signature over `signed` in front of `message`."""
        field = craft(signed or message, key, names=names, tags=tags, after=after)
        wanted = {"result": result, "reason": reason, "testing": False, **(more or {})}
        if result == "pass":
            wanted = {"domain": "example.org", "selector": "mail", **wanted}
        text = (front or b"") + field + message
        self.write(f"dkim-{name}", about, text, zone, {"dkim": [wanted]})

    def spf(
        self,
        name: str,
        about: str,
        zone: Mapping[str, Any],
        mail_from: str = "alice@example.org",
        *,
        client: str = "192.0.2.1",
        helo: str = "mail.example.org",
        more: Mapping[str, Any] | None = None,
        **wanted: Any,
    ) -> None:
        envelope = {"client_address": client, "helo": helo, "sender": mail_from}
        self.write(f"spf-{name}", about, MESSAGE, zone, {"spf": wanted, **(more or {})}, envelope)


def key(suffix: str = "", prefix: str = "v=DKIM1; ") -> dict[str, Any]:
    return {NAME: {"TXT": [record(RSA, prefix, suffix)]}}


def der_null_with_a_length() -> str:
    data = public_data(RSA).replace(b"\x05\x00", b"\x05\x7f", 1)
    return f"v=DKIM1; k=rsa; p={base64.b64encode(data).decode()}"


def dkim_cases(make: Maker) -> None:
    d = make.dkim
    d("pass-rsa", "RFC 6376: a good signature", "pass")
    d("pass-ed25519", "RFC 8463: a good signature", "pass", key=ED, zone=ED_KEY)
    d("pass-simple", "RFC 6376 3.4.1, 3.4.3", "pass", tags={"c": "simple/simple"})
    d("pass-no-c", "3.5: c= is simple/simple where it is missing", "pass", tags={"c": None})
    d("pass-relaxed-only", "3.5: c=relaxed means relaxed/simple", "pass", tags={"c": "relaxed"})
    empty = HEADER + b"\r\n"
    d("empty-body-relaxed", "3.4.4: an empty body is nothing", "pass", message=empty)
    d(
        "empty-body-simple",
        "3.4.3: an empty body is CRLF",
        "pass",
        message=empty,
        tags={"c": "simple/simple"},
    )
    wild = HEADER.replace(b"good", b"g\xf6\xf6d") + b"\r\n\xff\rbare CR\r\r\nand \x0bVT\x0c \r\n"
    d("8-bit", "bytes are bytes", "pass", message=wild)
    d("8-bit-simple", "bytes are bytes", "pass", message=wild, tags={"c": "simple/simple"})
    d(
        "body-changed",
        "6.1.3",
        "fail",
        "the body hash does not match",
        message=MESSAGE.replace(b"bye", b"buy"),
        signed=MESSAGE,
    )
    d(
        "header-changed",
        "6.1.3",
        "fail",
        "the signature does not match the header fields",
        message=MESSAGE.replace(b"good", b"bad"),
        signed=MESSAGE,
    )
    make.write("dkim-none", "RFC 8601 2.7.1", MESSAGE, {}, {
        "dkim": [], "author_domain": "example.org",
        "authentication_results": "Authentication-Results: mx.example.net; spf=none "
        'reason="no SPF record" smtp.helo=mail.example.org; dkim=none; ' + NO_DMARC})  # fmt: skip
    d(
        "k1-from-not-signed",
        "K1, 5.4: what is signed includes From",
        "permerror",
        "the signature does not cover From",
        names=("to", "subject", "date"),
    )
    d(
        "k1-single-label",
        "K1: d= of one label",
        "policy",
        "the signature's d= is a top-level domain",
        tags={"d": "org"},
        zone={"mail._domainkey.org": KEY[NAME]},
    )
    d(
        "k1-psd",
        "K1, RFC 9989: d= whose own DMARC record says psd=y",
        "policy",
        "the signature's d= is a public suffix",
        zone={**KEY, "_dmarc.example.org": {"TXT": ["v=DMARC1; p=reject; psd=y"]}},
    )
    d(
        "k1-psd-elsewhere",
        "K1: a parent's psd=y says nothing of d= itself",
        "pass",
        zone={
            **KEY,
            "_dmarc.example.org": {"TXT": ["v=DMARC1; p=reject; psd=n"]},
            "_dmarc.org": {"TXT": ["v=DMARC1; psd=y"]},
        },
    )
    d(
        "k2-key-h",
        "K2, 3.6.1: the key's h= lacks sha256",
        "permerror",
        "the key record's h= does not allow sha256",
        zone=key("; h=sha1"),
    )
    d(
        "k2-key-h-list",
        "K2: the key's h= has it among others",
        "pass",
        zone=key("; h=sha1 : SHA256"),
    )
    d(
        "k2-strict",
        "K2: t=s wants i= in d= itself",
        "permerror",
        "the key's t=s wants i= in d= itself",
        zone=key("; t=y:s"),
        tags={"i": "alice@sub.example.org"},
    )
    d(
        "k2-strict-same",
        "K2: t=s with i= of d= itself",
        "pass",
        zone=key("; t=s"),
        tags={"i": "alice@Example.ORG"},
        more={"identity": "alice@Example.ORG"},
    )
    d("k2-subdomain", "3.5: i= of a subdomain", "pass", tags={"i": "@sub.example.org"})
    d(
        "k2-testing",
        "K2: t=y is reported",
        "pass",
        "the key is for testing only",
        zone=key("; t=y"),
        more={"testing": True},
    )
    d(
        "k2-testing-fail",
        "K2: t=y is reported of a failure too",
        "fail",
        "the body hash does not match",
        zone=key("; t=y"),
        more={"testing": True},
        message=MESSAGE.replace(b"bye", b"buy"),
        signed=MESSAGE,
    )
    mismatch = "the key record's k= is not the kind of key of the signature's a="
    d("k3-rsa-with-ed25519-key", "K3", "permerror", mismatch, zone=ED_KEY)
    d("k3-ed25519-with-rsa-key", "K3", "permerror", mismatch, key=ED)
    d(
        "k3-ed25519-said-rsa",
        "K3: k=rsa, but 32 octets",
        "permerror",
        "the key record's p= is no key",
        zone={NAME: {"TXT": [record(ED).replace("k=ed25519", "k=rsa")]}},
    )
    d("k4-service-list", "K4, 3.6.1: s= is a list", "pass", zone=key("; s=email:tlsrpt"))
    d(
        "k4-service-other",
        "K4: a key for other services",
        "permerror",
        "the key record's s= does not allow e-mail",
        zone=key("; s=tlsrpt"),
    )
    d("k5-query-list", "K5, 3.5: q= is a list", "pass", tags={"q": "dns/txt:other"})
    d(
        "k5-query-unknown",
        "K5: no known method",
        "neutral",
        "the signature's q= names no known method",
        tags={"q": "dns/other"},
    )
    d(
        "k5-case",
        "K5: a=, c= and q= ignore case",
        "pass",
        tags={"a": "RSA-sha256", "c": "Relaxed/RELAXED", "q": "DNS/txt"},
    )
    d(
        "k5-version-late",
        "K5, 3.6.1: v= of a key record comes first",
        "permerror",
        "the key record is malformed: v= must come first and be DKIM1",
        zone=key("; v=DKIM1", ""),
    )
    d("k5-version-none", "K5: v= of a key record may be missing", "pass", zone=key("", ""))
    d(
        "k6-expired",
        "K6: ten minutes ago",
        "permerror",
        "the signature has expired",
        tags={"x": str(NOW - 600)},
    )
    d("k6-just-expired", "K6: clocks differ by minutes", "pass", tags={"x": str(NOW - 120)})
    d(
        "k6-future",
        "K6: t= in ten minutes",
        "permerror",
        "the signature's t= is in the future",
        tags={"t": str(NOW + 600)},
    )
    d("k6-near-future", "K6: t= in two minutes", "pass", tags={"t": str(NOW + 120)})
    d(
        "k6-x-before-t",
        "3.5: x= must not be before t=",
        "permerror",
        "the signature expires before it was made",
        tags={"t": str(NOW + 60), "x": str(NOW + 30)},
    )
    d(
        "k7-length",
        "K7: an unsigned tail",
        "policy",
        "l= leaves the end of the body unsigned",
        tags={"l": "5"},
    )
    d(
        "k7-length-zero",
        "K7: nothing of the body is signed",
        "policy",
        "l= leaves the end of the body unsigned",
        tags={"l": "0"},
    )
    d("k7-length-whole", "K7: l= of the whole canonical body", "pass", tags={"l": "19"})
    d(
        "k7-length-beyond",
        "K7: l= larger than the body",
        "permerror",
        "l= is more than there is of the body",
        tags={"l": "999"},
    )
    d(
        "k7-sha1",
        "K7, RFC 8301 3.1",
        "permerror",
        "rsa-sha1 is no longer valid",
        tags={"a": "rsa-sha1"},
    )
    d(
        "k7-short-key",
        "RFC 8301 3.2",
        "permerror",
        "an RSA key of 1023 bits, not 1024 to 8192",
        zone={NAME: {"TXT": [SHORT]}},
    )
    d(
        "k8-space-first",
        "K8: the first line starts with a space",
        "permerror",
        "a line of the header section is no header field",
        front=b" x\r\n",
    )
    d(
        "k8-no-at",
        "K8: i= without @",
        "neutral",
        "the signature's i= is no identity",
        tags={"i": "example.org"},
    )
    d("k8-bh", "K8: bh=A===", "neutral", "the signature's bh= is no base64", after={"bh": "A==="})
    d("k8-b", "K8: b=A===", "neutral", "the signature's b= is no base64", after={"b": "A==="})
    d(
        "k8-digits",
        "K8: t= of 5,000 digits",
        "neutral",
        "the signature's t= is no number",
        tags={"t": "1" * 5000},
    )
    d(
        "k8-der",
        "K8: an ASN.1 NULL with a length",
        "permerror",
        "the key record's p= is no key",
        zone={NAME: {"TXT": [der_null_with_a_length()]}},
    )
    d(
        "k8-txt-8-bit",
        "K8: 8-bit bytes in the key record",
        "permerror",
        "the key record's p= is no key",
        zone={NAME: {"TXT": ["v=DKIM1; p=\udcff\udc80"]}},
    )
    d(
        "k11-from-space",
        "K11: `From : x` is a From too",
        "permerror",
        "several From fields",
        front=b"From : Mallory <m@evil.example>\r\n",
    )
    d(
        "k11-from-folded",
        "a From folded before its colon",
        "permerror",
        "several From fields",
        front=b"From\r\n : Mallory <m@evil.example>\r\n",
    )
    d(
        "k12-bare-lf",
        "K12: a bare LF is no CRLF",
        "fail",
        "the body hash does not match",
        message=HEADER + b"\r\none\ntwo\r\n",
        signed=HEADER + b"\r\none\r\ntwo\r\n",
    )
    d(
        "k12-second-txt",
        "K12: the key is in the second record",
        "pass",
        zone={NAME: {"TXT": ["some verification string", record(RSA)]}},
    )
    d(
        "k12-other-key-first",
        "K12: another key is in the first record",
        "pass",
        zone={NAME: {"TXT": [record(rsa_key()), record(RSA)]}},
    )
    d("k13-nxdomain", "K13", "permerror", "no key record for the signature", zone={})
    d("k13-nodata", "K13", "permerror", "no key record for the signature", zone={NAME: "NODATA"})
    d("k13-servfail", "K13", "temperror", f"SERVFAIL for TXT of {NAME}", zone={NAME: "SERVFAIL"})
    d(
        "k13-timeout",
        "K13",
        "temperror",
        f"the DNS look-up timed out for TXT of {NAME}",
        zone={NAME: {"TXT": "TIMEOUT"}},
    )
    d(
        "k13-revoked",
        "3.6.1: an empty p=",
        "permerror",
        "the key is revoked",
        zone={NAME: {"TXT": ["v=DKIM1; p="]}},
    )
    d(
        "key-alias",
        "the key record stands behind an alias",
        "pass",
        zone={NAME: {"CNAME": "k.host.example"}, "k.host.example": KEY[NAME]},
    )
    for field in ("Subject: evil", "Date: now", "To: x@y.example", "Cc: x@y.example"):
        name = field.partition(":")[0]
        signed = MESSAGE if name != "Cc" else b"Cc: c@example.net\r\n" + MESSAGE
        d(
            f"unsigned-{name.lower()}",
            f"8.15: an unsigned second {name} above",
            "policy",
            f"an unsigned second {name} above the signed one",
            front=f"{field}\r\n".encode(),
            message=signed,
            names=(*SIGNED, "cc"),
        )
    d(
        "oversigned-subject",
        "5.4.2: signed once more than it occurs",
        "fail",
        "the signature does not match the header fields",
        front=b"Subject: evil\r\n",
        names=(*SIGNED, "subject"),
    )
    d(
        "missing-tag",
        "6.1.1: a required tag is missing",
        "permerror",
        "the signature lacks s=",
        tags={"s": None},
    )
    d(
        "repeated-tag",
        "3.2: a tag occurs twice",
        "neutral",
        "the signature is malformed: the tag d= occurs twice",
        after={"b": "AAAA; d=evil.example"},
    )
    d(
        "hidden-b",
        "a second b= within a tag",
        "pass",
        tags={"n": "x b=AAAA"},
    )
    d(
        "d-not-ldh",
        "d= is LDH labels only",
        "neutral",
        "the signature's d= is no domain",
        tags={"d": "exa_mple.org", "i": "@exa_mple.org"},
    )
    d(
        "foreign-i",
        "6.1.1: i= is not of d=",
        "permerror",
        "the signature's i= is not of its d=",
        tags={"i": "@notexample.org"},
    )
    good = craft(MESSAGE, RSA)
    broken = b"DKIM-Signature: nonsense\r\n"
    rest = "only 5 signatures are verified, those of the author's domain first"
    make.write(
        "dkim-five", "what cannot be read takes no place of what can",
        broken * 4 + good + good + MESSAGE, KEY,
        {"dkim": [{"result": "neutral", "domain": ""}] * 3
         + [{"result": "policy", "domain": "", "reason": rest}]
         + [{"result": "pass", "domain": "example.org"}] * 2})  # fmt: skip


SHORT = (
    "v=DKIM1; p="  # 1,023 bits, so that a library which refuses to make one is not needed
    + base64.b64encode(
        bytes.fromhex("30819e300d06092a864886f70d010101050003818c00308188028180")
        + b"\x7f" + b"\xff" * 126 + b"\xfd"
        + bytes.fromhex("0203010001")
    ).decode()
)  # fmt: skip


def spf_cases(make: Maker) -> None:
    s = make.spf
    ok = {"example.org": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]}}
    s("pass", "RFC 7208", ok, result="pass", identity="mailfrom", domain="example.org")
    s("fail", "RFC 7208", ok, client="192.0.2.2", result="fail", reason="matched -all")
    s(
        "null-sender",
        "2.4: HELO for the null sender",
        {"mail.example.org": ok["example.org"]},
        "",
        result="pass",
        identity="helo",
        sender="mail.example.org",
    )
    s("mapped", "an IPv4 client seen over IPv6", ok, client="::ffff:192.0.2.1", result="pass")
    s(
        "servfail",
        "2.6.6",
        {"example.org": "SERVFAIL"},
        result="temperror",
        reason="SERVFAIL for TXT of example.org",
    )
    s(
        "timeout",
        "2.6.6",
        {"example.org": {"TXT": ["v=spf1 a -all"], "A": "TIMEOUT"}},
        result="temperror",
        reason="the DNS look-up timed out for A of example.org",
    )
    s(
        "helo-literal",
        "4.3: no domain, no result",
        {},
        "",
        helo="[192.0.2.1]",
        result="none",
        reason="no domain to check",
    )
    s(
        "p2-explanation-unread",
        "P2: exp= is looked up after a fail only",
        {
            "example.org": {
                "TXT": ["v=spf1 include:i.example.org ip4:192.0.2.1 exp=e.example.org"]
            },
            "i.example.org": {"TXT": ["v=spf1 -all exp=e.example.org"]},
            "e.example.org": "TIMEOUT",
        },
        result="pass",
        more={"questions": 4},  # two of them for DMARC
    )
    s(
        "p2-explanation",
        "6.2: what the domain says about a fail",
        {
            "example.org": {"TXT": ["v=spf1 -all exp=e.example.org"]},
            "e.example.org": {"TXT": ["%{i} is not ours"]},
        },
        result="fail",
        explanation="192.0.2.1 is not ours",
    )
    s(
        "p2-explanation-timeout",
        "6.2: the fail stands",
        result="fail",
        explanation="",
        zone={
            "example.org": {"TXT": ["v=spf1 -all exp=e.example.org"]},
            "e.example.org": "TIMEOUT",
        },
    )
    s(
        "p3-absolute",
        "P3: names are absolute",
        {"nospf.example.corp.internal": ok["example.org"]},
        "a@nospf.example",
        result="none",
        reason="no SPF record",
    )
    s(
        "p4-long-domain",
        "P4, 4.3",
        {},
        "a@" + "x" * 60 + ".example" * 40,
        result="none",
        reason="no domain to check",
    )
    s("p4-long-label", "P4, 4.3", {}, "a@" + "x" * 64 + ".example", result="none")
    s("p4-idna", "P4: no A-label for it", {}, "a@\u2024\u00df.example", result="none")
    s(
        "p4-u-label",
        "P4: a U-label is its A-label",
        {"xn--bcher-kva.example": ok["example.org"]},
        "a@b\u00fccher.example",
        result="pass",
    )
    s(
        "p4-escape",
        "P4: a backslash is a byte like others",
        {"example.org": {"TXT": ["v=spf1 exists:%{l}.example.org -all"]}},
        "a\\300b@example.org",
        result="fail",
    )
    s(
        "p4-long-macro",
        "P4: a name that grew too long does not exist",
        {"example.org": {"TXT": ["v=spf1 exists:%{l}.%{l}.%{l}.%{l}.%{l}.example.org -all"]}},
        "x" * 64 + "@example.org",
        result="fail",
    )
    s(
        "p4-scope",
        "P4: an address with a zone index",
        {"example.org": {"TXT": ["v=spf1 ip6:fe80::1 -all"]}},
        client="fe80::1%eth0",
        result="pass",
    )
    s(
        "p4-no-address",
        "P4: no address at all",
        {},
        client="nonsense",
        result="none",
        reason="the client has no address",
    )
    hosts = [f"mx{n}.example.org" for n in range(5)]
    s(
        "p5-ipv6-mx",
        "P5: hosts without AAAA are no void look-ups",
        {
            "example.org": {
                "TXT": ["v=spf1 mx ip6:2001:db8::/32 -all"],
                "MX": [[10, host] for host in hosts],
            },
            **{host: {"A": ["192.0.2.7"]} for host in hosts},
        },
        client="2001:db8::1",
        result="pass",
    )
    s(
        "p5-void-mx",
        "4.6.4: hosts that do not exist are one term with void look-ups",
        {
            "example.org": {
                "TXT": ["v=spf1 mx ip6:2001:db8::/32 -all"],
                "MX": [[10, host] for host in hosts],
            }
        },
        client="2001:db8::1",
        result="pass",
    )
    s(
        "p6-quoted-at",
        "P6: the last @ parts local part and domain",
        {"c.example": ok["example.org"]},
        '"a@b"@c.example',
        result="pass",
        domain="c.example",
    )
    hostile = 'x\r\nAuthentication-Results: mx.example.net; dkim=pass\0("\\'
    quoted = '"x??Authentication-Results: mx.example.net; dkim=pass?(\\"\\\\'
    s("p7-hostile-helo", "P7: a name cannot leave its quotes", {}, "", helo=hostile,
      result="none", more={
          "authentication_results": "Authentication-Results: mx.example.net; spf=none "
          f'reason="no domain to check" smtp.helo={quoted}"; dkim=none; ' + NO_DMARC})  # fmt: skip
    s("p7-hostile-sender", "P7: nor an address", {}, hostile + "@example.org",
      result="none", more={
          "authentication_results": "Authentication-Results: mx.example.net; spf=none "
          f'reason="no SPF record" smtp.mailfrom={quoted}@example.org"; dkim=none; '
          + NO_DMARC})  # fmt: skip
    s(
        "records-too-long",
        "16 KB of records are enough",
        {"example.org": {"TXT": [["v=spf1 "] + ["ip4:192.0.2.1/32 " * 15] * 70]}},
        result="permerror",
        reason="SPF records that are too long",
    )
    s(
        "lookups",
        "4.6.4: more than ten terms that look up",
        {"example.org": {"TXT": ["v=spf1 " + "a " * 11 + "-all"], "A": ["192.0.2.9"]}},
        result="permerror",
        reason="Too many DNS lookups",
    )


def forged_cases(make: Maker) -> None:
    forged = (
        b"Authentication-Results: MX.Example.NET; dkim=pass header.d=example.org\r\n",
        b'Authentication-Results: (c(d)) "mx.example.net" (v) 1; spf=pass\r\n',
        b"AUTHENTICATION-results : mx.example.net.\r\n ;\r\n none\r\n",
        b"Authentication-Results: no semicolon or results\r\n",
        b"Authentication-Results: other.example; dkim=pass (unclosed\r\n",
        b"Received-SPF: pass (mx.example.net: fine) receiver=mx.example.net\r\n",
        b"Received-SPF: nonsense\r\n",
    )
    others = (
        b"Authentication-Results: other.example; dkim=pass header.b=a/b+c=\r\n"
        b"X-Authentication-Results: mx.example.net; spf=pass\r\n"
        b"Received-SPF: pass (other.example: fine) receiver=other.example\r\n"
    )
    make.write(
        "forged", "RFC 8601 5: ours and unreadable ones go, others' stay",
        forged[0] + others + b"".join(forged[1:]) + MESSAGE, {},
        {"stamped": (others + MESSAGE).replace(b"\r\n\t", b" ").decode()})  # fmt: skip


def main() -> None:
    for folder in FOLDER.iterdir():
        if folder.is_dir() and int(folder.name.partition("-")[0]) < 200:
            shutil.rmtree(folder)
    make = Maker()
    dkim_cases(make)
    spf_cases(make)
    forged_cases(make)


if __name__ == "__main__":
    main()
