"""Writes the cases 4001 and on, of what the RFCs' sections decide: DKIM beyond the facts' list,
what smtpd knows already, and a trusted forwarder's word.

    python -m tests.filters.mailauth.make_rfc_cases

The cases are the files. The keys are fixed and Ed25519 signs without chance, so a run changes
nothing but what was changed here, and the two cases of RSA keys at the bounds.
"""

import base64
import re
import shutil
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.filters.mailauth.arc_crafting import add_set
from tests.filters.mailauth.crafting import SIGNED, craft, public_data, record, rsa_key
from tests.filters.mailauth.make_cases import BODY, DKIM_ENVELOPE, FOLDER, HEADER, MESSAGE, Maker

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
NAME = "mail._domainkey.example.org"
ZONE = {NAME: {"TXT": [record(KEY)]}}
ENCODED = base64.b64encode(public_data(KEY)).decode()
MISMATCH = "the signature does not match the header fields"
BODY_MISMATCH = "the body hash does not match"

# RFC 8463, Appendix A.2 and A.3.
APPENDIX_ZONE = {
    "brisbane._domainkey.football.example.com": {
        "TXT": ["v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="]
    },
    "test._domainkey.football.example.com": {
        "TXT": [
            [
                "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWR",
                "iGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutAC",
                "DfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3",
                "Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
            ]
        ]
    },
}
APPENDIX = b"""\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
""".replace(b"\n", b"\r\n")


class RfcMaker(Maker):
    number = 4000

    def dkim(self, name: str, about: str, result: str, reason: str = "", **more: Any) -> None:
        """As Maker.dkim(), with the fixed key."""
        super().dkim(name, about, result, reason, **{"key": KEY, "zone": ZONE, **more})

    def record(self, name: str, about: str, text: Any, result: str, reason: str = "") -> None:
        """A good signature and what the key record says."""
        self.dkim(f"record-{name}", about, result, reason, zone={NAME: {"TXT": [text]}})

    def altered(
        self, name: str, about: str, header: bytes, body: bytes, by: Mapping[str, bool]
    ) -> None:
        """A message that was changed on its way; by: whether a canonicalisation bears it."""
        for method, borne in by.items():
            reason = "" if borne else BODY_MISMATCH if header == HEADER else MISMATCH
            result = "pass" if borne else "fail"
            short = method.replace("/", "-")
            self.dkim(f"{name}-{short}", about, result, reason, message=header + b"\r\n" + body,
                      signed=MESSAGE, tags={"c": method})  # fmt: skip


