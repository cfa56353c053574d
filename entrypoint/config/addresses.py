"""Mail addresses as a person writes them → lower-case `local@domain`.

It must not know which domains are ours. Local parts are ASCII dot-atoms (RFC 5322 §3.2.3), never
quoted strings. What gets into our files has fewer characters than the RFC allows: each rule below
names its reason.
"""

from __future__ import annotations

import re

from entrypoint.config.domain_names import domain_name
from entrypoint.config.problems import BrokenRuleError

# smtpd takes an alias target that begins with | or / as a program or a file; quotes, the
# backslash and the backtick could end a string in some file that is rendered.
_FOREIGN_ATOM = re.compile(r"[a-z0-9!#$%&*+=?^_{}~-]+")
# smtpd writes ":" for each of !#$%&'*?`{|}~ in a Maildir's path, so that two accounts could
# share one Maildir; a table line that begins with # is a comment.
_OWN_ATOM = re.compile(r"[a-z0-9+=^_-]+")
_ANY_ATOM = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+")
_CHARACTERS = {
    _FOREIGN_ATOM: "! # $ % & * + = ? ^ _ { } ~ -",
    _OWN_ATOM: "+ = ^ _ -",
    _ANY_ATOM: "! # $ % & ' * + / = ? ^ _ ` { | } ~ -",
}
_CURE = "write it like alice@example.org"


def foreign_address(text: str) -> str:
    """An address of anybody, such as an alias's target."""
    return _address(text, _FOREIGN_ATOM)


def own_address(text: str) -> str:
    """An address that is to exist here."""
    return _address(text, _OWN_ATOM)


def sender_address(text: str) -> str:
    """An address that mail comes from; for a database, and never for a file that is rendered."""
    return _address(text, _ANY_ATOM)


def _address(text: str, atom: re.Pattern[str]) -> str:
    local, at, domain = text.rpartition("@")
    if not at or not local or not domain:
        raise BrokenRuleError("not an address: it is a local part, @ and a domain", _CURE)
    local = local.lower() if local.isascii() else local
    if atom is not _ANY_ATOM and ("/" in local or ".." in local):
        raise BrokenRuleError("a local part may not hold / or ..", _CURE)
    if len(local) > 64:  # RFC 5321 §4.5.3.1.1
        raise BrokenRuleError("a local part has at most 64 characters", _CURE)
    if not all(atom.fullmatch(part) for part in local.split(".")):
        raise BrokenRuleError(
            f"a local part here is made of ASCII letters, digits and {_CHARACTERS[atom]}, with "
            "single dots between them",
            _CURE,
        )
    return f"{local}@{domain_name(domain)}"
