"""pyspf's evaluator with our answers in it, and bounds where pyspf has none.

Import it only where pyspf is installed. It must not know resolvers: it is told what is known, and
says what it lacks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

import spf

from filters.mailauth.dns.types import (
    Answer,
    DnsTemporaryError,
    Known,
    Question,
    labels,
    question,
)

# pyspf's patterns are quadratic in a term, and its evaluation runs over all terms again and again.
_LONGEST_TERM = 1_000
_LONGEST_RECORDS = 16_384  # octets of all records of one check together
_MOST_HOSTS = 10  # RFC 7208 §4.6.4

_MODIFIER = re.compile(r"([a-z][a-z0-9_.-]*)=", re.IGNORECASE)
# RFC 7208 §7.1; c, r and t are for the text of an explanation only (§7.2).
_MACRO_STRING = re.compile(
    r"(?:[^%]++|%[%_-]|%\{[slodiphv](?:0*[1-9][0-9]*)?r?[.+,/_=-]*\})*", re.IGNORECASE
)


class MissingError(BaseException):
    """Answers are needed before the evaluation can go on; no Exception, so pyspf lets it pass."""

    def __init__(self, questions: Iterable[Question]) -> None:
        super().__init__()
        self.questions = tuple(questions)


class _Explanation(str):
    """Where the explanation of a fail is to be found, in place of its text (RFC 7208 §6.2)."""

    __slots__ = ("domain",)
    domain: str


class _Noted:
    """A macro's value; whoever reads it is noted in the evaluation's `has_read`."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, evaluation: Any, owner: type | None = None) -> Any:
        evaluation.has_read.add(self._name)
        return evaluation.__dict__[self._name]

    def __set__(self, evaluation: Any, value: object) -> None:
        evaluation.__dict__[self._name] = value


