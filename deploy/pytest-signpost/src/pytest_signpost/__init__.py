"""pytest fixtures for mail: see README.md."""

from pytest_signpost.api import SignpostError
from pytest_signpost.fault import Fault
from pytest_signpost.mailbox import Mailbox, NoMessageError, UnexpectedMessageError
from pytest_signpost.message import Attachment, Envelope, Link, Message, Verdict
from pytest_signpost.server import Server, Smtp

__all__ = [
    "Attachment",
    "Envelope",
    "Fault",
    "Link",
    "Mailbox",
    "Message",
    "NoMessageError",
    "Server",
    "SignpostError",
    "Smtp",
    "UnexpectedMessageError",
    "Verdict",
]
