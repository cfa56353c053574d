"""Writes the DMARC cases under cases/, 2001 and on.

    python -m tests.filters.mailauth.make_dmarc_cases

The cases are the files. The keys are fixed and Ed25519 signs without chance, so a run changes
nothing but what was changed here.
"""

import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.filters.mailauth.crafting import craft, record
from tests.filters.mailauth.make_cases import FOLDER, Maker

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
REST = (
    b"To: bob@example.net\r\nSubject: hello\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
    b"\r\nHello Bob\r\n"
)
SPF = ["v=spf1 ip4:192.0.2.1 -all"]
REJECT = "v=DMARC1; p=reject"
Zone = Mapping[str, Any]


def policy(domain: str, *texts: str) -> dict[str, Any]:
    """A zone with the domain's DMARC records."""
    return {f"_dmarc.{domain}": {"TXT": list(texts)}}


OWN = policy("example.org", REJECT)


class DmarcMaker(Maker):
    number = 2000

    def dmarc(
        self,
        name: str,
        about: str,
        result: str,
        disposition: str = "none",
        *,
        author: bytes | str = "alice@example.org",
        header: bytes | None = None,
        front: bytes = b"",
        signed: Sequence[str] = (),
        tags: Mapping[str, str | None] | None = None,
        key: str = record(KEY),
        spf: Sequence[str] = (),
        sender: str = "bounce@sender.example",
        zone: Zone = OWN,
        envelope: Zone | None = None,
        more: Zone | None = None,
        **wanted: Any,
    ) -> None:
        """A case. signed: the d= of good signatures; spf: who lets the client send; sender: the
        envelope's; header: instead of a From field with the author; front: above everything.
        """
        value = author if isinstance(author, bytes) else author.encode()
        message = (b"From: " + value + b"\r\n" if header is None else header) + REST
        names: dict[str, Any] = {domain: {"TXT": SPF} for domain in spf}
        fields = b""
        for domain in signed:
            fields += craft(message, KEY, tags={"d": domain, **(tags or {})})
            names[f"mail._domainkey.{domain}"] = {"TXT": [key]}
        facts = {
            "client_address": "192.0.2.1", "helo": "client.example", "sender": sender,
            "recipients": ["bob@example.net"], **(envelope or {}),
        }  # fmt: skip
        if "policy" not in wanted and result in {"pass", "fail"}:
            wanted["policy"] = "reject"
        expected = {"dmarc": {"result": result, **wanted}, "disposition": disposition}
        self.write(
            f"dmarc-{name}", about, front + fields + message, {**names, **zone},
            {**expected, **(more or {})}, {k: v for k, v in facts.items() if v is not None},
        )  # fmt: skip


# Tables of calls; the formatter would give every argument a line.
# fmt: off
def outcomes(make: DmarcMaker) -> None:
    d = make.dmarc
    from_ = "Authentication-Results: mx.example.net; "
    d("pass-dkim", "5.3.5: an aligned signature", "pass", signed=["example.org"],
      author_domain="example.org", organizational_domain="example.org",
      reason="aligned: DKIM for example.org")
    d("pass-spf", "5.3.5: an aligned envelope sender", "pass", spf=["example.org"],
      sender="a@example.org", reason="aligned: SPF for example.org",
      more={"authentication_results": from_ + 'spf=pass reason="matched ip4:192.0.2.1" '
            "smtp.mailfrom=a@example.org; dkim=none; dmarc=pass (p=reject) "
            'reason="aligned: SPF for example.org" header.from=example.org'})
    d("fail", "5.3.6: nothing passes", "fail", "reject",
      reason="SPF none for sender.example, no DKIM signature",
      more={"authentication_results": from_ + 'spf=none reason="no SPF record" '
            "smtp.mailfrom=bounce@sender.example; dkim=none; dmarc=fail (p=reject) "
            'reason="SPF none for sender.example, no DKIM signature" '
            "header.from=example.org"})
    d("fail-spf-alone", "an SPF fail alone decides nothing", "fail", sender="a@example.org",
      zone={**policy("example.org", "v=DMARC1; p=none"), "example.org": {"TXT": ["v=spf1 -all"]}},
      policy="none")
    d("no-record-spf-fail", "SPF's -all alone never rejects", "none", sender="a@example.org",
      zone={"example.org": {"TXT": ["v=spf1 -all"]}}, reason="no DMARC record",
      organizational_domain="example.org", policy=None)
    d("quarantine", "5.3.6", "fail", "quarantine", policy="quarantine",
      zone=policy("example.org", "v=DMARC1; p=quarantine"))
    d("none", "5.4: p=none changes nothing", "fail", policy="none",
      zone=policy("example.org", "v=DMARC1; p=none"))


