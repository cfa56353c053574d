"""PyPI's mailpit-api-client 1.0.0 (of 2023), which present Mailpit's answers are too new for.

Run by test_clients.py in a pytest of its own.
"""

import os

from mailpit.client.api import API
from mailpit.client.models import Contact

api = API(os.environ["MAILPIT_URL"])
IDENTITY = os.environ["MAILPIT_MESSAGE"]


def test_a_list() -> None:
    messages = api.get_messages(limit=1)
    assert (messages.total, messages.count) == (1, 1)
    assert messages.messages[0].subject == "a subject"
    assert messages.messages[0].created.tzinfo


def test_a_message() -> None:
    message = api.get_message(IDENTITY)
    assert message.read is True
    assert message.from_ == Contact("Alice", "alice@a.example")
    assert message.to == [Contact("", "bob@b.example")]
    (attachment,) = message.attachments
    assert api.get_message_attachment(IDENTITY, attachment.part_id) == "attached"


def test_headers() -> None:
    headers = api.get_message_headers(IDENTITY)
    assert headers.message_id == ["<1@a.example>"]
    assert headers.additional["Subject"] == ["a subject"]


def test_deleting_sends_a_form_and_deletes_all() -> None:
    api.delete_messages([IDENTITY])
    assert api.get_messages().total == 0
