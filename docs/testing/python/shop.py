"""The software under test: a shop that mails its customers. It knows nothing of the tests."""

from __future__ import annotations

import secrets
import smtplib
import time
from email.message import EmailMessage
from email.utils import make_msgid

SENDER = "orders@shop.example"


class Shop:
    """login: user and password for the mail server, if it wants some. pause: seconds to a retry."""

    def __init__(
        self, host: str, port: int, login: tuple[str, str] | None = None, pause: float = 30.0
    ) -> None:
        self.host, self.port, self.login, self.pause = host, port, login, pause

    def sign_up(self, customer: str) -> None:
        token = secrets.token_urlsafe(12)
        url = f"https://shop.example/confirm?token={token}"
        mail = self._mail(customer, "Confirm your address")
        mail.set_content(f"Please confirm: {url}")
        mail.add_alternative(f'<p>Please <a href="{url}">confirm</a>.</p>', subtype="html")
        self.send(mail)

    def log_in(self, customer: str) -> str:
        code = f"{secrets.randbelow(1_000_000):06d}"
        mail = self._mail(customer, "Your code")
        mail.set_content(f"Your code is {code}. It is valid for ten minutes.")
        self.send(mail)
        return code

    def send(self, mail: EmailMessage, tries: int = 5) -> None:
        """A 4xx and a lost connection are tried again; a 5xx is final."""
        for left in reversed(range(tries)):
            try:
                with smtplib.SMTP(self.host, self.port, timeout=10) as smtp:
                    if self.login:
                        smtp.login(*self.login)
                    smtp.sendmail(SENDER, [mail["To"]], self.sign(mail.as_bytes()))
                return
            except (smtplib.SMTPException, OSError) as error:
                if left == 0 or _is_final(error):
                    raise
                time.sleep(self.pause)

    def sign(self, message: bytes) -> bytes:
        """Where a DKIM signature would be added."""
        return message

    def _mail(self, customer: str, subject: str) -> EmailMessage:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = f"Shop <{SENDER}>", customer, subject
        mail["Message-ID"] = make_msgid(domain="shop.example")
        return mail


def _is_final(error: Exception) -> bool:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= 500 for code, _ in error.recipients.values())
    return isinstance(error, smtplib.SMTPResponseException) and error.smtp_code >= 500