# Tables of calls; the formatter would give every argument a line.
# fmt: off
def fields(make: RfcMaker) -> None:
    """RFC 6376 §3.2, §3.5: how the field is written."""
    d = make.dkim
    make.write("dkim-rfc-8463-appendix", "RFC 8463 A.3: both signatures", APPENDIX, APPENDIX_ZONE, {
        "dkim": [{"result": "pass", "algorithm": "ed25519-sha256", "selector": "brisbane"},
                 {"result": "pass", "algorithm": "rsa-sha256", "selector": "test"}],
        "author_domain": "football.example.com"})
    d("tags-unknown", "3.2: unknown tags are ignored", "pass", tags={"z": "From:x", "xy_z1": ""})
    d("tags-case", "3.2: the case of tag names matters", "permerror", "the signature lacks d=",
      tags={"d": None, "D": "example.org"})
    d("tags-spaced", "3.2: white space around =", "pass",
      tags={"d": None, "d ": "\r\n\t example.org "})
    d("tags-no-value", "3.2: something that is no tag", "neutral",
      "the signature is malformed: something that is no tag=value in the tag list",
      after={"b": "AAAA; nonsense"})
    d("tags-b-first", "3.5: the tags' order is free", "pass", tags={"b": "", "z": "x"})
    field = craft(MESSAGE, KEY)
    made = re.search(rb"b=([A-Za-z0-9+/]{86}==)", field)
    assert made is not None
    folded = b"\r\n\t ".join(re.findall(rb".{1,20}", made[1]))
    make.write("dkim-b-folded", "3.5: white space in b= is ignored",
               field.replace(made[1], b"\r\n " + folded + b" ") + MESSAGE, ZONE,
               {"dkim": [{"result": "pass"}]})
    d("h-spaced", "3.5: white space around the colons of h=", "pass",
      tags={"h": "from :\r\n\t to:  Subject\t: DATE"})
    d("version-2", "3.5: v= is 1", "neutral", "the signature's v= is not 1", tags={"v": "2"})
    d("algorithm-unknown", "3.3", "neutral", "the signature's a= is unknown",
      tags={"a": "rsa-sha512"})
    d("canonicalisation-unknown", "3.5: c=", "neutral", "the signature's c= is unknown",
      tags={"c": "nowsp"})
    d("h-malformed", "3.5: h= is a list of names", "neutral",
      "the signature's h= is no list of field names", tags={"h": "from::to"})
    d("h-empty", "3.5: h= must not be empty", "neutral",
      "the signature's h= is no list of field names", tags={"h": ""})
    d("l-no-number", "3.5: l= is digits", "neutral", "the signature's l= is no number",
      tags={"l": "-1"})
    d("s-not-ldh", "3.1: a selector is LDH labels", "neutral", "the signature's s= is no selector",
      tags={"s": "mail..x"})
    d("s-two-labels", "3.1: of one label or more", "pass", tags={"s": "a.Mail"},
      zone={"a.mail._domainkey.example.org": ZONE[NAME]},
      more={"domain": "example.org", "selector": "a.mail"})
    d("d-case", "3.5: d= ignores case", "pass", tags={"d": "Example.ORG"})
    d("i-utf-8", "RFC 8616: i= may be UTF-8", "pass",
      tags={"i": "j\u00fcrgen@example.org".encode().decode("latin-1")},
      more={"identity": "j\u00fcrgen@example.org"})
    d("bh-empty", "3.5: bh=", "neutral", "the signature's bh= is empty", tags={"bh": ""})
    d("too-long", "a field of more than 16 KB", "neutral", "the signature field is too long",
      tags={"z": ":".join(["X:" + "y" * 500] * 40)})
    d("name-spaced", "RFC 5322 4.5: white space before the colon", "pass", front=b"X-Y : z\r\n",
      tags={"c": "relaxed/relaxed"})


def records(make: RfcMaker) -> None:
    """RFC 6376 §3.6.1, RFC 8463 §4, RFC 8301 §3.2."""
    r = make.record
    r("unknown-tags", "unknown tags and flags are ignored",
      f"v=DKIM1; n=a note; k=ed25519; t=x:z; zz=1; p={ENCODED};", "pass")
    r("k-missing", "k= is rsa where it is missing", f"v=DKIM1; p={ENCODED}", "permerror",
      "the key record's k= is not the kind of key of the signature's a=")
    r("k-unknown", "an unknown kind of key", f"v=DKIM1; k=ecc; p={ENCODED}", "permerror",
      "the key record's k= is not the kind of key of the signature's a=")
    r("no-p", "p= is required", "v=DKIM1; k=ed25519", "permerror", "the key record has no p=")
    r("p-no-base64", "p= is base64", f"v=DKIM1; k=ed25519; p=%{ENCODED}", "permerror",
      "the key record's p= is no key")
    r("p-short", "RFC 8463 4.2: 32 octets",
      "v=DKIM1; k=ed25519; p=" + base64.b64encode(public_data(KEY)[:31]).decode(), "permerror",
      "the key record's p= is no key")
    r("p-folded", "white space in p= is ignored",
      f"v=DKIM1; k=ed25519; p={ENCODED[:20]} \t{ENCODED[20:]}", "pass")
    r("strings", "3.6.2.2: strings are joined", ["v=DKIM1; k=ed25", "519; p=", ENCODED], "pass")
    r("repeated-tag", "3.2", f"v=DKIM1; k=ed25519; p={ENCODED}; p=", "permerror",
      "the key record is malformed: the tag p= occurs twice")
    r("malformed", "3.2", f"v=DKIM1; nonsense; k=ed25519; p={ENCODED}", "permerror",
      "the key record is malformed: something that is no tag=value in the tag list")
    r("version-other", "v= is DKIM1", f"v=DKIM2; k=ed25519; p={ENCODED}", "permerror",
      "the key record is malformed: v= must come first and be DKIM1")
    for bits in (1024, 8192):
        key = rsa_key(bits)
        make.dkim(f"rsa-{bits}", "RFC 8301 3.2", "pass", key=key,
                  zone={NAME: {"TXT": [record(key)]}})


