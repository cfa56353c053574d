"""Writes the cases 5001 and on: odd but honest mail, and what must not slip through beside it.

    python -m tests.filters.mailauth.make_lenient_cases

The cases are the files. The keys are fixed and Ed25519 signs without chance, so a run changes
nothing but what was changed here.
"""

import base64
import shutil
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.filters.mailauth.arc_crafting import add_set
from tests.filters.mailauth.crafting import craft, record
from tests.filters.mailauth.make_cases import FOLDER, MESSAGE
from tests.filters.mailauth.make_dmarc_cases import DmarcMaker, policy

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
NAME = "mail._domainkey.example.org"
OTHERS = "only 5 signatures are verified, those of the author's domain first"


class LenientMaker(DmarcMaker):
    number = 5000

    def dkim(self, name: str, about: str, result: str, reason: str = "", **more: Any) -> None:
        """As Maker.dkim(), with the fixed key."""
        more = {"key": KEY, "zone": {NAME: {"TXT": [record(KEY)]}}, **more}
        super(DmarcMaker, self).dkim(name, about, result, reason, **more)


# Tables of calls; the formatter would give every argument a line.
# fmt: off
def spf_modifiers(make: LenientMaker) -> None:
    """RFC 7208 §4.6.1, §6, §12: modifiers, whatever the case of their names."""
    ours, other = "v=spf1 ip4:192.0.2.1 -all", "v=spf1 ip4:192.0.2.9 -all"

    def spf(name: str, about: str, record_: str, more: Mapping[str, Any] | None = None,
            **wanted: Any) -> None:
        names = {"ours.example": {"TXT": [ours]}, "other.example": {"TXT": [other]},
                 "e.example": {"TXT": ["%{i} is not ours"]}, **(more or {})}
        make.spf(name, about, {**names, "example.org": {"TXT": [f"v=spf1 {record_}"]}}, **wanted)

    spf("modifier-case", "12: REDIRECT= is redirect=", "REDIRECT=ours.example", result="pass")
    spf("modifier-mixed-case", "12: so is Redirect=", "mx:none.example Redirect=OURS.example",
        result="pass")
    spf("modifier-case-fail", "and it can fail", "REDIRECT=other.example", result="fail")
    spf("modifier-case-included", "in an included record", "include:i.example -all",
        {"i.example": {"TXT": ["v=spf1 REDIRECT=ours.example"]}}, result="pass")
    spf("modifier-case-missing", "6.1: the redirect's domain has no record",
        "REDIRECT=none.example", result="permerror")
    spf("modifier-case-explanation", "6.2: EXP= is exp=", "-all EXP=e.example",
        result="fail", explanation="192.0.2.1 is not ours")
    spf("modifier-repeated", "6: redirect= twice", "redirect=ours.example redirect=ours.example",
        result="permerror")
    spf("modifier-repeated-case", "6: in whatever case",
        "redirect=ours.example REDIRECT=ours.example", result="permerror")
    spf("modifier-repeated-matched", "4.6: syntax comes before the first match",
        "ip4:192.0.2.1 exp=e.example Exp=e.example -all", result="permerror")
    spf("modifier-unknown-repeated", "6: others are ignored no matter how often",
        "moo=a Moo=b moo=%{d} ip4:192.0.2.1 -all", result="pass")
    spf("modifier-unknown-syntax", "7.1: and are macro strings", "moo=%{x} ip4:192.0.2.1 -all",
        result="permerror")
    spf("modifier-unknown-percent", "7.1: no lone percent sign", "moo=a% ip4:192.0.2.1 -all",
        result="permerror")
    spf("modifier-mechanism-case", "12: names of mechanisms too", "IP4:192.0.2.1 -ALL",
        result="pass")
    spf("modifier-equals-in-mechanism", "4.6.1: an = behind a colon makes no modifier",
        "exists:REDIRECT=x.example.org ip4:192.0.2.1 -all", result="pass")


