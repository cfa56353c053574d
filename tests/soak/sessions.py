"""A connection over which numbered messages are handed in, by each protocol."""

from __future__ import annotations

import contextlib
import imaplib
import smtplib
from typing import Protocol as Shape

from ..container.harness.imap import any_certificate
from .routes import APPENDED, SECRET, Protocol, Task

# An answer to the data is waited for so long; RFC 5321 4.5.3.2.6 asks for ten minutes, after which
# a soak would be over.
PATIENCE = 60.0
CONNECTING = 10.0


class AnswerError(Exception):
    """Any answer that is not the one that was hoped for."""


class NoAnswerError(Exception):
    """All was sent, and the answer did not come."""


class Session(Shape):
    """A connection over which messages are handed in. It raises what is in FAILURES."""

    def send(self, each: Task, content: bytes) -> None: ...

    def close(self) -> None: ...


class SmtpSession:
    """Port 25, or 465 and 587 with a login."""

    def __init__(self, host: str, protocol: Protocol, login: str) -> None:
        if protocol == "submissions":
            self._smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                host, 465, "client.example", timeout=CONNECTING, context=any_certificate()
            )
        else:
            port = 587 if protocol == "submission" else 25
            self._smtp = smtplib.SMTP(host, port, "client.example", timeout=CONNECTING)
        assert self._smtp.sock is not None
        self._smtp.sock.settimeout(PATIENCE)
        try:
            if protocol == "submission":
                self._smtp.starttls(context=any_certificate())
            if protocol != "smtp":
                self._smtp.user, self._smtp.password = login, SECRET
                self._smtp.ehlo_or_helo_if_needed()
                self._ok(self._smtp.auth("PLAIN", self._smtp.auth_plain), 235)
            else:
                self._ok(self._smtp.ehlo())
        except BaseException:
            self.close()
            raise

    def send(self, each: Task, content: bytes) -> None:
        """Back after the 250."""
        self._ok(self._smtp.mail(each.sender))
        self._ok(self._smtp.rcpt(each.recipient))
        self._ok(self._smtp.docmd("DATA"), 354)
        stuffed = content.replace(b"\r\n.", b"\r\n..")
        try:
            self._smtp.send(stuffed + b".\r\n")
            said = self._smtp.getreply()
        except (OSError, smtplib.SMTPServerDisconnected) as error:
            raise NoAnswerError(f"no answer to the data: {type(error).__name__}") from None
        self._ok(said)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._smtp.close()

    @staticmethod
    def _ok(said: tuple[int, bytes], code: int = 250) -> None:
        if said[0] != code:
            raise AnswerError(f"{said[0]} {said[1].decode(errors='replace')}")


class ImapSession:
    """APPEND into a folder."""

    def __init__(self, host: str, login: str) -> None:
        self._imap = imaplib.IMAP4_SSL(host, 993, ssl_context=any_certificate(), timeout=CONNECTING)
        try:
            self._imap.sock.settimeout(PATIENCE)
            self._imap.login(login, SECRET)
        except BaseException:
            self.close()
            raise

    def send(self, each: Task, content: bytes) -> None:
        """Back after the OK."""
        try:
            kind, data = self._imap.append(APPENDED, "", "", content)
        except (OSError, imaplib.IMAP4.abort) as error:
            raise NoAnswerError(f"no answer to APPEND: {type(error).__name__}") from None
        if kind != "OK":
            raise AnswerError(f"{kind} {data}")

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._imap.shutdown()


def connect(host: str, each: Task) -> Session:
    """A session that can hand in this one, and others of whoever this one is of."""
    if each.protocol == "imap":
        return ImapSession(host, each.recipient)
    return SmtpSession(host, each.protocol, each.sender)


# What a session raises where something is not as it should be.
FAILURES: tuple[type[Exception], ...] = (
    OSError,
    AnswerError,
    NoAnswerError,
    smtplib.SMTPException,
    imaplib.IMAP4.error,
)