def canonicalisations(make: RfcMaker) -> None:
    """RFC 6376 §3.4: what each one bears on the way, and what none does."""
    # Whoever takes one half of c= for the other fails here.
    header_relaxed = {"relaxed/simple": True, "simple/relaxed": False}
    body_relaxed = {"relaxed/simple": False, "simple/relaxed": True}
    both, neither = (dict.fromkeys(header_relaxed, borne) for borne in (True, False))
    a = make.altered
    subject = b"Subject: a  good\r\n\tsubject\r\n"
    a("header-folding", "3.4.2: folded otherwise",
      HEADER.replace(subject, b"sUBJECT :\r\n  a\r\n good subject \t\r\n"), BODY, header_relaxed)
    a("header-word", "3.4.2: white space inside a word",
      HEADER.replace(b"good", b"go od"), BODY, neither)
    a("body-spaces", "3.4.4: runs of white space, and at the ends of lines", HEADER,
      b"Hello Bob,\t\t\r\n \r\nbye \r\n", body_relaxed)
    a("body-end", "3.4.3: empty lines at the end", HEADER,
      b"Hello  Bob, \r\n\r\nbye" + b"\r\n" * 9, both)
    a("body-no-line-end", "3.4.3: a line end that is missing", HEADER, b"Hello  Bob, \r\n\r\nbye",
      both)
    a("body-blank-end", "3.4.4: lines of white space at the end", HEADER,
      BODY + b" \r\n\t\r\n", body_relaxed)
    a("body-indent", "3.4.4: white space at the start of a line", HEADER, b" " + BODY,
      neither)
    a("body-empty-line", "3.4: one line less inside", HEADER,
      BODY.replace(b"\r\n\r\nbye", b"\r\nbye"), neither)


def coverage(make: RfcMaker) -> None:
    """RFC 6376 §4, §5.4, §6.1, §8.15: what is signed, by whom, how often."""
    d = make.dkim
    received = b"Received: by one\r\n"
    d("bottom-up", "5.4.2: the lowest is signed, others come above", "pass",
      front=b"Received: by two\r\n", message=received + MESSAGE, names=(*SIGNED, "received"))
    d("bottom-up-changed", "5.4.2: and it is that one", "fail", MISMATCH,
      front=received, message=b"Received: by three\r\n" + MESSAGE, signed=received + MESSAGE,
      names=(*SIGNED, "received"))
    d("absent-signed", "5.4: an absent field may be signed", "pass",
      names=(*SIGNED, "reply-to", "reply-to"))
    d("absent-added", "5.4: and not be added then", "fail", MISMATCH, names=(*SIGNED, "reply-to"),
      front=b"Reply-To: m@evil.example\r\n")
    d("unsigned-added", "5.4: what is not signed may be added", "pass",
      front=b"Reply-To: m@evil.example\r\n")
    d("oversigned-from", "8.15: From is signed once more", "pass", names=("from", *SIGNED))
    first = craft(MESSAGE, KEY)
    over = craft(first + MESSAGE, KEY, names=(*SIGNED, "dkim-signature"))
    make.write("dkim-signature-signed", "3.5: another signature may be signed",
               over + first + MESSAGE, ZONE, {"dkim": [{"result": "pass"}] * 2})
    make.write("dkim-signature-signed-lost", "3.5: and not be taken away",
               over + MESSAGE, ZONE, {"dkim": [{"result": "fail", "reason": MISMATCH}]})
    mixed_tags: list[dict[str, str | None]] = [
        {}, {"s": "slow"}, {"s": "gone"}, {"l": "5"}, {"v": "2"}
    ]
    written = [craft(MESSAGE, KEY, tags=tags) for tags in mixed_tags]
    written[0] = first
    from_ = "Authentication-Results: mx.example.net; "
    shown = [result_of(field) for field in written]
    make.write(
        "dkim-mixed", "4.2, 6.1: each signature has its own result, in RFC 8601's words",
        b"".join(written) + MESSAGE, {**ZONE, "slow._domainkey.example.org": "TIMEOUT"},
        {"dkim": [{"result": word} for word in
                  ("pass", "temperror", "permerror", "policy", "neutral")],
         "authentication_results": from_ + 'spf=none reason="no SPF record" '
         "smtp.helo=mail.example.org; "
         f"dkim=pass {shown[0]}; "
         'dkim=temperror reason="the DNS look-up timed out for TXT of '
         f'slow._domainkey.example.org" {shown[1]}; '
         f'dkim=permerror reason="no key record for the signature" {shown[2]}; '
         f'dkim=policy reason="l= leaves the end of the body unsigned" {shown[3]}; '
         f'dkim=neutral reason="the signature\'s v= is not 1" {shown[4]}; '
         'dmarc=none reason="no DMARC record" header.from=example.org'})
    d("header-too-large", "more than 1,000 fields", "policy", "the header section is too large",
      front=b"X: y\r\n" * 1_000)
    d("k11-mbox-line", "K11: a line that mbox adds is no header field", "permerror",
      "a line of the header section is no header field",
      front=b"From alice@example.org Tue Nov 14 22:13:20 2023\r\n")
    d("no-header-field", "RFC 5322 2.2: a line without a colon", "permerror",
      "a line of the header section is no header field", front=b"X: y\r\nnonsense\r\n")