def spf_void(make: LenientMaker) -> None:
    """RFC 7208 §4.6.4: two terms may look up in vain."""
    reverse = "1.2.0.192.in-addr.arpa"
    stale = [f"stale{n}.example" for n in range(4)]
    found = {"mail.example.org": {"A": ["192.0.2.1"]}}
    spf, reason = make.spf, "more than 2 terms with void look-ups"
    permerror = {"result": "permerror", "reason": reason}

    def ours(text: str) -> dict[str, Any]:
        return {"example.org": {"TXT": [f"v=spf1 {text}"]}}

    spf("void-ptr", "names that no longer exist, and one that does", {
        **ours("ptr -all"), reverse: {"PTR": [*stale, "mail.example.org"]}, **found}, result="pass")
    spf("void-ptr-none", "no name is left, and the next term counts",
        {**ours("ptr ip4:192.0.2.1 -all"), reverse: {"PTR": stale}}, result="pass")
    spf("void-ptr-macro", "%{p} likewise", {
        **ours("exists:%{p}.example.org -all"), reverse: {"PTR": [*stale, "mail.example.org"]},
        **found, "mail.example.org.example.org": {"A": ["127.0.0.2"]}}, result="pass")
    spf("void-ptr-and-two", "two more terms may be void",
        {**ours("ptr a:a.example a:b.example ip4:192.0.2.1 -all"), reverse: {"PTR": stale}},
        result="pass")
    spf("void-ptr-and-three", "and no third",
        {**ours("ptr a:a.example a:b.example a:c.example ip4:192.0.2.1 -all"),
         reverse: {"PTR": stale}}, **permerror)
    spf("void-no-ptr-and-two", "4.6.4: that there is no PTR record counts",
        ours("ptr a:a.example a:b.example ip4:192.0.2.1 -all"), **permerror)
    hosts = {"mx.example": {"MX": [[10, host] for host in stale]}}
    spf("void-mx", "an mx with hosts that do not exist is one term",
        {**ours("mx:mx.example a:a.example ip4:192.0.2.1 -all"), **hosts}, result="pass")
    spf("void-mx-and-two", "but it is one",
        {**ours("mx:mx.example a:a.example a:b.example ip4:192.0.2.1 -all"), **hosts}, **permerror)
    spf("void-terms", "three terms", ours("a:a.example exists:b.example mx:c.example "
        "ip4:192.0.2.1 -all"), **permerror)
    spf("void-terms-included", "however deep they stand", {
        **ours("a:a.example include:i.example a:b.example ip4:192.0.2.1 -all"),
        "i.example": {"TXT": ["v=spf1 mx:c.example -all"]}}, **permerror)


def selectors(make: LenientMaker) -> None:
    """Selectors as DNS has them: what RFC 6376 §3.1 forbids is in use, and names a record."""
    def selector(name: str, about: str, written: str, result: str = "pass",
                 reason: str = "") -> None:
        zone = {f"{written.lower()}._domainkey.example.org": {"TXT": [record(KEY)]}}
        make.dkim(f"selector-{name}", about, result, reason, zone=zone, tags={"s": written},
                  more={"selector": written.lower()} if result == "pass" else None)

    no = ("neutral", "the signature's s= is no selector")
    selector("underscores", "as a large sender's customers publish it", "aweber_key_a")
    selector("underscore-first", "", "_mail")
    selector("underscore-last", "", "mail_")
    selector("underscores-alone", "", "__")
    selector("underscore-labels", "of several labels", "K1._x_.Mail")
    selector("hyphen-first", "DNS has no rule for hyphens", "-mail")
    selector("hyphen-last", "", "mail-")
    selector("digits", "", "20231114")
    selector("63", "RFC 1035 2.3.4", "s" * 63)
    selector("64", "a label that is too long", "s" * 64, *no)
    selector("empty-label", "", "mail..x", *no)
    selector("first-dot", "", ".mail", *no)
    selector("last-dot", "", "mail.", *no)
    selector("space", "", "ma il", *no)
    selector("nul", "", "mail\0.x", "neutral",
             "the signature is malformed: a control character in the tag list")
    selector("8-bit", "", "m\xe4il", *no)
    selector("quote", "what could leave our field", 'mail"x', *no)
    selector("too-long-name", "with d= no name of DNS", ".".join(["s" * 60] * 4), "permerror",
             "no key record for the signature")
    make.dmarc("selector-underscores", "the policy of such a sender", "pass",
               signed=["example.org"], tags={"s": "aweber_key_a"},
               zone={**policy("example.org", "v=DMARC1; p=reject"),
                     "aweber_key_a._domainkey.example.org": {"TXT": [record(KEY)]}})
    tags = {"s": "arc_key", "d": "sealer.example"}
    make.write("arc-selector-underscores", "ARC likewise",
               add_set(MESSAGE, KEY, tags=tags, seal_tags=tags),
               {"arc_key._domainkey.sealer.example": {"TXT": [record(KEY)]}},
               {"arc": {"result": "pass"}})