def records(make: DmarcMaker) -> None:
    def read(name: str, about: str, text: Any, policy_: str | None, **more: Any) -> None:
        """A record and the policy that it means for a message that nothing authenticates."""
        texts = text if isinstance(text, list) else [text]
        result = "none" if policy_ is None else "fail"
        zone = {"_dmarc.example.org": {"TXT": texts}}
        make.dmarc(
            f"record-{name}", about, result, policy_ or "none", policy=policy_, zone=zone, **more
        )

    read("version-case", "4.7: DMARC1 matches exactly", "v=dmarc1; p=reject", None)
    read("version-other", "4.7: no other version", "v=DMARC10; p=reject", None)
    read("version-late", "4.7: v is the first tag", "p=reject; v=DMARC1", None)
    read("version-space", "4.8: white space around =", "v\t= DMARC1 ; p = reject ;", "reject")
    read("version-indented", "4.10: it does not start with v", " v=DMARC1; p=reject", None)
    read("version-no-separator", "4.8: a semicolon follows", "v=DMARC1 p=reject", None)
    read("case", "4.8: all else ignores case", "V=DMARC1; P=Reject", "reject")
    read("strings", "4.7: strings are joined", [["v=DMARC1; p=re", "ject"]], "reject")
    read("other-texts", "4.10: others are no records",
         ["v=spf1 -all", "v=DMARC1; p=reject", "v=DMARC2; p=none"], "reject")
    read("unknown-tags", "4.7: unknown and former tags are ignored",
         "v=DMARC1; pct=0; x-y=1; rf=afrf; ri=1; p=reject; fo=1", "reject")
    read("syntax", "4.7: what is malformed is ignored",
         "v=DMARC1; ;;nonsense; =x; adkim=?; aspf=; t=yes; psd=maybe; p=reject", "reject")
    read("8-bit", "hostile bytes are malformed", "v=DMARC1; \udcff=\udc80; p=reject", "reject")
    read("repeated", "of a tag twice the first counts", "v=DMARC1; p=reject; p=none", "reject")
    read("several", "4.10: several at the author domain: none",
         ["v=DMARC1; p=reject", "v=DMARC1; p=none"], None,
         reason="several DMARC records")
    read("no-p", "4.10.1: no p, no rua", "v=DMARC1", None,
         reason="the DMARC record has no valid policy")
    read("no-p-rua", "4.10.1: with rua it is none", "v=DMARC1; rua=mailto:a@b.example", "none")
    read("bad-p", "4.10.1", "v=DMARC1; p=block", None)
    read("bad-p-rua", "4.10.1", "v=DMARC1; p=block; rua=mailto:a@b.example!10m", "none")
    read("bad-p-bad-rua", "4.10.1: no URI", "v=DMARC1; p=block; rua=a@b.example", None)
    read("bad-sp", "4.10.1: sp counts too", "v=DMARC1; p=reject; sp=block", None)
    read("bad-np-rua", "4.10.1: np too", "v=DMARC1; p=reject; np=; rua=x,mailto:a@b.example",
         "none")
    read("testing", "4.7: t=y lowers reject", "v=DMARC1; p=reject; t=y", "quarantine")
    read("testing-quarantine", "and quarantine", "v=DMARC1; p=quarantine; t=Y", "none")
    read("own-sp", "4.10.1: its own sp and np are for others",
         "v=DMARC1; p=reject; sp=none; np=none", "reject")


