"""Django's own e-mail backend, as EMAIL_HOST and the rest of its settings configure it."""

from __future__ import annotations

import django
import pytest
from django.conf import settings
from django.core.mail import EmailMultiAlternatives, send_mail
from pytest_signpost import Mailbox, Server


@pytest.fixture(scope="session", autouse=True)
def django_settings(signpost_server: Server) -> None:
    settings.configure(
        EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend",
        EMAIL_HOST=signpost_server.smtp.host,
        EMAIL_PORT=signpost_server.smtp.port,
        EMAIL_HOST_USER="shop",
        EMAIL_HOST_PASSWORD="any password will do",
        EMAIL_TIMEOUT=10,
    )
    django.setup()


def test_send_mail(signpost: Mailbox) -> None:
    assert send_mail("Welcome", "Hello.", "orders@shop.example", [signpost.address()]) == 1

    mail = signpost.wait(subject="Welcome")
    assert (mail.text.strip(), mail.login) == ("Hello.", "shop")


def test_html_attachment_and_bcc(signpost: Mailbox) -> None:
    mail = EmailMultiAlternatives(
        "Your bill",
        "See the attachment.",
        "orders@shop.example",
        [signpost.address("alice")],
        bcc=[signpost.address("archive")],
    )
    mail.attach_alternative("<p>See the attachment.</p>", "text/html")
    mail.attach("bill.pdf", b"%PDF-1.7", "application/pdf")
    mail.send()

    (bill,) = signpost.wait(to="archive").attachments
    assert (bill.name, bill.content) == ("bill.pdf", b"%PDF-1.7")
