"""A delivery status notification, as a server elsewhere would send one back (RFC 3464)."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime

_MOST_HEADER = 64 << 10  # bytes of the message's own header that are quoted


def notification(
    hostname: str, sender: str, recipients: Sequence[str], status: str, raw: bytes, now: datetime
) -> bytes:
    """For the sender of a message. status: such as 5.1.1; with 4.x.x the delivery is delayed."""
    failed = status.startswith("5")
    what = "could not be delivered" if failed else "is delayed"
    token = secrets.token_hex(8)
    boundary = f"=_{token}"
    text = [
        f"Your message {what} to",
        "",
        *(f"    {_plain(recipient)}" for recipient in recipients),
        "",
        f"Status: {status}",
    ]
    report = [f"Reporting-MTA: dns; {hostname}"]
    for recipient in recipients:
        report += [
            "",
            f"Final-Recipient: rfc822; {_plain(recipient)}",
            f"Action: {'failed' if failed else 'delayed'}",
            f"Status: {status}",
        ]
    lines = [
        f"From: Mail Delivery Subsystem <MAILER-DAEMON@{hostname}>",
        f"To: <{_plain(sender)}>",
        f"Subject: Delivery status notification: your message {what}",
        f"Date: {format_datetime(now)}",
        f"Message-ID: <{token}@{hostname}>",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        "Content-Type: multipart/report; report-type=delivery-status;",
        f'\tboundary="{boundary}"',
        "",
        *_part(boundary, "text/plain; charset=us-ascii", text),
        *_part(boundary, "message/delivery-status", report),
    ]
    head = "".join(f"{line}\r\n" for line in lines).encode("ascii")
    quoted = f"--{boundary}\r\nContent-Type: text/rfc822-headers\r\n\r\n".encode("ascii")
    return head + quoted + _header(raw) + f"\r\n--{boundary}--\r\n".encode("ascii")


def _part(boundary: str, content_type: str, lines: Sequence[str]) -> list[str]:
    return [f"--{boundary}", f"Content-Type: {content_type}", "", *lines, ""]


def _header(raw: bytes) -> bytes:
    end = raw.find(b"\r\n\r\n", 0, _MOST_HEADER)
    return raw[: end + 2] if end >= 0 else raw[:_MOST_HEADER] + b"\r\n"


def _plain(address: str) -> str:
    text = address.encode("ascii", "backslashreplace").decode("ascii")
    return "".join(char if " " <= char <= "~" else "?" for char in text)
