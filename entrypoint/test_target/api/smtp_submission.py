"""Submission by SMTP, to the server itself: what HTTP sends takes the way of all mail."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import Callable, Sequence
from email import message_from_bytes

from entrypoint.test_target.api.outside import SubmissionRefusedError
from entrypoint.test_target.store.changes import Change, MessageAdded
from entrypoint.test_target.store.mailbox import Mailbox

SECONDS = 20.0  # for each reply, and then for the message to be in the mailbox

# A session with the server that has read its greeting. Raises OSError, smtplib.SMTPException.
Connect = Callable[[], smtplib.SMTP]


class SmtpSubmission:
    """The message is in the mailbox when submit returns; by its Message-ID it is recognized."""

    def __init__(self, mailbox: Mailbox, connect: Connect) -> None:
        self._mailbox = mailbox
        self._connect = connect

    async def submit(self, sender: str, recipients: Sequence[str], raw: bytes, login: str) -> str:
        """Raises SubmissionRefusedError. login: not told, SMTP would ask for its password."""
        wanted = str(message_from_bytes(raw)["Message-ID"]).strip().strip("<>")
        arrived: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def listen(change: Change) -> None:
            if isinstance(change, MessageAdded) and change.item["MessageID"] == wanted:
                self._mailbox.changes.forget(listen)
                if not arrived.done():
                    arrived.set_result(change.item["ID"])

        self._mailbox.changes.listen(listen)
        try:
            await asyncio.to_thread(self._dialogue, sender, recipients, raw)
            async with asyncio.timeout(SECONDS):
                return await arrived
        except (smtplib.SMTPException, OSError) as error:
            if isinstance(error, TimeoutError):
                text = f"the message was accepted, and is not in the mailbox after {SECONDS:g} s"
                raise SubmissionRefusedError(text) from None
            raise SubmissionRefusedError(f"SMTP: {_answer(error)}") from None
        finally:
            self._mailbox.changes.forget(listen)

    def _dialogue(self, sender: str, recipients: Sequence[str], raw: bytes) -> None:
        with self._connect() as smtp:
            refused = smtp.sendmail(sender, recipients, raw, ["BODY=8BITMIME"])
            if refused:
                raise smtplib.SMTPRecipientsRefused(refused)


def _answer(error: Exception) -> str:
    """The server's own words, on one line."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        replies = [
            f"{address}: {code} {reply.decode('utf-8', 'replace')}"
            for address, (code, reply) in error.recipients.items()
        ]
        return " ".join("; ".join(replies).split())
    if isinstance(error, smtplib.SMTPResponseException):
        reply = error.smtp_error
        words = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
        return " ".join(f"{error.smtp_code} {words}".split())
    return str(error)