def walks(make: DmarcMaker) -> None:
    def walk(name: str, about: str, author: str, zone: Zone, top: str, policy_: str | None,
             **more: Any) -> None:
        make.dmarc(
            f"walk-{name}", about, "none" if policy_ is None else "fail", policy_ or "none",
            author=f"a@{author}", zone=zone, organizational_domain=top, policy=policy_, **more,
        )

    exists = {"sub.example.org": {"A": ["192.0.2.9"]}}
    three = policy("example.org", "v=DMARC1; p=reject; sp=quarantine; np=none")
    walk("p", "4.10.1: inherited, without sp", "sub.example.org", {**OWN, **exists},
         "example.org", "reject")
    walk("sp", "4.10.1: the domain exists", "sub.example.org", {**three, **exists},
         "example.org", "quarantine", more={"questions": 6})
    walk("sp-nodata", "A.4: NODATA exists", "sub.example.org",
         {**three, "sub.example.org": "NODATA"}, "example.org", "quarantine")
    walk("np", "4.10.1: the domain does not exist", "sub.example.org", three,
         "example.org", "none")
    walk("np-missing", "4.7: np is sp then", "sub.example.org",
         policy("example.org", "v=DMARC1; p=none; sp=reject"), "example.org", "reject")
    walk("np-testing", "4.7: t=y lowers np too", "sub.example.org",
         policy("example.org", "v=DMARC1; p=none; np=reject; t=y"), "example.org",
         "quarantine")
    walk("own-first", "4.10.1: the own record before the organization's", "sub.example.org",
         {**OWN, **policy("sub.example.org", "v=DMARC1; p=quarantine")}, "example.org",
         "quarantine")
    walk("highest", "4.10.2: the shortest name with a record", "a.b.example.org",
         {**policy("b.example.org", "v=DMARC1; p=none"), **OWN}, "example.org", "reject")
    walk("psd-n", "4.10.2: psd=n is the organizational domain", "a.b.example.org",
         {**policy("b.example.org", "v=DMARC1; p=quarantine; psd=n"), **OWN}, "b.example.org",
         "quarantine", more={"questions": 3})
    walk("psd-y", "4.10.2: one label below psd=y", "a.b.example.org",
         {**policy("org", "v=DMARC1; p=none; psd=y"), **OWN}, "example.org", "reject")
    walk("psd-y-policy", "4.10.1: else the public suffix's", "a.b.example.org",
         policy("org", "v=DMARC1; p=none; sp=quarantine; psd=y"), "example.org",
         "quarantine")
    walk("psd-y-longer", "4.10: psd=y stops before what is above", "a.example.co.test",
         {**policy("co.test", "v=DMARC1; p=reject; psd=y"), **policy("test", "v=DMARC1; p=none")},
         "example.co.test", "reject", more={"questions": 4})
    walk("psd-y-author", "4.10.2: psd=y of the domain itself", "co.test",
         {**policy("co.test", "v=DMARC1; p=reject; psd=y"), **policy("test", "v=DMARC1; p=none")},
         "co.test", "reject")
    walk("several-above", "4.10: several above are none, and the walk goes on", "a.b.example.org",
         {**policy("b.example.org", "v=DMARC1; p=none", "v=DMARC1; p=none; psd=n"), **OWN},
         "example.org", "reject")
    walk("several-no-fallback", "several of its own: nobody's above", "sub.example.org",
         {**policy("sub.example.org", "v=DMARC1; p=none", "v=DMARC1; p=reject"), **OWN},
         "sub.example.org", None, more={"questions": 2})
    walk("no-p-no-fallback", "4.10.1: a record without a policy is not replaced", "sub.example.org",
         {**policy("sub.example.org", "v=DMARC1"), **OWN}, "example.org", None)
    walk("top", "4.10: up to the top", "a.b.example.test", policy("test", REJECT), "test",
         "reject")
    walk("single-label", "a single label is a name like others", "localhost", {}, "localhost",
         None, more={"questions": 2})
    eight = "a.b.c.d.e.f.example.org"
    walk("eight", "4.10: eight labels, eight questions", eight,
         policy("b.c.d.e.f.example.org", "v=DMARC1; p=reject; psd=n"), "b.c.d.e.f.example.org",
         "reject")
    walk("nine", "4.10: of nine labels the second name is jumped", f"x.{eight}",
         {**policy(eight, "v=DMARC1; p=none; psd=n"), **OWN}, "example.org", "reject",
         more={"questions": 9})
    walk("many", "4.10: and of fifty, all but seven", ".".join(["x"] * 50) + ".example.org",
         OWN, "example.org", "reject", more={"questions": 9})
    walk("many-none", "eight questions at most", ".".join(["x"] * 50) + ".example.org",
         {}, ".".join(["x"] * 50) + ".example.org", None, more={"questions": 9})


