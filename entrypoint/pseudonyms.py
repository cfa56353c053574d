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
from collections.abc import Callable
from functools import cache
from pathlib import Path

from entrypoint.paths import DATA, RUN

# There while ANONYMIZE_EMAILS is on: the delimiter of sub-addresses, then the key. Root's, 0600.
FILE = RUN / "pseudonyms"
# The key alone, for logs of another time.
KEY = DATA / "secrets/pseudonyms"
_LENGTH = 10  # characters of base32: 50 bits
_ALIKE = 1000  # texts whose pseudonyms are remembered

# An @ with a domain behind it; then how programs write one where it may not stand.
_DOMAIN = r"(\[[0-9A-Za-z.:]+\]|[\w-][\w.-]*)"
_AT = re.compile(rf"(@){_DOMAIN}")
_ENCODED_AT = re.compile(
    r"(%(?:25)*40|=40|\+40|\\x40|\\u0040|&#(?:x40|64);|\uff20| ?[(\[]at[)\]] ?)"
    r"([\w-]+(?:\.[\w-]+)*\.[a-z]{2,}(?![\w-]))",
    re.IGNORECASE,
)
# What stands before it up to a delimiter, read backwards.
_LOCAL_BACKWARDS = re.compile(r"[^\s<>()\[\]{},;:\"@]*")
# `user=alice@…`: the name of a field in front, which an address may hold as well.
_NAMED = re.compile(
    r"(?:(?:user|login|ruser|from|to|rcpt|account|address|author|auth|msgid|mailto)=)+", re.I
)
# As smtpd writes them (filters.srs): hash, day, domain, local part.
_SRS = re.compile(r"(srs0)[=+-][^=]{4}=[^=]{2}=([\w-]+(?:\.[\w-]+)+)=(.+)", re.IGNORECASE)
_DONE = re.compile(rf"(?:srs0=[\w.-]+=)?(?:user|id)-[a-z2-7]{{{_LENGTH}}}", re.IGNORECASE)
_DONE_ID = re.compile(rf"id-[a-z2-7]{{{_LENGTH}}}@[\w.-]+")
_PATH = re.compile(r"(/data/mail/)([^/\s]+)/([^/\s()'\",:;]+)")
# A login, and an address that was cut, may be no address, and hold spaces. smtpd's deliveries name
# the system's user.
_NAME = re.compile(
    r"\b(?:user|login|from|to)=(?:<([^>]*)>|\"([^\"\\]*(?:\\.[^\"\\]*)*)\"|([^\s<\"]\S*))"
    r"|\bsmtp authentication user=(.*)(?= result=)"
)
# A recipient without a domain, in our own reply.
_RESULT = re.compile(r"(?<= failed-command result=\")[^\"\\]*(?:\\.[^\"\\]*)*")
_BARE = re.compile(r"<([^<>@]+)>")
_NOBODY = frozenset({"", "-", "vmail", "root"})
# Dovecot's own: `lua(bob,192.0.2.1,<…>)`, `imap(bob)<71><…>`; `lmtp(71): ` is a process.
_ASKED = re.compile(r"(\((?<=[a-z0-9]\())([^(),@]+)(,[0-9a-f.:]+[,)]|\)(?:<|: ))")
_MESSAGE_ID = ("message-id=", "msgid=")
_QUEUE_ID = re.compile(r"(?:[0-9a-f]{8}|-)(?: |$)")
_QUOTED_TEXT = re.compile(r"\"([^\"\\]*(?:\\.[^\"\\]*)*)")
_COMMAND = re.compile(r"(\bcommand=\")([^\"\\]*(?:\\.[^\"\\]*)*)")
_VERB = re.compile(
    r"(HELO|EHLO|MAIL FROM|RCPT TO|MAIL|RCPT|DATA|AUTH|VRFY|EXPN|STARTTLS|RSET|NOOP|QUIT|BDAT)\b:?",
    re.I,
)
_ONE_ADDRESS = re.compile(rf"<?[^\s<>()\[\]{{}},;:\"@]+@{_DOMAIN}>?")
_QUOTED_ADDRESS = re.compile(rf'\\?"[^"]*"@{_DOMAIN}')
_QUOTED_LOCAL = re.compile(rf'\\?"([^"]*)"@{_DOMAIN}')
# RFC 2142 and RFC 5321: they name nobody.
_ROLES = frozenset({"postmaster", "abuse", "mailer-daemon"})
# Words of the log's own forms: as a local part they say no more than a role does.
_WORDS = frozenset(
    {
        *("mail", "info", "user", "smtp", "session", "message", "from", "result", "imap", "lmtp"),
        *("inbox", "sieve", "relay", "delivery", "inbound", "submission", "localhost", "root"),
        *("vmail", "test", "mailbox", "address", "client", "login", "error", "warning", "the"),
        *("for", "and", "not", "with", "into", "reason", "disposition", "author", "source"),
        *("stat", "delay", "size", "host", "command"),
        # What the junk filter says.
        *("junk", "score", "threshold", "words", "spam", "ham", "enough", "learned", "first"),
        *("contact", "known", "listed", "blocked", "allowed", "sender", "written", "sent"),
        *("server", "this", "dmarc", "dkim", "spf", "pass", "fail"),
    }
)
_NEUTRAL = _WORDS | _ROLES
_SHORTEST_WORD, _MOST_WORDS = 3, 20


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
        if not inner or _DONE_ID.fullmatch(inner):
            return text
        _, at, domain = inner.rpartition("@")
        if not at or not re.fullmatch(r"[\w.-]+", domain):
            domain = "invalid"
        return f"<id-{self._hash(inner)}@{domain}>"

    def text(self, text: str) -> str:
        """The text with pseudonyms in the place of all addresses, logins and Message-IDs."""
        known: set[str] = set()

        def address(local: str, at: str, domain: str) -> str:
            plain = local.strip('\\"').lower()
            if srs := _SRS.fullmatch(plain):
                plain = srs[3]
            known.update((plain, self._base(plain)))
            return self._written(local, at, domain)

        def hashed(name: str) -> str:
            if (
                name in _NOBODY
                or name.isdecimal()
                or name.lower() in _ROLES
                or _DONE.fullmatch(name)
            ):
                return name
            known.add(name.lower())
            return f"user-{self._hash(name.lower())}"

        def named(match: re.Match[str]) -> str:
            begin, end = match.span(match.lastindex or 0)
            name = text[begin:end]
            if _ONE_ADDRESS.fullmatch(name) or _QUOTED_ADDRESS.fullmatch(name):
                return match[0]
            return text[match.start() : begin] + hashed(name) + text[end : match.end()]

        def in_result(match: re.Match[str]) -> str:
            return _BARE.sub(lambda bare: f"<{hashed(bare[1])}>", match[0])

        def path(match: re.Match[str]) -> str:
            return f"{match[1]}{match[2]}/{self._written(match[3], '', match[2])}"

        def asked(match: re.Match[str]) -> str:
            return f"{match[1]}{hashed(match[2])}{match[3]}"

        def with_an_at(match: re.Match[str]) -> str:
            local = match[1].removesuffix("\\")
            return address(local, "@", match[2]) if "@" in local else match[0]

        # Each is looked for only where it can be: nearly all lines hold one or two of them.
        for name in _MESSAGE_ID:
            if name in text:
                text = self._with_message_ids(text, name)
        if 'command="' in text:
            text = _COMMAND.sub(lambda match: match[1] + _command(match[2], known), text)
        if "user=" in text or "login=" in text or "from=" in text or "to=" in text:
            text = _NAME.sub(named, text)
        if " failed-command " in text:
            text = _RESULT.sub(in_result, text)
        if "(" in text:
            text = _ASKED.sub(asked, text)
        if "/data/mail/" in text:
            text = _PATH.sub(path, text)
        if "@" in text:
            if '"@' in text:
                text = _QUOTED_LOCAL.sub(with_an_at, text)
            text = _with_addresses(text, _AT, address)
        if "40" in text or "&#" in text or "\uff20" in text or "at)" in text or "at]" in text:
            text = _with_addresses(text, _ENCODED_AT, address)
        return self._without_words(text, known)

    def _with_message_ids(self, text: str, name: str) -> str:
        """One is quoted, or all that is behind its name; a queue id stays."""
        at = text.find(name)
        while at >= 0:
            begin = at + len(name)
            quoted = _QUOTED_TEXT.match(text, begin)
            if quoted is not None:
                hidden = self.message_id(quoted[1])
                text = f'{text[:begin]}"{hidden}{text[quoted.end() :]}'
                begin += len(hidden)
            elif not _QUEUE_ID.match(text, begin):
                return text[:begin] + self.message_id(text[begin:])
            at = text.find(name, begin)
        return text

    def _without_words(self, text: str, known: set[str]) -> str:
        """A reply such as `no such user alice` names who was named in the same line."""
        lower = text.lower()
        left = [
            word
            for word in known
            if len(word) >= _SHORTEST_WORD and word in lower and word not in _NEUTRAL
        ]
        for word in sorted(left, key=len, reverse=True)[:_MOST_WORDS]:
            if not _DONE.fullmatch(word):
                form = rf"(?<![\w.@-]){re.escape(word)}(?![\w@]|[.-]\w)"
                text = re.sub(form, "(user)", text, flags=re.IGNORECASE)
        return text

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