def result_of(field: bytes) -> str:
    """The properties of a signature as Authentication-Results has them."""
    values = dict(tag.strip().split(b"=", 1) for tag in field.partition(b":")[2].split(b";"))
    selector, made = values[b"s"].decode(), values[b"b"][:8].decode()
    value = f'"{made}"' if "/" in made else made
    return (f"header.d=example.org header.i=@example.org header.s={selector} "
            f"header.a=ed25519-sha256 header.b={value}")


def on_top(make: RfcMaker) -> None:
    """RFC 8601 §5: nobody can go on where our field ends."""
    for name, line in (("results", b" ; dkim=pass header.d=bank.example\r\n"),
                       ("comment", b"\t(\r\n lines)\r\n"), ("nothing", b" \r\n")):
        make.write(f"forged-first-line-{name}", "5: a first line would continue our field",
                   line + MESSAGE, {},
                   {"authentication_results": "Authentication-Results: mx.example.net; spf=none "
                    'reason="no SPF record" smtp.helo=mail.example.org; dkim=none; '
                    'dmarc=none reason="no DMARC record" header.from=example.org',
                    "stamped": MESSAGE.replace(b"\r\n\t", b" ").decode()})


def smtpd_knows(make: RfcMaker) -> None:
    """RFC 8601 §2.7.3, §2.7.4: what is told of the session."""
    head = "Authentication-Results: mx.example.net; "
    no_record = "no SPF record"
    rest = (f'spf=none reason="{no_record}" smtp.helo=mail.example.org; dkim=none; '
            'dmarc=none reason="no DMARC record" header.from=example.org')

    def told(name: str, about: str, said: str, **facts: Any) -> None:
        spf = "the client is unknown behind a proxy" if "client_unknown" in facts else no_record
        field = head + said + rest.replace(no_record, spf)
        make.write(name, about, MESSAGE, {}, {"authentication_results": field},
                   {**DKIM_ENVELOPE, **facts})

    named = {"client_name": "mail.example.org"}
    told("iprev-pass", "2.7.3", "iprev=pass (mail.example.org) policy.iprev=192.0.2.1; ",
         reverse="pass", **named)
    told("iprev-fail", "2.7.3: the name leads elsewhere",
         "iprev=fail (mail.example.org) policy.iprev=192.0.2.1; ", reverse="fail", **named)
    told("iprev-temperror", "2.7.3: DNS failed",
         "iprev=temperror (mail.example.org) policy.iprev=192.0.2.1; ", reverse="error", **named)
    told("iprev-permerror", "2.7.3: no name",
         'iprev=permerror reason="the address has no name" policy.iprev=192.0.2.1; ',
         reverse="fail")
    told("iprev-ipv6", "2.7.3: an IPv6 address",
         'iprev=pass (mail.example.org) policy.iprev="2001:db8::1"; ', reverse="pass",
         client_address="2001:db8::1", **named)
    told("iprev-hostile-name", "a name cannot leave its comment",
         "iprev=pass (x\\) dkim=pass \\(?) policy.iprev=192.0.2.1; ", reverse="pass",
         client_name="x) dkim=pass (\n")
    told("iprev-unknown", "2.7.3: nothing is told of a proxy's address", "", reverse="pass",
         client_unknown=True, **named)
    told("auth", "2.7.4", "auth=pass smtp.auth=alice; ", user="alice")
    told("auth-address", "2.7.4: a login that is an address",
         "auth=pass smtp.auth=alice@example.org; ", user="alice@example.org")
    told("auth-hostile", "2.7.4: a login that is no token",
         'auth=pass smtp.auth="a; dkim=pass"; ', user="a; dkim=pass")


