"""A mailbox as a mail program sees it, over IMAP."""

from __future__ import annotations

import imaplib
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from .shell import wait_until


def any_certificate() -> ssl.SSLContext:
    """TLS without a look at the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Mailbox:
    """One session that has logged in."""

    def __init__(self, session: imaplib.IMAP4) -> None:
        self.session = session

    def folders(self) -> dict[str, set[str]]:
        """Every folder's flags, those of RFC 6154 among them."""
        found = {}
        for line in self._ok(self.session.list()):
            flags, name = re.fullmatch(rb'\(([^)]*)\) "/" "?([^"]*)"?', line).groups()  # type: ignore[union-attr]
            found[name.decode()] = set(flags.decode().split())
        return found

    def subscribed(self) -> set[str]:
        """The folders that the person has subscribed to."""
        lines = self._ok(self.session.lsub())
        return {line.rsplit(b" ", 1)[1].strip(b'"').decode() for line in lines}

    def find(self, token: str, folder: str = "INBOX") -> list[bytes]:
        """The messages of a folder that have the token in their Message-ID; none without it."""
        if self.session.select(f'"{folder}"')[0] != "OK":
            return []
        (numbers,) = self._ok(self.session.search(None, "HEADER", "Message-ID", token))
        found = []
        for number in numbers.split():
            data = self._ok(self.session.fetch(number.decode(), "(BODY.PEEK[])"))
            found += [part[1] for part in data if isinstance(part, tuple)]
        return found

    def wait_for(self, token: str, folder: str = "INBOX", timeout: float = 20) -> bytes:
        """The message with the token, when it has come."""
        what = f"{token} in {folder}"
        return wait_until(lambda: self.find(token, folder), what, timeout)[0]

    @staticmethod
    def _ok(answer: tuple[str, list[bytes]]) -> list[bytes]:
        kind, data = answer
        assert kind == "OK", (kind, data)
        return data


@contextmanager
def mailbox(
    host: str,
    login: tuple[str, str],
    security: Literal["implicit", "starttls"] = "implicit",
) -> Iterator[Mailbox]:
    """Log in on 993, or on 143 with STARTTLS."""
    session: imaplib.IMAP4
    if security == "implicit":
        session = imaplib.IMAP4_SSL(host, 993, ssl_context=any_certificate(), timeout=30)
    else:
        session = imaplib.IMAP4(host, 143, timeout=30)
        session.starttls(any_certificate())
    try:
        if login[0].isascii():
            session.login(*login)
        else:  # RFC 3501 §6.2.3: LOGIN is for ASCII
            session.authenticate("PLAIN", lambda _: "\0".join(["", *login]).encode())
        yield Mailbox(session)
    finally:
        session.logout()