def alignment(make: DmarcMaker) -> None:
    d = make.dmarc
    strict = policy("example.org", "v=DMARC1; p=reject; adkim=s; aspf=s")
    d("align-dkim-child", "4.4.1: relaxed, a subdomain signs", "pass", signed=["a.b.example.org"])
    d("align-dkim-parent", "4.4.1: relaxed, the organization signs", "pass",
      author="a@sub.example.org", signed=["example.org"])
    d("align-dkim-sibling", "4.4.1: relaxed, a sibling signs", "pass",
      author="a@sub.example.org", signed=["mail.example.org"])
    d("align-dkim-strict", "4.4.1: strict, a subdomain signs", "fail", "reject",
      signed=["sub.example.org"], zone=strict,
      reason="what passes is not in alignment: DKIM for sub.example.org")
    d("align-dkim-strict-same", "4.4.1: strict, the same", "pass", signed=["example.org"],
      zone=strict)
    d("align-dkim-second", "5.3.5: one of several is enough", "pass",
      signed=["list.example", "example.org"], more={"dkim": [{"result": "pass"}] * 2})
    d("align-dkim-foreign", "another's signature", "fail", "reject", signed=["list.example"])
    d("align-dkim-look-alike", "a name that only ends alike", "fail", "reject",
      signed=["a.notexample.org"], more={"questions": 5})
    d("align-dkim-i", "i= says nothing, d= does", "fail", "reject", signed=["evil.example"],
      tags={"i": "alice=example.org@evil.example"})
    d("align-dkim-tail", "a signature that is `policy` is no pass", "fail", "reject",
      signed=["example.org"], tags={"l": "2"})
    d("align-dkim-testing", "a pass with a testing key is one", "pass", signed=["example.org"],
      key=record(KEY, suffix="; t=y"))
    d("align-spf-child", "4.4.2: relaxed, a subdomain", "pass", spf=["b.example.org"],
      sender="a@b.example.org")
    d("align-spf-case", "names ignore case", "pass", author="a@Example.ORG", spf=["example.org"],
      sender="a@EXAMPLE.Org", author_domain="example.org")
    d("align-spf-strict", "4.4.2: strict, a subdomain", "fail", "reject", spf=["b.example.org"],
      sender="a@b.example.org", zone=strict)
    d("align-spf-null-sender", "4.4.2, RFC 7208 2.4: HELO for the null sender", "pass", sender="",
      spf=["mx.example.org"], envelope={"helo": "mx.example.org"})
    d("align-spf-helo", "4.4.2: HELO for no other", "fail", "reject", spf=["example.org"],
      envelope={"helo": "example.org"})
    d("align-spf-softfail", "a softfail is no pass", "fail", "reject", sender="a@example.org",
      zone={**OWN, "example.org": {"TXT": ["v=spf1 ~all"]}})
    d("align-psd-n", "4.10.2: a part that is its own organization", "fail", "reject",
      signed=["dept.example.org"],
      zone={**OWN, **policy("dept.example.org", "v=DMARC1; p=none; psd=n")})
    d("align-psd-n-author", "and the other way", "fail", "reject", author="a@dept.example.org",
      signed=["example.org"],
      zone={**OWN, **policy("dept.example.org", REJECT + "; psd=n")})
    d("align-psd-y", "4.10.2: neighbours under a public suffix", "fail", "reject",
      author="a@bank.co.test", signed=["evil.co.test"], spf=["evil.co.test"],
      sender="a@evil.co.test", zone=policy("co.test", REJECT + "; psd=y"))
    d("align-above-organization", "a signer above the organizational domain", "fail", "reject",
      author="a@bank.co.test", signed=["co.test"],
      zone={**policy("bank.co.test", REJECT + "; psd=n"),
            **policy("co.test", "v=DMARC1; p=none")})
    d("align-no-needless-walk", "no questions above a stranger", "fail", "reject",
      spf=["a.b.c.evil.example"], sender="x@a.b.c.evil.example",
      more={"questions": 3})
    d("align-no-walk-for-the-same", "none for the author domain's own", "pass",
      signed=["example.org"], spf=["example.org"], sender="a@example.org",
      more={"questions": 4})


