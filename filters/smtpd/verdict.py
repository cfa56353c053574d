"""What a handler may answer. What smtpd would treat as fatal cannot be expressed here.

smtpd dies of an unknown verdict, of `junk` at commit, of a reply of several lines or of
20,000 bytes, so the constructors make every verdict harmless instead of trusting their callers:
texts often quote what the network sent.
"""

from __future__ import annotations

from dataclasses import dataclass

# RFC 5321 §4.5.3.1.5: a reply line is at most 512 octets, code and CRLF included.
LONGEST_TEXT = 400


class Verdict:
    """One of `Proceed`, `Reject`, `Disconnect` and `Rewrite`."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Proceed(Verdict):
    """Go on as if there were no filter."""


@dataclass(frozen=True, slots=True)
class _Refusal(Verdict):
    """A 4xx or 5xx reply (RFC 5321 §4.2).

    `code` outside 400 to 599 becomes 550; `text` becomes one short line of printable ASCII.
    smtpd logs it between quotation marks and escapes none, so a `"` in it becomes `'`.
    """

    code: int
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "code", self.code if 400 <= self.code <= 599 else 550)
        object.__setattr__(self, "text", one_line(self.text).replace('"', "'"))

    @property
    def reply(self) -> str:
        """`550 5.7.1 text`, without line end."""
        return f"{self.code} {self.text}"


class Reject(_Refusal):
    """Refuse this command; the session goes on."""

    __slots__ = ()


class Disconnect(_Refusal):
    """Refuse this command and close the session."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Rewrite(Verdict):
    """Replace the parameter of HELO, EHLO, MAIL or RCPT; addresses without angle brackets."""

    parameter: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameter", one_line(self.parameter))


PROCEED = Proceed()


def one_line(text: str, longest: int = LONGEST_TEXT) -> str:
    """Printable ASCII only (others become `?`), at most `longest` characters, never empty."""
    kept = "".join(char if " " <= char <= "~" else "?" for char in text[:longest])
    return kept.strip() or "refused"
