"""Writes the cases 5001 and on: odd but honest mail, and what must not slip through beside it.

    python -m tests.filters.mailauth.make_lenient_cases

The cases are the files. The keys are fixed and Ed25519 signs without chance, so a run changes
nothing but what was changed here.
"""

import shutil
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.filters.mailauth.crafting import craft, record
from tests.filters.mailauth.make_cases import BODY, FOLDER, HEADER, MESSAGE
from tests.filters.mailauth.make_dmarc_cases import REST, DmarcMaker, policy

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
# fmt: on


def main() -> None:
    for folder in FOLDER.glob("5*-*"):
        if int(folder.name.partition("-")[0]) > LenientMaker.number:
            shutil.rmtree(folder)
    make = LenientMaker()
    for part in (spf_modifiers, spf_void):
        part(make)


if __name__ == "__main__":
    main()