def temporary(make: DmarcMaker) -> None:
    d = make.dmarc
    down = {"_dmarc.example.org": "SERVFAIL"}
    spf_down = {"example.org": "TIMEOUT"}
    key_down = {"mail._domainkey.example.org": "SERVFAIL"}
    none = policy("example.org", "v=DMARC1; p=none")
    d("temp-spf", "5.3.6: what might have passed is no fail", "temperror", "defer",
      sender="a@example.org", zone={**OWN, **spf_down}, policy="reject",
      reason="SPF for example.org could not be checked for now")
    d("temp-spf-dkim-pass", "5.3.5: a pass is a pass", "pass", sender="a@example.org",
      signed=["example.org"], zone={**OWN, **spf_down})
    d("temp-spf-foreign", "it could not have been aligned", "fail", "reject",
      zone={**OWN, "sender.example": "SERVFAIL"})
    d("temp-spf-strict", "nor here", "fail", "reject", sender="a@b.example.org",
      zone={**policy("example.org", REJECT + "; aspf=s"), "b.example.org": "SERVFAIL"})
    d("temp-spf-none", "nothing hangs on it", "temperror", sender="a@example.org",
      zone={**none, **spf_down}, policy="none")
    d("temp-dkim", "5.3.6", "temperror", "defer", signed=["example.org"], zone={**OWN, **key_down},
      policy="reject")
    d("temp-dkim-foreign", "it could not have been aligned", "fail", "reject",
      signed=["list.example"], zone={**OWN, "mail._domainkey.list.example": "SERVFAIL"})
    d("temp-record", "4.10.1: no record for now", "temperror", "none", zone=down, policy=None,
      reason="SERVFAIL for TXT of _dmarc.example.org")
    d("temp-record-pass", "nothing hangs on it: the very domain signed", "temperror",
      signed=["example.org"], zone=down, policy=None)
    d("temp-record-relaxed", "a subdomain's word may not count", "temperror", "none",
      signed=["sub.example.org"], zone=down, policy=None)
    d("temp-parent", "4.10.1: an inherited record for now", "temperror", "none",
      author="a@sub.example.org", zone=down, policy=None)
    above = {**OWN, "_dmarc.org": "TIMEOUT"}
    d("temp-above", "4.10.1: its own record applies whatever is above", "fail", "reject",
      zone=above, organizational_domain=None)
    d("temp-above-same", "4.10.2: the same domain needs no walk", "pass", signed=["example.org"],
      zone=above, organizational_domain="example.org")
    d("temp-above-relaxed", "4.10.2: alignment for now", "temperror", "defer",
      signed=["sub.example.org"], zone=above, policy="reject")
    d("temp-above-stranger", "4.10.2: whoever has another top-level domain", "fail", "reject",
      signed=["list.example"], zone=above)
    d("temp-above-parent", "4.10.1: a record above the inherited one for now", "temperror", "none",
      author="a@a.sub.example.org", zone={**down, **policy("sub.example.org", "v=DMARC1; p=none")},
      policy=None)
    d("temp-walk", "4.10.2: the signer's organizational domain for now", "temperror", "defer",
      signed=["sub.example.org"], zone={**OWN, "_dmarc.sub.example.org": "SERVFAIL"},
      policy="reject")
    d("temp-np", "4.10.1: whether the domain exists", "temperror", "defer",
      author="a@sub.example.org", policy="reject",
      zone={**policy("example.org", "v=DMARC1; p=none; np=reject"),
            "sub.example.org": "SERVFAIL"})