def signature_fields(make: LenientMaker) -> None:
    """RFC 6376 §3.5, §3.7: only the value of the tag b= is left out of the hash."""
    d = make.dkim
    for name, about, value in (
        ("z-folded", "z= folded before b=", "Subject:a=20plan\r\n b=20c"),
        ("z-folded-tab", "and with a tab", "From:a|Subject:x\r\n\tb=20c|To:y\r\n\tb=3D"),
        ("z-spaced", "FWS may stand anywhere in z=", "Subject: b =20c b=20c"),
        ("n-with-b", "n= with a b=", "the b=AAAA b = c"),
    ):
        tag = name[0]
        for method in ("relaxed/relaxed", "simple/simple"):
            d(f"{name}-{method.partition('/')[0]}", about, "pass", tags={tag: value, "c": method})
        after = {"b": "AAAA"}
        d(f"{name}-b-first", "whatever the order", "pass", tags={"b": "", tag: value})
        d(f"{name}-false", "and a false signature stays false", "fail",
          "the signature does not match the header fields", tags={tag: value}, after=after)
    field = craft(MESSAGE, KEY, tags={"z": "Subject:a\r\n b=20c"})
    make.write("dkim-z-changed", "what stands there is signed",
               field.replace(b"b=20c", b"b=20d") + MESSAGE, {NAME: {"TXT": [record(KEY)]}},
               {"dkim": [{"result": "fail"}]})
    make.write("dkim-z-cut", "all of it",
               field.replace(b"b=20c", b"b=") + MESSAGE, {NAME: {"TXT": [record(KEY)]}},
               {"dkim": [{"result": "fail"}]})


def many_signatures(make: LenientMaker) -> None:
    """At most five are verified: those of the author's domain first, then from the top."""
    zone = {f"mail._domainkey.{domain}": {"TXT": [record(KEY)]} for domain in
            ("example.org", "news.example.org", "other.example.org",
             *(f"list{n}.example" for n in range(9)))}
    zone |= policy("example.org", "v=DMARC1; p=reject")

    def field(domain: str, **more: Any) -> bytes:
        return craft(MESSAGE, KEY, tags={"d": domain}, **more)

    lists = [field(f"list{n}.example") for n in range(9)]
    ours, nonsense = field("example.org"), b"DKIM-Signature: nonsense\r\n"
    false = craft(MESSAGE, KEY, after={"b": "AAAA"})
    facts = {"client_address": "192.0.2.1", "helo": "client.example", "sender": ""}
    passed, rest = {"result": "pass"}, {"result": "policy", "reason": OTHERS}

    def many(name: str, about: str, fields: list[bytes], dkim: list[Any], dmarc: str = "pass",
             message: bytes = MESSAGE, **more: Any) -> None:
        make.write(f"many-{name}", about, b"".join(fields) + message, zone,
                   {"dkim": dkim, "dmarc": {"result": dmarc}, "disposition":
                    "none" if dmarc == "pass" else "reject", **more}, facts)

    many("sixth", "the author's stands sixth", [*lists[:5], ours],
         [passed] * 4 + [rest, passed])
    many("fiftieth", "the author's stands fiftieth", [*lists[:1] * 49, ours],
         [passed] * 4 + [rest] * 45 + [passed])
    many("fifty-first", "at most fifty fields are parsed", [*lists[:1] * 50, ours],
         [passed] * 5 + [rest] * 45 + [{**rest, "domain": ""}], "fail")
    sub = MESSAGE.replace(b"alice@example.org", b"alice@news.example.org")
    many("parent", "relaxed alignment: the parent's signature is aligned, too",
         [*lists[:5], craft(sub, KEY, tags={"d": "example.org"})],
         [{"result": "fail"}] * 4 + [rest, passed], message=sub)
    many("sibling", "and a sibling's",
         [*lists[:5], craft(sub, KEY, tags={"d": "other.example.org"})],
         [{"result": "fail"}] * 4 + [rest, passed], message=sub)
    many("exact-first", "the very domain before its relatives",
         [*[field("other.example.org")] * 5, ours], [passed] * 4 + [rest, passed])
    many("malformed", "what cannot be read takes no place of what can",
         [nonsense * 3, craft(MESSAGE, KEY, tags={"x": "5"}) * 3, *lists[:1], ours],
         [rest] * 3 + [{"result": "permerror"}] * 3 + [passed] * 2)
    many("false", "five false ones of the author's domain above a good one",
         [false * 5, ours], [{"result": "fail"}] * 5 + [rest], "fail")