class Evaluation(spf.query):  # type: ignore[misc]  # pyspf has no types
    """One run of check_host() (RFC 7208 §4) over the answers known so far.

    known: the outcome of a question (name, type), None where it has to be asked first.
    """

    # Local part, sender, HELO and time (RFC 7208 §7.2): pyspf reads them for macros alone.
    l, s, h, t = _Noted(), _Noted(), _Noted(), _Noted()  # noqa: E741 -- pyspf's names

    def __init__(
        self, address: str, local: str, domain: str, sender: str, helo: str, known: Known
    ) -> None:
        self.has_read: set[str] = set()
        super().__init__(address, sender or f"postmaster@{helo}", helo)
        # pyspf splits at the first @, and a quoted local part may hold one.
        self.l, self.o, self.d = local, domain, domain
        self._known = known
        self._octets = 0
        self._void_term = 0  # the last term that looked up in vain

    @property
    def looked_at_the_sender(self) -> bool:
        """Whether another sender of this domain, or another HELO, may have another result."""
        return not self.has_read.isdisjoint({"l", "s", "h"})

    @property
    def looked_at_the_clock(self) -> bool:
        """Whether the same may have another result in a second."""
        return "t" in self.has_read

    def run(self) -> tuple[str, str, str]:
        """Return result, reason and, for a fail, the domain's explanation or "".

        Raises MissingError.
        """
        result, _code, text = self.check()
        # Its traceback would hold this evaluation, and this evaluation it.
        self.perm_error = None
        if result in {"temperror", "permerror"}:
            return result, str(getattr(self, "prob", "")) or text, ""
        if result == "fail" and isinstance(text, _Explanation):
            return result, self._matched(), self._fetched(text)
        return result, self._matched() if result != "none" else "no SPF record", ""

    def _matched(self) -> str:
        return f"matched {self.mechanism}" if self.mechanism else ""

    def _fetched(self, text: _Explanation) -> str:
        self.d = text.domain
        try:
            records = self.dns_txt(str(text), ignore_void=True)
            if len(records) != 1:
                return ""
            return str(self.expand(records[0].decode("ascii"), stripdot=False))
        except (spf.TempError, spf.PermError, UnicodeDecodeError):
            return ""

    # What follows replaces pyspf's methods; the names are its own.

    def get_explanation(self, spec: str) -> str | None:
        """Note where the explanation is: only a fail of this very record needs it."""
        if not spec:
            return None
        text = _Explanation(spec)
        text.domain = self.d
        return text

    def expand(self, s: str, stripdot: bool = True) -> Any:
        """Expand macros, in text of a length that pyspf's patterns can bear."""
        if len(s) > _LONGEST_TERM:
            raise spf.PermError("a term that is too long")
        return super().expand(s, stripdot)

    def expand_domain(self, arg: str) -> Any:
        """Validate and expand a domain-spec, likewise."""
        if len(arg) > _LONGEST_TERM:
            raise spf.PermError("a term that is too long")
        return super().expand_domain(arg)

    def dns_spf(self, domain: str) -> Any:
        """Return the SPF record, while all records together stay within bounds."""
        record = super().dns_spf(domain)
        self._octets += len(record or "")
        if self._octets > _LONGEST_RECORDS:
            raise spf.PermError("SPF records that are too long")
        return _with_known_modifiers(record) if record else record

    def dns_mx(self, domainname: str) -> list[str]:
        """Return the addresses of the mail exchangers.

        A host without addresses of the client's family is no void look-up if the name exists.
        """
        exchanges = sorted(self.dns(domainname, "MX"))
        if len(exchanges) > _MOST_HOSTS:
            raise spf.PermError(f"more than {_MOST_HOSTS} MX records")
        hosts = [host for _preference, host in exchanges if host]
        self._need((host, self.A) for host in hosts)
        found: list[str] = []
        for host in hosts:
            answer = self._known(host, self.A)
            exists = isinstance(answer, Answer) and not answer.nxdomain
            found += self.dns(host, self.A, ignore_void=exists)
        return found

    def validated_ptrs(self) -> list[str]:
        """Return the client's names that lead back to it; what fails is skipped (§5.5).

        Names that no longer exist are the client's, not the record's: no void look-ups.
        """
        try:
            names = self.dns_ptr(self.i)[:_MOST_HOSTS]
        except spf.TempError:
            return []
        self._need((name, self.A) for name in names)
        found = []
        for name in names:
            try:
                if self.cidrmatch(self.dns(name, self.A, ignore_void=True), self.cidrmax):
                    found.append(name)
            except spf.TempError:
                continue
        return found

    def cidrmatch(self, ipaddrs: Iterable[str], n: int) -> bool:
        """Say whether the client is in a network, n bits long, of one of these addresses.

        They are of the client's family; pyspf's own networks take most of its time.
        """
        rest = self.cidrmax - n
        network = int(self.ipaddr) >> rest
        try:
            return any(int(ip_address(text)) >> rest == network for text in ipaddrs)
        except ValueError:
            raise spf.PermError("an address that is none") from None

    def dns(
        self, name: str, qtype: str, cnames: object = None, ignore_void: bool = False
    ) -> list[Any]:
        """Answer from what has been fetched; aliases were followed by the resolver."""
        if labels(name) is None:
            return []
        answer = self._known(name, qtype)
        if answer is None:
            raise MissingError([question(name, qtype)])
        if isinstance(answer, DnsTemporaryError):
            raise spf.TempError(answer.reason)
        if not answer.records and not ignore_void:
            self._note_void()
        if qtype == "TXT":
            return [(text,) for text in answer.texts]
        return list(answer.records)

    def _note_void(self) -> None:
        """RFC 7208 §4.6.4: two terms may look up in vain, however many look-ups a term needs."""
        # pyspf counts each term that looks up before it does; the record itself is no term.
        if self.lookups == self._void_term:
            return
        self._void_term = self.lookups
        self.void_lookups += 1
        if self.void_lookups > spf.MAX_VOID_LOOKUPS:
            raise spf.PermError(f"more than {spf.MAX_VOID_LOOKUPS} terms with void look-ups")

    def _need(self, wanted: Iterable[Question]) -> None:
        missing = [question(*one) for one in wanted if labels(one[0]) and self._known(*one) is None]
        if missing:
            raise MissingError(dict.fromkeys(missing))


def _with_known_modifiers(record: str) -> str:
    """Return the record with `redirect` and `exp` in lower case and without other modifiers.

    pyspf compares names of modifiers with case, and refuses a second one of any name: RFC 7208 §6
    does so for these two, and ignores unknown ones however often they stand there.
    """
    version, *terms = record.split(" ")
    kept = [version]
    for term in terms:
        match = _MODIFIER.match(term)
        if match is None:
            kept.append(term)
            continue
        name, value = match[1].lower(), term[match.end() :]
        if len(value) > _LONGEST_TERM:
            raise spf.PermError("a term that is too long")
        if name in {"redirect", "exp"}:
            kept.append(f"{name}={value}")
        elif not _MACRO_STRING.fullmatch(value):
            raise spf.PermError(f"a macro that is none in the modifier {name[:20]}=")
    return " ".join(kept)