def authors(make: DmarcMaker) -> None:
    """Mallory authenticates evil.example in full, and would pass for bank.example."""
    evil = {**policy("bank.example", REJECT), **policy("evil.example", "v=DMARC1; p=none")}
    by_mallory = {
        "signed": ["evil.example"], "spf": ["evil.example"], "sender": "m@evil.example",
        "zone": evil,
    }
    bank, mallory = b"From: ceo@bank.example\r\n", b"From: m@evil.example\r\n"

    def nobody(name: str, about: str, header: bytes, reason: str, **more: Any) -> None:
        make.dmarc(
            f"author-{name}", about, "permerror", "reject", header=header, reason=reason,
            author_domain=None, organizational_domain=None, policy=None, **{**by_mallory, **more},
        )

    def spoofed(name: str, about: str, header: bytes, **more: Any) -> None:
        make.dmarc(
            f"author-{name}", about, "fail", "reject", header=header,
            **{"author_domain": "bank.example", **by_mallory, **more},
        )

    def mallorys(name: str, about: str, header: bytes) -> None:
        make.dmarc(
            f"author-{name}", about, "pass", header=header, author_domain="evil.example",
            policy="none", **by_mallory,
        )

    spoofed("spoofed", "the plain case", bank)
    several = "several From fields"
    nobody("two-from", "the bank's above", bank + mallory, several)
    nobody("two-from-below", "the bank's below", mallory + bank, several)
    nobody("from-space", "`From :` counts", mallory + b"From : ceo@bank.example\r\n", several)
    nobody("from-space-alone", "and is none by itself", b"From : ceo@bank.example\r\n",
           "white space between From and its colon")
    nobody("from-folded", "a folded name counts",
           mallory + b"From\r\n : ceo@bank.example\r\n", several)
    nobody("unsigned-duplicate", "above the signed one", mallory, several,
           front=bank)
    nobody("no-from", "none at all", b"", "no From field")
    nobody("two-domains", "addresses of two domains",
           b"From: ceo@bank.example, m@evil.example\r\n",
           "addresses of several domains in the From field")
    nobody("two-domains-folded", "the second one out of sight",
           b"From: ceo@bank.example," + b" " * 200 + b"\r\n\t<m@evil.example>\r\n",
           "addresses of several domains in the From field")
    nobody("group", "RFC 6854", b"From: The bank: ceo@bank.example, m@evil.example;\r\n",
           "addresses of several domains in the From field")
    nobody("group-name", "a group without members", b"From: ceo@bank.example:;\r\n",
           "a colon out of place in the From field")
    nobody("two-addresses", "a display name that is an address",
           b"From: ceo@bank.example <m@evil.example>\r\n",
           "two addresses for one author in the From field")
    nobody("two-angles", "two in angle brackets",
           b"From: <ceo@bank.example> <m@evil.example>\r\n",
           "something that is no address in the From field")
    nobody("route", "RFC 5322 4.4", b"From: <@bank.example:m@evil.example>\r\n",
           "a source route in the From field")
    nobody("nul", "a NUL ends the address for some",
           b"From: ceo@bank.example\0.evil.example\r\n",
           "a control character in the From field")
    nobody("bare-cr", "a bare CR ends the line for some",
           b"From: m@evil.example\rFrom: ceo@bank.example\r\n",
           "a control character in the From field")
    nobody("encoded-nul", "an encoded NUL",
           b"From: =?utf-8?b?Y2VvQGJhbmsuZXhhbXBsZQA=?= <m@evil.example>\r\n",
           "an encoded control character in the From field")
    nobody("encoded-local-part", "an encoded word is no local part",
           b"From: =?utf-8?q?ceo=40bank=2Eexample?=@evil.example\r\n",
           "an encoded word in place of a local part in the From field")
    nobody("two-ats", "two at signs", b"From: ceo@bank.example@evil.example\r\n",
           "something that is no address in the From field")
    nobody("backslash", "a quoted pair outside quotes",
           b"From: ceo\\@bank.example@evil.example\r\n",
           "a character in the From field that stands outside quotes")
    nobody("literal", "an address literal is nobody's", b"From: ceo@[192.0.2.1]\r\n",
           "an address literal in the From field")
    nobody("literal-name", "and may look like a name", b"From: ceo@[bank.example]\r\n",
           "an address literal in the From field")
    nobody("last-dot", "a dot at the end", b"From: ceo@bank.example.\r\n",
           "something that is no address in the From field")
    nobody("not-utf-8", "a domain in no known charset", b"From: ceo@b\xe4nk.example\r\n",
           "a domain of the From field that is no host name")
    mallorys("quoted-local-part", "an @ in quotes is of the local part",
             b'From: "ceo@bank.example"@evil.example\r\n')
    mallorys("comment", "a comment is no address",
             b"From: m@evil.example (ceo@bank.example)\r\n")
    mallorys("display-name", "7.4: a display name is out of DMARC's reach",
             b'From: "ceo@bank.example" <m@evil.example>\r\n')
    mallorys("encoded-display-name", "likewise encoded",
             b"From: =?utf-8?q?ceo=40bank=2Eexample?= <m@evil.example>\r\n")
    spoofed("sender", "A.3: Sender says nothing", bank + b"Sender: m@evil.example\r\n")
    spoofed("resent", "nor does Resent-From", bank + b"Resent-From: m@evil.example\r\n")
    spoofed("reply-to", "nor Reply-To", bank + b"Reply-To: m@evil.example\r\n")
    spoofed("angles-empty", "a comment between", b"From: (m@evil.example) <ceo@bank.example>\r\n")
    spoofed("same-domain-twice", "4.3: two of one domain are one author",
            b"From: ceo@bank.example, cfo@BANK.example\r\n")
    spoofed("group-one-domain", "in a group too", b"From: Board: ceo@bank.example;\r\n")
    spoofed("subdomain", "the bank's subdomain", b"From: ceo@www.bank.example\r\n",
            author_domain="www.bank.example")
    u_label = {**policy("xn--bcher-kva.example", REJECT)}
    make.dmarc("author-idn", "5.3.1: a U-label is its A-label", "pass",
               author="a@b\u00fccher.example", signed=["xn--bcher-kva.example"], zone=u_label,
               author_domain="xn--bcher-kva.example")
    make.dmarc("author-idn-spoofed", "and fails like one", "fail", "reject",
               author="a@B\u00dcCHER.example", zone=u_label,
               author_domain="xn--bcher-kva.example")