def encoded(text: str, charset: str, codec: str | None = None, method: str = "B") -> bytes:
    """An encoded word of RFC 2047."""
    octets = text.encode(codec or charset)
    written = base64.b64encode(octets).decode() if method == "B" else "".join(
        chr(octet) if chr(octet).isalnum() and octet < 128 else f"={octet:02X}" for octet in octets
    )
    return f"=?{charset}?{method}?{written}?=".encode()


def raw(octets: bytes, charset: str) -> bytes:
    """An encoded word of these octets."""
    return f"=?{charset}?B?{base64.b64encode(octets).decode()}?=".encode()


def author_cases(make: LenientMaker) -> tuple[Any, Any]:
    """(one, nobody): mallory at s.example authenticates that domain, and bank.example rejects."""
    zone = {**policy("s.example", "v=DMARC1; p=reject"),
            **policy("bank.example", "v=DMARC1; p=reject")}
    signed = {"signed": ["s.example"], "spf": ["s.example"], "sender": "a@s.example", "zone": zone}

    def one(name: str, about: str, author: bytes | str, stored: bytes | str | None = None) -> None:
        """The author is of s.example; stored: the From field as it is passed on."""
        more = {} if stored is None else {"from": stored if isinstance(stored, str)
                                          else stored.decode("utf-8", "surrogateescape")}
        make.dmarc(name, about, "pass", author=author, author_domain="s.example",
                   more={"from": None, **more}, **signed)

    def nobody(name: str, about: str, author: bytes | str, reason: str) -> None:
        make.dmarc(name, about, "permerror", "reject", author=author, author_domain=None,
                   organizational_domain=None, policy=None, reason=reason, more={"from": None},
                   **signed)

    return one, nobody


