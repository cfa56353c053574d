"""PyPI's testcontainers, whose MailpitContainer starts our image by Mailpit's own variables.

Run by test_clients.py in a pytest of its own.
"""

import os
import smtplib
import ssl
import urllib.request
from email.message import EmailMessage

import pytest
from testcontainers.community.mailpit import MailpitContainer, MailpitUser

IMAGE = os.environ["TARGET_IMAGE"]


def started(**options: object) -> MailpitContainer:
    return MailpitContainer(IMAGE, **options).with_env("MODE", "test")


def place(mailpit: MailpitContainer) -> tuple[str, int]:
    return mailpit.get_container_host_ip(), mailpit.get_exposed_smtp_port()


def mail() -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@a.example", "b@b.example", "Hello"
    message.set_content("text")
    return message


def subjects(mailpit: MailpitContainer) -> str:
    with urllib.request.urlopen(mailpit.get_base_api_url() + "/api/v1/messages") as response:
        return response.read().decode()


def test_any_login_with_and_without_tls() -> None:
    with started() as mailpit:
        with smtplib.SMTP(*place(mailpit)) as server:
            assert server.login("any", "auth")[0] == 235
            server.send_message(mail())
        assert '"Subject":"Hello"' in subjects(mailpit)
        with smtplib.SMTP(*place(mailpit)) as server:
            server.starttls(context=ssl._create_unverified_context())
            assert server.login("any", "auth")[0] == 235


def test_users_and_tls_from_the_first_byte() -> None:
    users = [MailpitUser("jane", "secret"), MailpitUser("ron", "pass2")]
    with started(users=users, require_tls=True) as mailpit:
        unverified = ssl._create_unverified_context()
        with smtplib.SMTP_SSL(*place(mailpit), context=unverified) as server:
            with pytest.raises(smtplib.SMTPAuthenticationError):
                server.login("jane", "wrong")
            assert server.login("ron", "pass2")[0] == 235
            server.send_message(mail())
        assert '"Subject":"Hello"' in subjects(mailpit)