def dispositions(make: DmarcMaker) -> None:
    d = make.dmarc
    quarantine = policy("example.org", "v=DMARC1; p=quarantine")
    d("policy-no", "DMARC_ENFORCE=no", "fail", envelope={"enforce": "no"})
    d("policy-quarantine", "DMARC_ENFORCE=quarantine", "fail", "quarantine",
      envelope={"enforce": "quarantine"})
    d("policy-postmaster", "RFC 5321 4.5.1: postmaster and abuse", "fail", "quarantine",
      envelope={"recipients": ["Postmaster@example.net", "postmaster", "ABUSE@example.net"]})
    d("policy-postmaster-and-others", "and nobody else", "fail", "reject",
      envelope={"recipients": ["postmaster@example.net", "bob@example.net"]})
    d("policy-postmaster-temp", "nor is it deferred", "temperror",
      zone={"_dmarc.example.org": "SERVFAIL"}, policy=None,
      envelope={"recipients": ["postmaster@example.net"]})
    d("policy-client-unknown", "behind a NAT", "fail", "quarantine", spf=["example.org"],
      sender="a@example.org", envelope={"client_unknown": True})
    d("policy-client-unknown-dkim", "behind a NAT, signed", "pass", signed=["example.org"],
      envelope={"client_unknown": True})
    d("policy-user", "mail of our own user", "fail", envelope={"user": "alice"})
    d("policy-local", "mail of this machine", "fail", envelope={"client_address": None})
    d("policy-user-nobody", "even without an author", "permerror", header=b"",
      envelope={"user": "alice"}, policy=None)
    d("policy-temp-quarantine", "it would decide between inbox and junk", "temperror", "defer",
      sender="a@example.org", zone={**quarantine, "example.org": "SERVFAIL"},
      policy="quarantine")