def charsets(make: LenientMaker) -> None:
    """RFC 2047: an encoded word of any charset; none may hide what ends a name for some."""
    one, nobody = author_cases(make)
    address, hidden = b" <a@s.example>", "an encoded control character in the From field"

    def name(name: str, about: str, word: bytes) -> None:
        one(f"charset-{name}", about, word + address)

    def bad(name: str, about: str, word: bytes) -> None:
        nobody(f"charset-{name}", about, word + address, hidden)

    japanese, korean = "\u65e5\u672c\u8a9e A \u30c6\u30b9\u30c8", "\ud55c\uad6d\uc5b4 B"
    name("iso-2022-jp", "RFC 1468: ESC switches", encoded(japanese, "ISO-2022-JP"))
    name("iso-2022-jp-q", "in Q", encoded(japanese, "iso-2022-jp", method="Q"))
    name("iso-2022-jp-language", "RFC 2231 5: with a language",
         encoded(japanese, "iso-2022-jp*ja", "iso-2022-jp"))
    name("iso-2022-jp-words", "in two words",
         encoded(japanese, "ISO-2022-JP") + b"\r\n " + encoded(japanese, "ISO-2022-JP"))
    name("iso-2022-jp-quoted", "in a quoted string",
         b'"' + encoded(japanese, "ISO-2022-JP") + b'"')
    name("iso-2022-jp-cut", "a word that ends in the other state",
         raw(japanese.encode("iso-2022-jp")[:-3], "ISO-2022-JP"))
    name("iso-2022-jp-ms", "a name that Python does not know",
         encoded(japanese, "x-iso-2022-jp-ms", "iso-2022-jp"))
    name("iso-2022-jp-2", "RFC 1554: ESC $ ( and ESC N",
         raw(b"\x1b$(C0W\x1b.A\x1bNi\x1b(B", "ISO-2022-JP-2"))
    name("iso-2022-jp-announced", "ESC & @ ESC $ B", raw(b"\x1b&@\x1b$B0!\x1b(B", "ISO-2022-JP"))
    name("cp50221", "a vendor's name for it", encoded(japanese, "cp50221", "iso-2022-jp"))
    name("jis", "JIS_Encoding", encoded(japanese, "csJISEncoding", "iso-2022-jp"))
    name("iso-2022-kr", "RFC 1557: SO and SI", encoded(korean, "ISO-2022-KR"))
    name("iso-2022-cn", "RFC 1922: SO, SI and ESC N",
         raw(b"\x1b$)A\x0e=;;;\x1b$*H\x1bN(1\x0f", "ISO-2022-CN"))
    name("hz", "RFC 1843: ~ switches", encoded("\u4e2d\u6587", "HZ-GB-2312", "hz"))
    name("utf-7", "RFC 2152: + switches", encoded("J\u00fcrgen", "UTF-7"))
    for charset in ("UTF-8", "GB18030", "GBK", "GB2312", "Big5", "EUC-JP", "Shift_JIS"):
        name(charset.lower(), "RFC 2047", encoded("\u65e5\u672c", charset))
    for charset, text in (
        ("EUC-KR", korean), ("ks_c_5601-1987", korean), ("KOI8-R", "\u0418\u0432\u0430\u043d"),
        ("windows-1251", "\u0418\u0432\u0430\u043d"), ("windows-1252", "J\u00fcr\u2026"),
        ("ISO-8859-1", "J\u00fcrgen"), ("ISO-8859-15", "10 \u20ac"), ("TIS-620", "\u0e01"),
    ):
        name(charset.lower(), "RFC 2047", encoded(text, charset))
    name("unknown", "one that nobody knows", raw(b"abc\xff", "x-unheard-of"))
    bad("iso-2022-jp-nul", "a NUL ends the name for some",
        raw(b"\x1b$B0!\x1b(Bceo@bank.example\0", "ISO-2022-JP"))
    bad("iso-2022-jp-nul-inside", "in the other state, too", raw(b"\x1b$B0!\0", "ISO-2022-JP"))
    bad("iso-2022-jp-line-end", "a line end", raw(b"\x1b$B0!\x1b(B\r\nFrom: x", "ISO-2022-JP"))
    bad("iso-2022-jp-terminal", "an ESC for terminals", raw(b"\x1b[2Jx", "ISO-2022-JP"))
    bad("iso-2022-jp-escape-alone", "an ESC for nothing", raw(b"x\x1b", "ISO-2022-JP"))
    bad("iso-2022-kr-backspace", "a backspace", raw(b"x\x08", "ISO-2022-KR"))
    bad("utf-8-escape", "where ESC switches nothing", raw(b"\x1b$B0!\x1b(B", "UTF-8"))
    bad("utf-8-shift", "nor SO and SI", raw(b"x\x0ey\x0f", "UTF-8"))
    bad("unknown-nul", "a NUL in whatever charset", raw(b"x\0", "x-unheard-of"))
    bad("utf-7-nul", "a NUL in UTF-7", raw(b"ceo@bank.example+AAA-", "UTF-7"))
    bad("language-nul", "and with a language", raw(b"x\0", "utf-8*en"))
    bad("language-utf-7", "in UTF-7", raw(b"x+AAA-", "utf-7*en"))
    bad("nul-in-word-in-word", "a word in a word", b"=?utf-8?q?=?utf-8?q?=00?=")
    bad("nul-beside-dot", "a dot parts no encoded word", b"=?utf-8?q?ceo.bank=00?=")
    bad("nul-beside-comment", "nor does a comment", b"=?utf-8?q?ceo(x)bank=00?=")
    bad("nul-beside-quote", "nor a quoted string", b'=?utf-8?q?ceo"x"bank=00?=')
    bad("nul-beside-mark", "nor a question mark", b"=?utf-8?q?ceo?bank=00?=")
    bad("nul-beside-space", "nor white space", b"=?utf-8?q?ceo bank=00?=")
    bad("nul-in-broken-base64", "base64 as lenient readers read it", b"=?utf-8?b?Y2VvA*A?=")
    bad("nul-in-comment", "nor in a comment", b"A (=?utf-8?q?x=00?=)")


