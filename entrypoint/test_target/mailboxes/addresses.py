"""A recipient → the mailbox that production would deliver to, by the names of its folders.

Whatever a client writes as a recipient comes here. What is a mailbox's name is safe as the name of
a folder, and two mailboxes never have the same: the domain and the local part are a folder each,
and neither has a slash or begins with a dot.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from filters.login_name import login_name

_LONGEST = 255  # bytes of a folder's name
_LABEL = re.compile(r"[a-z0-9_-]{1,63}\Z")
_LITERAL = re.compile(r"\[[a-z0-9.:-]{1,250}\]\Z")  # [192.0.2.1], [ipv6:2001:db8::1]
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"@([^@]*)\Z', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
# RFC 5321's atoms have none of these, and neither has the name of a folder a slash.
_FORBIDDEN = frozenset('/\\"(),:;<>@[]')


class NotAMailboxError(ValueError):
    """The address cannot be the name of a mailbox. The text says why."""


@dataclass(frozen=True)
class MailboxAddress:
    """maildir: the mailbox's folder below the root of all mail. tag: of the sub-address, or ""."""

    domain: str
    local: str
    tag: str

    @property
    def maildir(self) -> str:
        """As `mail_home` of dovecot.conf has it."""
        return f"{self.domain}/{self.local}"


def mailbox_of(recipient: str, delimiter: str) -> MailboxAddress:
    """Lower case and A-labels as in production. Raises NotAMailboxError."""
    address = _unquoted(recipient)
    written, at, _ = address.rpartition("@")
    if not at:
        raise NotAMailboxError("it has no domain")
    _, _, domain = login_name(address).rpartition("@")
    _check_domain(domain)
    base, _, tag = written.partition(delimiter) if delimiter else (written, "", "")
    local = base.lower() if base.isascii() else base
    _check_local(local)
    return MailboxAddress(domain, local, tag)


def is_login(login: str, delimiter: str) -> bool:
    """Whether it is a mailbox's own name; a login with a sub-address would show an empty one."""
    try:
        address = mailbox_of(login, delimiter)
    except NotAMailboxError:
        return False
    return login.lower() == f"{address.local}@{address.domain}" and not address.tag


def _unquoted(recipient: str) -> str:
    """What is quoted needlessly is the same address without (RFC 5321, 4.1.2)."""
    match = _QUOTED.match(recipient)
    return f"{_ESCAPE.sub(_second, match[1])}@{match[2]}" if match else recipient


def _second(match: re.Match[str]) -> str:
    return match[1]


def _check_domain(domain: str) -> None:
    if len(domain) > _LONGEST:
        raise NotAMailboxError("its domain is too long")
    if not _LITERAL.match(domain) and not all(map(_LABEL.match, domain.split("."))):
        raise NotAMailboxError("its domain is no domain's name")


def _check_local(local: str) -> None:
    if not local:
        raise NotAMailboxError("there is nothing before its sub-address")
    if local.startswith("."):
        raise NotAMailboxError("its local part begins with a dot")
    if not local.isprintable() or " " in local or not _FORBIDDEN.isdisjoint(local):
        raise NotAMailboxError("its local part has a character that no mailbox's name has")
    if len(local.encode()) > _LONGEST:
        raise NotAMailboxError("its local part is too long")