def idna(make: DmarcMaker) -> None:
    """Names in U-labels. `signed` is the domain that the standard library's codec (IDNA 2003)
    makes of each, and whoever has it has signed: before there was one reader, many passed as it.
    """
    def nobody(name: str, about: str, domain: str, signed: str,
               reason: str = "a domain of the From field that the versions of IDNA do not all "
                             "read alike") -> None:
        make.dmarc(f"idna-{name}", about, "permerror", "reject", author=f"ceo@{domain}",
                   signed=[signed], zone=policy(signed, REJECT), reason=reason,
                   author_domain=None, organizational_domain=None, policy=None)

    def read(name: str, about: str, domain: str, ours: str) -> None:
        zone = policy(ours, REJECT)
        make.dmarc(f"idna-{name}", about, "pass", author=f"ceo@{domain}", signed=[ours],
                   zone=zone, author_domain=ours)
        make.dmarc(f"idna-{name}-spoofed", f"{about}; and fails like it", "fail", "reject",
                   author=f"ceo@{domain}", zone=zone, author_domain=ours)

    nobody("sharp-s", "UTS 46 6: a deviation", "gro\u00df.example", "gross.example")
    nobody("sharp-s-capital", "it is small in UTS 46 since Unicode 15.1, and ss before",
           "GRO\u1e9e.example", "gross.example")
    nobody("final-sigma", "UTS 46 6: a deviation", "\u03bf\u03b4\u03bf\u03c2.example",
           "xn--pxavbq.example")
    nobody("final-sigma-capital", "a capital at the end may be either small one",
           "\u039f\u0394\u039f\u03a3.example", "xn--pxavbq.example")
    nobody("zwj", "a joiner where RFC 5892 A.2 allows it", "\u0915\u094d\u200d\u0937.example",
           "xn--11b2ezc.example")
    nobody("zwj-anywhere", "and where it does not", "ba\u200dnk.example", "bank.example")
    nobody("zwnj", "a non-joiner where RFC 5892 A.1 allows it",
           "\u0646\u0627\u0645\u0647\u200c\u0627\u06cc.example", "xn--mgba3gch31f.example")
    nobody("zwnj-anywhere", "and where it does not", "ba\u200cnk.example", "bank.example")
    nobody("soft-hyphen", "dropped, or disallowed", "ba\u00adnk.example", "bank.example")
    nobody("dot-ideographic", "RFC 5891 4.2 knows one dot", "www\u3002bank.example",
           "www.bank.example")
    nobody("dot-full-width", "likewise", "www\uff0ebank.example", "www.bank.example")
    nobody("dot-half-width", "likewise", "www\uff61bank.example", "www.bank.example")
    nobody("dot-of-a-digit", "a character that becomes a digit and a dot",
           "\u2488bank.example", "1.bank.example")
    nobody("ligature", "mapped, or disallowed", "\ufb01rst.example", "first.example")
    nobody("symbol", "IDNA 2008 has letters and digits only", "\u2603.example", "xn--n3h.example")
    nobody("unassigned", "a character that is none", "\u0378.example", "xn--zva.example")
    nobody("newer", "a letter younger than Unicode 3.2", "\u0527.example", "xn--b8a.example")
    nobody("newer-small", "small letters that came after their capitals",
           "\u13e3\u13b3\u13a9.example", "xn--tz9ata7l.example")
    nobody("corrected", "Corrigendum 4 changed what it is normalised to",
           "\U0002f868.example", "xn--j74i.example")
    nobody("bidi-domain", "RFC 5893 2: a digit begins no label beside one from right to left",
           "1a.\u05d0\u05d1.example", "1a.xn--4dbc.example")
    nobody("bidi-label", "a label in both directions", "\u05d0abc.example", "xn--abc-ppe.example",
           "a domain of the From field that is no host name")
    nobody("bidi-digits", "RFC 5893 2 (4): two kinds of digits", "\u05d01\u0662.example",
           "xn--1-zhc35b.example", "a domain of the From field that is no host name")
    nobody("long-label", "more than 63 octets as an A-label", "\u00fc" * 60 + ".example",
           "bank.example", "a domain of the From field that is no host name")
    nobody("mixed-deviation", "one label is enough", "xn--bcher-kva.gro\u00df.example",
           "xn--bcher-kva.gross.example")
    read("mixed", "A-labels, U-labels and capitals", "XN--Bcher-KVA.B\u00dccher.EXAMPLE",
         "xn--bcher-kva.xn--bcher-kva.example")
    read("full-width", "every version maps full-width letters", "\uff22\uff41\uff4e\uff4b.example",
         "bank.example")
    read("decomposed", "every version composes", "bu\u0308cher.example", "xn--bcher-kva.example")
    read("a-label", "an A-label is the name in DNS", "xn--gro-7ka.example", "xn--gro-7ka.example")
    read("a-label-symbol", "whatever it would be in U-labels", "XN--N3H.example",
         "xn--n3h.example")
    make.dmarc("idna-sender", "nor is an envelope sender that is read in two ways anybody's",
               "fail", "reject", author="a@gross.example", zone=policy("gross.example", REJECT),
               spf=["gross.example"], sender="a@gro\u1e9e.example",
               author_domain="gross.example")
# fmt: on


def main() -> None:
    for folder in FOLDER.glob("2*-dmarc-*"):
        shutil.rmtree(folder)
    make = DmarcMaker()
    for part in (outcomes, records, walks, alignment, temporary, authors, dispositions, idna):
        part(make)


if __name__ == "__main__":
    main()