def names(make: LenientMaker) -> None:
    """Names that RFC 5322 would have in quotes: one address whoever reads them, once they are."""
    one, nobody = author_cases(make)

    def name(name: str, about: str, written: bytes | str,
             stored: bytes | str | None = None) -> None:
        text = written.encode() if isinstance(written, str) else written
        if stored is not None:
            stored = (stored.encode() if isinstance(stored, str) else stored) + b" <a@s.example>"
        one(f"name-{name}", about, text + b" <a@s.example>", stored)

    name("ideographic-space", "U+3000 is no white space of RFC 5322", "\u5c71\u7530\u3000\u592a")
    name("no-break-space", "nor are U+00A0", "Fran\u00e7ois\u00a0B")
    name("other-spaces", "and U+2009, U+202F", "A\u2009B\u202fC")
    name("space-alone", "even alone", "\u3000")
    name("via", "as lists write", "x via L")
    name("comma", "an unquoted comma", "Foo, Inc.", '"Foo, Inc."')
    name("comma-folded", "on two lines", b"Foo,\r\n\tInc.", b'"Foo,\tInc."')
    name("comma-first", "a list without its first element", ", Foo", '", Foo"')
    name("comma-last", "a comma before the address", "Foo,", '"Foo,"')
    name("commas", "several", "Doe, John, Ph.D.", '"Doe, John, Ph.D."')
    name("comma-comment", "a department behind it", "Doe, John (Sales)", '"Doe, John (Sales)"')
    name("comma-quotes", "half of it in quotes", '"Foo", Inc.', '"Foo, Inc."')
    name("comma-8-bit", "in an unknown charset", b"M\xfcller, Hans", b'"M\xfcller, Hans"')
    name("comma-utf-8", "in UTF-8", "M\u00fcller, Hans", '"M\u00fcller, Hans"')
    name("comma-encoded", "beside an encoded word", "=?utf-8?q?M=C3=BCller?=, Hans",
         '=?utf-8?q?M=C3=BCller?= ", Hans"')
    name("comma-in-q", "in an encoded word of Q", "=?utf-8?Q?M=C3=BCller,_Hans?=",
         "=?utf-8?Q?M=C3=BCller=2C_Hans?=")
    name("space-in-q", "with white space", "=?utf-8?Q?M=C3=BCller, Hans?=",
         "=?utf-8?Q?M=C3=BCller=2C_Hans?=")
    name("comma-iso-2022-jp", "in the states of ISO-2022-JP",
         encoded("\u65e5\u672c", "ISO-2022-JP") + b", Inc.",
         encoded("\u65e5\u672c", "ISO-2022-JP") + b' ", Inc."')
    name("colon", "an unquoted colon", "Foo: Bar", '"Foo: Bar"')
    name("semicolon", "a semicolon", "Foo; Bar", '"Foo; Bar"')
    name("brackets", "brackets", "[Foo] Bar", '"[Foo] Bar"')
    name("brackets-via", "as lists write", "x [via L]", '"x [via L]"')
    name("pair-in-quotes", "to smtpd a backslash in quotes is none", '"Foo \\"Bar\\", Inc."',
         "\"Foo 'Bar', Inc.\"")
    name("backslash-in-quotes", "nor is one for itself", '"Foo \\\\ Bar, Inc."',
         '"Foo / Bar, Inc."')
    name("pair-comment", "nor beside a comment", '"Foo \\"Bar\\"" (Sales)')
    name("pair-alone", "without a comma that is the same to it", '"Foo \\"Bar\\""')
    name("empty-quotes", "nothing to quote", '""')

    for name_, about, written, reason in (
        ("address-before", "an address before a comma", "ceo@bank.example, x",
         "addresses of several domains in the From field"),
        ("address-in-quotes", "in quotes", '"ceo@bank.example", x',
         "something that is no address in the From field"),
        ("address-encoded", "encoded", "=?utf-8?q?ceo=40bank.example?=, x",
         "something that is no address in the From field"),
        ("address-encoded-b", "encoded with its brackets",
         "=?utf-8?b?PGNlb0BiYW5rLmV4YW1wbGU+?=,",
         "something that is no address in the From field"),
        ("address-encoded-unknown", "in a charset that nobody knows",
         "=?x-unheard-of?b?PGNlb0BiYW5rLmV4YW1wbGU+?=,",
         "something that is no address in the From field"),
        ("address-encoded-utf-7", "in UTF-7", "=?utf-7?q?ceo+AEA-bank.example?=, x",
         "something that is no address in the From field"),
        ("address-in-comment", "in a comment", "x, y (ceo@bank.example)",
         "something that is no address in the From field"),
        ("address-via", "an address as a list's member", "ceo@bank.example via L",
         "white space inside an address in the From field"),
        ("angles", "in angle brackets", "<ceo@bank.example>,",
         "addresses of several domains in the From field"),
        ("angles-bare", "a bare word in angle brackets", "<ceo>,",
         "something that is no address in the From field"),
        ("backslash", "a quoted pair", "ceo\\,",
         "a character in the From field that stands outside quotes"),
        ("quotes-open", "a quoted string without an end", 'x", y',
         "a quoted string or address literal without an end in the From field"),
        ("comment-open", "a comment without an end", "x, (y",
         "a comment without an end in the From field"),
        ("comment-close", "the end of none", "x, y)",
         "a character in the From field that stands outside quotes"),
        ("quotes-and-comment", "one in the other or the other in the one", 'x, "y (" z ")"',
         "something that is no address in the From field"),
        ("bracket-open", "an address literal without an end", "x [y",
         "a quoted string or address literal without an end in the From field"),
        ("word-open", "half an encoded word", "=?utf-8?q?x, y",
         "something that is no address in the From field"),
        ("word-nul", "what hides a NUL", "=?utf-8?q?x=00?=, y",
         "an encoded control character in the From field"),
        ("separator", "U+2028 ends a line for some", "x\u2028y",
         "a character in the From field that stands outside quotes"),
        ("next-line", "so does U+0085", "x\u0085y",
         "a character in the From field that stands outside quotes"),
        ("pair-in-comment", "to smtpd a backslash in a comment is none", "x (a\\), b)",
         "a quoted pair in a comment of the From field"),
        ("punctuation", "no name at all", ",", "an empty place in the From field's list"),
        ("long", "no name of so many characters", "x, " + "y" * 900,
         "something that is no address in the From field"),
    ):
        nobody(f"name-{name_}", about, written + " <a@s.example>", reason)
    one("name-bare-and-address", "a bare word is an address to smtpd, which completes it",
        "ceo, x <a@s.example>", '"ceo, x" <a@s.example>')
    for name_, about, author, reason in (
        ("pair-list", "a quoted pair in a list", '"x \\"y\\", z" <a@s.example>, b@s.example',
         "a quoted pair beside a comma or comment in the From field"),
        ("pair-comment", "quotes that end in a comment", '"\\"" <a@s.example> (")',
         "a quoted pair beside a comma or comment in the From field"),
        ("after", "text after the address", "x, y <a@s.example> z",
         "something that is no address in the From field"),
        ("comment-after", "even a comment", "x, y <a@s.example> (ceo@bank.example)",
         "something that is no address in the From field"),
        ("list", "another in the list", "x, y <a@s.example>, z <ceo@bank.example>",
         "something that is no address in the From field"),
        ("list-bare", "a bare word in the list", "x, y <a@s.example>, ceo",
         "something that is no address in the From field"),
        ("no-angles", "no angle brackets", "x, a@s.example",
         "something that is no address in the From field"),
        ("group-open", "nor a group without an end", "x: a@s.example",
         "a group or an angle bracket without an end in the From field"),
        ("route", "a source route", "x, y <@bank.example:a@s.example>",
         "something that is no address in the From field"),
        ("route-bare", "of a bare word", "x, y <@bank.example:ceo>",
         "a source route in the From field"),
        ("two-ats", "two at signs", "x, y <ceo@bank.example@s.example>",
         "something that is no address in the From field"),
        ("quoted-at", "one of them in quotes", 'x, y <"ceo@bank.example"@s.example>',
         "something that is no address in the From field"),
    ):
        nobody(f"name-with-{name_}", about, author, reason)