def _with_addresses(text: str, at: re.Pattern[str], written: Callable[[str, str, str], str]) -> str:
    """Each address as it is to be written. The time is that of one look at the text."""
    parts: list[str] = []
    done = 0
    for match in at.finditer(text):
        end = match.start()
        begin = _local_begin(text, done, end)
        named = _NAMED.match(text, begin, end)
        begin = named.end() if named else begin
        if begin == end:
            continue
        parts += (text[done:begin], written(text[begin:end], match[1], match[2]))
        done = match.end()
    return "".join((*parts, text[done:]))


def _local_begin(text: str, first: int, end: int) -> int:
    """Where the local part begins that ends there."""
    if end > first and text[end - 1] == '"':  # "a b"@…, also within a quoted field
        escaped = text[end - 2 : end - 1] == "\\"
        mark = '\\"' if escaped else '"'
        begin = text.rfind(mark, first, end - len(mark))
        while not escaped and begin > first and text[begin - 1] == "\\":
            begin = text.rfind(mark, first, begin)
        return end if begin == -1 else begin
    backwards = _LOCAL_BACKWARDS.match(text[first:end][::-1])
    begin = end - (backwards.end() if backwards else 0)
    while begin < end and text[begin] == "'":
        begin += 1
    return begin


def _command(text: str, known: set[str]) -> str:
    """What a client said, as far as it is SMTP's: the rest may be a name in any spelling."""
    verb = _VERB.match(text)
    if verb is None:
        return "..."
    rest = text[verb.end() :].strip()
    if rest in {"", "..."}:
        return text
    if _ONE_ADDRESS.fullmatch(rest):
        return text
    known.add(rest.strip("<>").lower())  # a reply may repeat it
    return f"{verb[0]} ..."


def use(key: str, delimiter: str, path: Path = FILE) -> None:
    """Have all programs of this start write pseudonyms. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{delimiter} {key}\n")


def stop_using(path: Path = FILE) -> None:
    """Have them write addresses as they are."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
