"""The JSON of /api/v1/send → a message and its envelope."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address as HeaderAddress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from typing import Any

from entrypoint.test_target.api.question import RequestError, text, texts

_RESTRICTED = {
    *("to", "from", "cc", "bcc", "reply-to", "date", "subject", "content-type", "mime-version"),
    "content-transfer-encoding",
}
_ADDRESS = re.compile(r"[^\s<>()\[\],;:@\"\\]+@[^\s<>()\[\],;:@\"\\]+\Z")
_FIELD = re.compile(r"[!-9;-~]{1,100}\Z")
_SIGNATURES = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
)
_TYPE = re.compile(r"([\w.+-]+)/([\w.+-]+)", re.ASCII)


@dataclass(frozen=True)
class ComposedMessage:
    """message_id: with its brackets, as it stands in the message."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    message_id: str


def compose(body: dict[str, Any]) -> ComposedMessage:
    """Raises RequestError that names the field."""
    message = EmailMessage(policy=SMTP)
    senders = _mailboxes([body.get("from") or {}], "From")
    groups = {name: _mailboxes(body.get(name.lower()), name) for name in ("To", "Cc", "ReplyTo")}
    hidden = [_address(address, "Bcc") for address in texts(body, "Bcc")]
    recipients = [mailbox.addr_spec for mailbox in (*groups["To"], *groups["Cc"])] + hidden
    if not recipients:
        raise RequestError("To: there is no recipient")
    message["From"] = senders
    for name, field in (("To", "To"), ("Cc", "Cc"), ("ReplyTo", "Reply-To")):
        if groups[name]:
            message[field] = groups[name]
    if hidden:
        message["Bcc"] = ", ".join(hidden)
    message["Subject"] = _one_line(text(body, "Subject"))
    message["Date"] = format_datetime(datetime.now(UTC))
    if tags := texts(body, "Tags"):
        message["X-Tags"] = _one_line(", ".join(tags))
    _set_headers(message, body.get("headers"), restricted={"x-tags"} if tags else set())
    if not message["Message-ID"]:
        message["Message-ID"] = make_msgid(domain="signpost.test")
    _set_content(message, text(body, "Text"), text(body, "HTML"), body.get("attachments"))
    return ComposedMessage(
        senders[0].addr_spec,
        tuple(dict.fromkeys(recipients)),
        message.as_bytes(),
        str(message["Message-ID"]).strip(),
    )


def _mailboxes(value: Any, name: str) -> list[HeaderAddress]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise RequestError(f"{name} is no list of objects with Email and Name")
    found = []
    for item in value:
        fields = {str(key).lower(): field for key, field in item.items()}
        address = _address(text(fields, "Email"), name)
        found.append(HeaderAddress(_one_line(text(fields, "Name")), addr_spec=address))
    return found


def _address(address: str, name: str) -> str:
    # The library that writes the header raises its own errors for what it cannot write.
    if not _ADDRESS.match(address) or not address.isascii():
        raise RequestError(f"invalid {name} address: {address[:200]}")
    try:
        HeaderAddress(addr_spec=address)
    except (ValueError, IndexError):
        raise RequestError(f"invalid {name} address: {address[:200]}") from None
    return address


def _set_headers(message: EmailMessage, value: Any, restricted: set[str]) -> None:
    if value is None:
        return
    if not isinstance(value, dict):
        raise RequestError("Headers is no object")
    for name, field in value.items():
        if name.lower() in _RESTRICTED | restricted:
            raise RequestError(f'cannot overwrite header: "{name}"')
        if not isinstance(field, str) or not _FIELD.match(name):
            raise RequestError(f"Headers: {name[:100]!r} cannot be written")
        try:
            message[name] = _one_line(field)
        except ValueError as error:
            raise RequestError(f"Headers: {name!r}: {error}") from None


def _set_content(message: EmailMessage, plain: str, html: str, attachments: Any) -> None:
    message.set_content(plain)
    if html:
        message.add_alternative(html, subtype="html")
    if attachments is None:
        return
    if not isinstance(attachments, list) or not all(isinstance(item, dict) for item in attachments):
        raise RequestError("Attachments is no list of objects")
    for item in attachments:
        fields = {str(key).lower(): field for key, field in item.items()}
        name, content = _one_line(text(fields, "Filename")), _content(fields)
        named = _TYPE.match(text(fields, "ContentType"))
        main, sub = named.groups() if named else _kind(content).split("/")
        if main.lower() in {"multipart", "message"}:  # they would have to be messages, too
            main, sub = "application", "octet-stream"
        identity = _one_line(text(fields, "ContentID"))
        message.add_attachment(
            content,
            maintype=main,
            subtype=sub,
            filename=name or None,
            disposition="inline" if identity else "attachment",
            cid=f"<{identity}>" if identity else None,
        )


def _content(fields: dict[str, Any]) -> bytes:
    """What a browser's readAsDataURL gives has `data:…;base64,` before it."""
    encoded = text(fields, "Content").rpartition(",")[2]
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        name = text(fields, "Filename")[:100]
        raise RequestError(f'error decoding base64 attachment "{name}": {error}') from None


def _kind(content: bytes) -> str:
    for signature, kind in _SIGNATURES:
        if content.startswith(signature):
            return kind
    return "application/octet-stream" if b"\0" in content[:512] else "text/plain"


def _one_line(value: str) -> str:
    return " ".join(value.replace("\0", " ").split())