def addresses(make: LenientMaker) -> None:
    """White space and comments around the domain (RFC 5322 §3.4.1), and local parts with dots."""
    one, nobody = author_cases(make)
    for name, about, author in (
        ("space-before", "RFC 5322 3.4.1: white space before the domain", "<a@ s.example>"),
        ("space-after", "after it", "<a@s.example >"),
        ("space-at", "before the @", "<a @s.example>"),
        ("folded", "a folded line", "Foo <a@\r\n s.example\r\n >"),
        ("comment-before", "a comment before the domain", "<a@(work)s.example>"),
        ("comment-after", "after it", "<a@s.example (work)>"),
        ("comment-at", "before the @", "Foo <a(work) @ s.example>"),
        ("comments", "folded and nested", "<a@ (one (two))\r\n\t(three) s.example>"),
        ("dots", "as customers of a large carrier have it", "<a..b.@s.example>"),
        ("dots-bare", "without angle brackets", "a..b.@s.example"),
        ("dot-first", "", "Foo <.a@s.example>"),
        ("dot-last", "", '"Foo" <a.@s.example>'),
    ):
        one(f"address-{name}", about, author)
    spaced = "white space inside an address in the From field"
    odd = "something that is no address in the From field"
    for name, about, author, reason in (
        ("bare-space", "without angle brackets some see two words", "a @ s.example", spaced),
        ("bare-comment", "and a comment", "a@(x)s.example", spaced),
        ("space-in-domain", "white space inside the domain", "<a@s .example>", spaced),
        ("space-behind-dot", "", "<a@s. example>", spaced),
        ("space-in-local-part", "inside the local part", "<a b@s.example>", spaced),
        ("space-at-dot", "", "<a .b@s.example>", spaced),
        ("comment-domain", "a comment that some could read as a domain",
         "<a@(bank.example)s.example>", spaced),
        ("comment-domain-at", "before the @", "<a(@bank.example)@s.example>", spaced),
        ("comment-label", "as a label", "<a@(bank.)s.example>", spaced),
        ("comment-pair", "with a quoted pair", "<a@(x\\))s.example>",
         "a quoted pair in a comment of the From field"),
        ("two-domains", "two domains", "<a@bank.example s.example>", spaced),
        ("two-comments", "with a comment between", "<a@bank.example (x) s.example>", spaced),
        ("dots-alone", "a local part of dots", "<..@s.example>", odd),
        ("dots-in-domain", "in the domain they are none", "<a@s..example>", odd),
        ("dot-first-domain", "", "<a@.s.example>", odd),
        ("dot-last-domain", "", "<a@s.example.>", odd),
        ("local-space", "white space of others in a local part", "<a\u3000b@s.example>", odd),
        ("domain-space", "in a domain", "<a@\u3000s.example>", odd),
    ):
        nobody(f"address-{name}", about, author, reason)
# fmt: on


def main() -> None:
    for folder in FOLDER.glob("5*-*"):
        if int(folder.name.partition("-")[0]) > LenientMaker.number:
            shutil.rmtree(folder)
    make = LenientMaker()
    for part in (
        spf_modifiers,
        spf_void,
        selectors,
        signature_fields,
        many_signatures,
        charsets,
        names,
        addresses,
    ):
        part(make)


if __name__ == "__main__":
    main()
