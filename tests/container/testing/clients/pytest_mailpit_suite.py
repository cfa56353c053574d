"""What PyPI's pytest-mailpit offers to a test, used as its documentation shows.

Run by test_clients.py in a pytest of its own, with the plugin as it is published.
"""

import asyncio
import smtplib
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

import pytest
from pytest_mailpit import MailpitAssertionError

BODY = 'Your code is <b>482913</b>. <a href="https://shop.example/reset?t=1">Reset</a>'


def send(smtp: Any, to: str, **fields: str) -> None:
    message = EmailMessage()
    message["From"], message["To"] = "Shop <shop@shop.example>", to
    message["Subject"] = fields.pop("subject", "Welcome")
    for name, value in fields.items():
        message[name.replace("_", "-")] = value
    message.set_content("Your code is 482913")
    message.add_alternative(BODY, subtype="html")
    message.add_attachment(b"%PDF-1", maintype="application", subtype="pdf", filename="a.pdf")
    with smtplib.SMTP(smtp.host, smtp.port) as server:
        server.send_message(message)


def test_an_inbox_waits_for_its_message(mailpit_inbox: Any, mailpit_smtp: Any) -> None:
    send(mailpit_smtp, mailpit_inbox.address, subject="Confirm your e-mail")
    message = mailpit_inbox.wait_for_message(subject="Confirm", sender="shop@shop.example")
    assert message.sender.name == "Shop"
    assert message.code() == "482913"
    assert message.link(contains="/reset") == "https://shop.example/reset?t=1"
    assert message.link(text="reset").endswith("t=1")
    attachment = message.attachment("*.pdf", content_type="application/pdf")
    assert mailpit_inbox.client.get_attachment(attachment) == b"%PDF-1"
    assert attachment.checksums["MD5"]


def test_an_inbox_sees_nobody_elses(
    mailpit_inbox_factory: Callable[[], Any], mailpit_smtp: Any
) -> None:
    mine, other = mailpit_inbox_factory(), mailpit_inbox_factory()
    send(mailpit_smtp, other.address)
    mine.assert_no_message(within=0.2)
    assert len(other.wait_for_messages(1)) == 1
    with pytest.raises(MailpitAssertionError, match="No messages to"):
        mine.wait_for_message(timeout=0.1)


def test_the_client(mailpit: Any, mailpit_inbox: Any, mailpit_smtp: Any) -> None:
    unsubscribe = "<https://shop.example/u>, <mailto:u@shop.example>"
    one_click = "List-Unsubscribe=One-Click"
    send(
        *(mailpit_smtp, mailpit_inbox.address),
        List_Unsubscribe=unsubscribe,
        List_Unsubscribe_Post=one_click,
    )
    message = mailpit_inbox.wait_for_message()
    assert message.unsubscribe_link(one_click=True) == "https://shop.example/u"
    assert mailpit.is_ready()
    assert mailpit.server_time().tzinfo
    assert mailpit.info().version == "v1.30.5"
    assert mailpit.messages(limit=1).messages[0].id == message.id
    assert mailpit.search(f'addressed:"{mailpit_inbox.address}"').messages_count == 1
    assert mailpit.get_message().id == message.id
    assert mailpit.get_headers(message.id)["List-Unsubscribe"] == [unsubscribe]
    assert b"Subject: Welcome" in mailpit.get_raw(message.id)
    assert mailpit.get_part(message.id, message.attachments[0].part_id) == b"%PDF-1"
    assert not mailpit.check_html(message.id).warnings
    (link,) = mailpit.check_links(message.id, follow_redirects=True).links
    assert (link.url, link.ok) == ("https://shop.example/reset?t=1", False)
    mailpit.mark_read([message.id], read=False)
    mailpit.set_tags([message.id], ["a tag"])
    (found,) = mailpit.search_all('tag:"a tag"')
    assert (found.id, found.read, found.tags) == (message.id, False, ("a tag",))
    mailpit.delete_messages([message.id])
    assert mailpit.search(f'addressed:"{mailpit_inbox.address}"').messages_count == 0
    mailpit.delete_search("subject:nothing")
    mailpit.delete_all()
    assert mailpit.messages().total == 0


def test_the_asynchronous_client(mailpit_async: Any, mailpit_inbox: Any, mailpit_smtp: Any) -> None:
    send(mailpit_smtp, mailpit_inbox.address)
    message = asyncio.run(mailpit_async.wait_for_message(recipient=mailpit_inbox.address))
    assert message.subject == "Welcome"


def test_chaos_is_put_back_afterwards(mailpit_chaos: Any) -> None:
    mailpit_chaos.reject_senders(421, probability=50)
    mailpit_chaos.reject_recipients(550)
    mailpit_chaos.reject_authentication()
    assert mailpit_chaos.triggers.sender.error_code == 421
    mailpit_chaos.reset()
    assert not mailpit_chaos.triggers.active
    mailpit_chaos.reject_senders()


def test_chaos_was_put_back(mailpit: Any) -> None:
    assert not mailpit.chaos().active