def spf(make: RfcMaker) -> None:
    terms = " ".join(f"a:h{n}.example.org" for n in range(10))
    make.spf("p1-failures", "P1: what fails counts like any other: the first one ends it",
             {"example.org": {"TXT": [f"v=spf1 {terms} -all"]},
              **{f"h{n}.example.org": "TIMEOUT" for n in range(10)}},
             result="temperror", reason="the DNS look-up timed out for A of h0.example.org",
             more={"questions": 4})  # two of them for DMARC


def forwarded(make: RfcMaker) -> None:
    """RFC 8617 §5.2, ARC_TRUSTED_SEALERS: mail that a list has changed."""
    zone = {
        "mail._domainkey.sealer.example": {"TXT": [record(KEY)]},
        "_dmarc.example.org": {"TXT": ["v=DMARC1; p=reject"]},
    }
    facts = {"client_address": "192.0.2.1", "helo": "client.example", "sender": "l@list.example",
             "recipients": ["bob@example.net"]}
    passed = "mx.sealer.example; dmarc=pass header.from=example.org"

    def arc(name: str, about: str, disposition: str, message: bytes, found: Mapping[str, Any],
            trusted: str = "sealer.example", result: str = "fail") -> None:
        make.write(f"forwarded-{name}", about, message, zone,
                   {"dmarc": {"result": result}, "arc": found, "disposition": disposition},
                   {**facts, "trusted_sealers": [trusted]})

    sealed = add_set(MESSAGE, KEY, said=passed)
    good = {"result": "pass", "sealer": "sealer.example"}
    arc("trusted", "a trusted sealer saw it pass", "none", sealed, good)
    arc("stranger", "a sealer that nobody trusts", "reject", sealed, good, trusted="x.example")
    arc("another", "the newest sealer counts alone", "reject",
        add_set(sealed, KEY, said=passed, seal_tags={"d": "x.example"}),
        {"result": "fail", "sealer": "x.example"})
    arc("broken", "a chain that fails vouches for nothing", "reject",
        sealed.replace(b"bye", b"buy"), {"result": "fail", "sealer": "sealer.example"})
    arc("denied", "a trusted sealer saw it fail", "reject",
        add_set(MESSAGE, KEY, said=passed.replace("pass", "fail")), good)
    arc("other-author", "a trusted sealer saw another author", "reject",
        add_set(MESSAGE, KEY, said=passed.replace("example.org", "evil.example")), good)
# fmt: on


def main() -> None:
    for folder in FOLDER.glob("4*-*"):
        if int(folder.name.partition("-")[0]) > RfcMaker.number:
            shutil.rmtree(folder)
    make = RfcMaker()
    for part in (fields, records, canonicalisations, coverage, on_top, smtpd_knows, spf, forwarded):
        part(make)


if __name__ == "__main__":
    main()
