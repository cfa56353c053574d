"""Addresses in a text → pseudonyms: `alice@example.org` → `user-2k7qx4mfdz@example.org`.

A pseudonym is a keyed hash of the address, whose key stays in /data: the same address has the same
one in every line, so that a way can be followed, and nobody without the key can try addresses. The
domain stays: what goes wrong goes wrong between domains, and relays and DNS name them all the same.
It must not know where a text goes. Standard library only, as all that the log goes through.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
from functools import cache
from pathlib import Path

from entrypoint.paths import DATA, RUN

# There while ANONYMIZE_EMAILS is on: the delimiter of sub-addresses, then the key. Root's, 0600.
FILE = RUN / "pseudonyms"
# The key alone, for logs of another time.
KEY = DATA / "secrets/pseudonyms"
_LENGTH = 10  # characters of base32: 50 bits
_ALIKE = 1000  # texts whose pseudonyms are remembered

_NOT_LOCAL = r"\s<>()\[\]{},;:\"@"
_ADDRESS = re.compile(
    # "a b"@…, the same in a quoted field, or what stands before the @ up to a delimiter.
    rf'(\\"[^"]*?\\"|"(?:[^"\\]|\\.)*"|[^{_NOT_LOCAL}\'][^{_NOT_LOCAL}]*)'
    # …and the @ itself, or how programs write it where it may not stand.
    r"(@|%40|=40|\+40|\\x40|&#64;)"
    r"(\[[0-9A-Za-z.:]+\]|[\w-][\w.-]*)",
    re.IGNORECASE,
)
# `user=alice@…`: the name of a field in front, which an address may hold as well.
_NAMED = re.compile(
    r"(?:(?:user|login|ruser|from|to|rcpt|account|address|author|auth|msgid|mailto)=)+", re.I
)
# As smtpd writes them (filters.srs): hash, day, domain, local part.
_SRS = re.compile(r"(srs0)[=+-][^=]{4}=[^=]{2}=([\w-]+(?:\.[\w-]+)+)=(.+)", re.IGNORECASE)
_DONE = re.compile(rf"(?:srs0=[\w.-]+=)?(?:user|id)-[a-z2-7]{{{_LENGTH}}}", re.IGNORECASE)
_PATH = re.compile(r"(/data/mail/)([^/\s]+)/([^/\s()'\"]+)")
# A login may be no address, and hold spaces. smtpd's deliveries name the system's user.
_LOGIN = re.compile(
    r"\b(user|login)=(?:<([^>]*)>|\"((?:[^\"\\]|\\.)*)\"|(.*?)(?= result=)|([^\s<\"]\S*))"
)
# Dovecot's own: `lua(bob,192.0.2.1,<…>)`.
_ASKED = re.compile(r"\b([a-z-]+\()([^(),@\s]+)(,[0-9a-f.:]+[,)])")
_MESSAGE_ID = re.compile(
    r"\b(message-id=\")((?:[^\"\\]|\\.)*)|(\bmsgid=)(?![0-9a-f]{8}(?: |$))(.+)"
)
_COMMAND = re.compile(r"(\bcommand=\")((?:[^\"\\]|\\.)*)")
_VERB = re.compile(
    r"(HELO|EHLO|MAIL FROM|RCPT TO|MAIL|RCPT|DATA|AUTH|VRFY|EXPN|STARTTLS|RSET|NOOP|QUIT|BDAT)\b:?",
    re.I,
)
# RFC 2142 and RFC 5321: they name nobody.
_ROLES = frozenset({"postmaster", "abuse", "mailer-daemon"})
# Words of the log's own forms: as a local part they say no more than a role does.
_WORDS = frozenset(
    (
        "mail info user smtp session message from result imap lmtp inbox sieve relay delivery "
        "inbound submission localhost root vmail test mailbox address client login error warning "
        "the for and not with into reason disposition author source stat delay size host command"
    ).split()
)
_SHORTEST_WORD = 3


class Pseudonyms:
    """key: of the hashes. delimiter: of sub-addresses, which are not told apart."""

    def __init__(self, key: bytes, delimiter: str = "+") -> None:
        self._key, self._delimiter = key[:64], delimiter
        self._hash = cache(self._new_hash)
        self._hashes = 0

    @classmethod
    def of_this_start(cls, path: Path = FILE) -> Pseudonyms | None:
        """None where addresses are to be written as they are, or may not be known here."""
        with contextlib.suppress(OSError):
            delimiter, key = path.read_text("ascii").split()
            return cls(key.encode(), delimiter)
        return None

    @classmethod
    def of_key(cls, path: Path = KEY) -> Pseudonyms | None:
        """With the usual delimiter, where there is a key."""
        with contextlib.suppress(OSError):
            return cls(path.read_text("ascii").strip().encode())
        return None

    def address(self, address: str) -> str:
        """The pseudonym of one address."""
        local, at, domain = address.rpartition("@")
        return self._written(local, at, domain) if at else f"user-{self._hash(address.lower())}"

    def message_id(self, text: str) -> str:
        """Of a Message-ID; its left side often holds an address, or a login."""
        inner = text.strip().removeprefix("<").removesuffix(">")
        if not inner or _DONE.match(inner):
            return text
        _, at, domain = inner.rpartition("@")
        if not at or not re.fullmatch(r"[\w.-]+", domain):
            domain = "invalid"
        return f"<id-{self._hash(inner)}@{domain}>"

    def text(self, text: str) -> str:
        """The text with pseudonyms in the place of all addresses, logins and Message-IDs."""
        known: set[str] = set()

        def address(match: re.Match[str]) -> str:
            local, at, domain = match.groups()
            named = _NAMED.match(local)
            front = named[0] if named else ""
            local = local[len(front) :]
            if not local:
                return match[0]
            known.add(local.strip('\\"').lower())
            known.add(self._base(local.strip('\\"').lower()))
            return front + self._written(local, at, domain)

        def login(match: re.Match[str]) -> str:
            name = next(part for part in match.groups()[1:] if part is not None)
            if name in {"", "-", "vmail", "root"} or _ADDRESS.search(name):
                return match[0]
            known.add(name.lower())
            return match[0].replace(name, f"user-{self._hash(name.lower())}")

        text = _MESSAGE_ID.sub(self._in_message_id, text)
        text = _COMMAND.sub(lambda match: match[1] + _command(match[2]), text)
        text = _LOGIN.sub(login, text)
        text = _ASKED.sub(
            lambda match: f"{match[1]}user-{self._hash(match[2].lower())}{match[3]}", text
        )
        text = _PATH.sub(
            lambda match: f"{match[1]}{match[2]}/{self._written(match[3], '', match[2])}", text
        )
        text = _ADDRESS.sub(address, text)
        return self._without_words(text, known)

    def _in_message_id(self, match: re.Match[str]) -> str:
        if match[1]:
            return match[1] + self.message_id(match[2])
        return match[3] + self.message_id(match[4])

    def _without_words(self, text: str, known: set[str]) -> str:
        """A reply such as `no such user alice` names who was named in the same line."""
        words = sorted(
            (
                word
                for word in known
                if len(word) >= _SHORTEST_WORD
                and word not in _WORDS | _ROLES
                and not _DONE.fullmatch(word)
            ),
            key=len,
            reverse=True,
        )
        if not words:
            return text
        form = "|".join(re.escape(word) for word in words)
        return re.sub(rf"(?<![\w.@-])(?:{form})(?![\w@]|[.-]\w)", "(user)", text, flags=re.I)

    def _written(self, local: str, at: str, domain: str) -> str:
        """The pseudonym with what was between local part and domain; without it the one alone."""
        end = f"{at}{domain}" if at else ""
        if local.lower() in _ROLES or _DONE.fullmatch(local):
            return local + end
        if srs := _SRS.fullmatch(local):
            return f"{srs[1]}={srs[2]}={self._written(srs[3], '', srs[2])}{end}"
        plain = self._base(local.strip('\\"').lower())
        return f"user-{self._hash(f'{plain}@{domain.lower()}')}{end}"

    def _base(self, local: str) -> str:
        base = local.partition(self._delimiter)[0]
        return base or local

    def _new_hash(self, text: str) -> str:
        from hashlib import blake2b  # only where it is used: it brings OpenSSL with it

        self._hashes += 1
        if self._hashes > _ALIKE:
            self._hashes = 0
            self._hash.cache_clear()
        digest = blake2b(text.encode("utf-8", "backslashreplace"), key=self._key, digest_size=10)
        return base64.b32encode(digest.digest()).decode("ascii").lower()[:_LENGTH]


def _command(text: str) -> str:
    """What a client said, as far as it is SMTP's: the rest may be a name in any spelling."""
    verb = _VERB.match(text)
    if verb is None:
        return "..."
    rest = text[verb.end() :].strip()
    if not rest:
        return text
    named = _ADDRESS.fullmatch(rest.removeprefix("<").removesuffix(">"))
    return text if named else f"{verb[0]} ..."


def use(key: str, delimiter: str, path: Path = FILE) -> None:
    """Have all programs of this start write pseudonyms. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{delimiter} {key}\n")


def stop_using(path: Path = FILE) -> None:
    """Have them write addresses as they are."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
