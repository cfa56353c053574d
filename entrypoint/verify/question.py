"""One question to the engine as a mapping (a line of `--batch`) → its facts, or QuestionError.

    {"id": any, "message": BASE64, "ip": "192.0.2.1", "helo": "h.example",
     "mail_from": "a@b.example", "authserv_id": "mx.example", "now": 1700000000, "zone": {…}}

All but `message` may be missing. It must not know how an answer is shown, nor the network.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from filters.mailauth.authenticate import Envelope
from filters.mailauth.dns.zone import StaticResolver
from filters.mailauth.message import Message

# Longer ones are cut: nobody says more about a client.
_LONGEST = 2_000
# The from clause ends where the by clause begins (RFC 5321 §4.4).
_BY = re.compile(r"\sby\s", re.IGNORECASE)
_FROM = re.compile(r"from\s+([^\s()]+)", re.IGNORECASE)
_LITERAL = re.compile(r"\[(?:IPv6:)?([0-9A-Fa-f:.]{2,45})\]", re.IGNORECASE)
# Exim: `from host.example ([192.0.2.1] helo=name)`.
_HELO = re.compile(r"\bhelo=([^\s()]+)", re.IGNORECASE)
_SENDER = re.compile(r"\benvelope-(?:from|sender)\s+<([^<>\s]*)>", re.IGNORECASE)
_RETURN_PATH = re.compile(r"<([^<>\s]*)>")


@dataclass(frozen=True)
class Facts:
    """The client's address, what it called itself, and the envelope sender; None: not said."""

    ip: str | None = None
    helo: str | None = None
    sender: str | None = None


def facts(message: Message) -> Facts:
    """Read the topmost Received field, and the Return-Path for the envelope sender."""
    fields = message.named(b"received")
    text = _unfolded(fields[0].value) if fields else ""
    by = _BY.search(text)
    clause = text[: by.start()] if by else text
    first = _FROM.match(clause)
    named = _HELO.search(clause)
    helo = named or first
    return Facts(
        _address(clause) if first else None,
        helo[1] if helo else None,
        _sender(message, text),
    )


def _unfolded(value: bytes) -> str:
    return " ".join(value[:_LONGEST].decode("ascii", "replace").split())


def _address(clause: str) -> str | None:
    for match in _LITERAL.finditer(clause):
        try:
            return str(ipaddress.ip_address(match[1]))
        except ValueError:
            continue
    return None


def _sender(message: Message, received: str) -> str | None:
    paths = message.named(b"return-path")
    found = _RETURN_PATH.search(_unfolded(paths[0].value)) if paths else None
    found = found or _SENDER.search(received)
    return found[1] if found else None


AUTHSERV_ID = "localhost"
_LATEST = 2.0**40  # seconds since 1970; some 35,000 years


class QuestionError(ValueError):
    """Which part of the question, what is wrong with it, and the cure."""


@dataclass(frozen=True)
class Question:
    """What the engine is asked. zone: None for the network; now: None for the clock's."""

    message: bytes
    envelope: Envelope
    authserv_id: str = AUTHSERV_ID
    now: float | None = None
    zone: StaticResolver | None = None


def read(request: object) -> Question:
    """Check a request and read it. Raises QuestionError."""
    if not isinstance(request, Mapping):
        raise QuestionError("the line is no JSON object")
    message = _message(request.get("message"))
    number = request.get("now")
    if number is not None and not _is_moment(number):
        raise QuestionError(f"now: {number!r:.60}: not seconds since 1970; give a number")
    return Question(
        message,
        envelope(
            message,
            ip=_text(request, "ip"),
            helo=_text(request, "helo"),
            sender=_text(request, "mail_from"),
        ),
        _text(request, "authserv_id") or AUTHSERV_ID,
        None if number is None else float(number),
        None if request.get("zone") is None else zone(request["zone"]),
    )


def envelope(message: bytes, *, ip: str | None, helo: str | None, sender: str | None) -> Envelope:
    """The facts of the session, from the topmost Received field where no address is given.

    Raises QuestionError for an address that is none.
    """
    if ip is not None:
        try:
            address = str(ipaddress.ip_address(ip.partition("%")[0]))
        except ValueError:
            raise QuestionError(
                f"ip: {ip!r:.60}: not an IP address; write it like 192.0.2.1 or 2001:db8::1"
            ) from None
        return Envelope(address, helo or "", _bare(sender or ""))
    found = facts(Message(message))
    given = found.sender if sender is None else sender
    return Envelope(found.ip, helo or found.helo or "", _bare(given or ""))


def zone(value: object) -> StaticResolver:
    """DNS as a value. Raises QuestionError where it is not of that form."""
    if not isinstance(value, Mapping):
        raise QuestionError("zone: not a mapping of names; see docs/verify.md")
    try:
        return StaticResolver(value)
    except (ValueError, TypeError, AttributeError) as error:
        raise QuestionError(str(error)) from error


def wire_form(message: bytes) -> bytes:
    """The message as it was on the wire, CRLF at its line ends (RFC 5321 §2.3.8).

    A file may have LF instead; the end of the first line tells. What came with CRLF is left as
    it is, so that a bare LF in it stays one.
    """
    end = message.find(b"\n")
    return message if message[end - 1 : end] == b"\r" else re.sub(rb"\r?\n", b"\r\n", message)


def _message(value: object) -> bytes:
    if not isinstance(value, str):
        raise QuestionError("message: missing, or no text; give the whole message as Base64")
    try:
        return wire_form(base64.b64decode("".join(value.split()), validate=True))
    except (binascii.Error, ValueError) as error:
        raise QuestionError(f"message: not Base64: {error}") from error


def _text(request: Mapping[str, object], name: str) -> str | None:
    value = request.get(name)
    if value is not None and not isinstance(value, str):
        raise QuestionError(f"{name}: {value!r:.60}: not a text")
    return value


def _is_moment(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -_LATEST < value < _LATEST and math.isfinite(value)


def _bare(address: str) -> str:
    return address[1:-1] if address.startswith("<") and address.endswith(">") else address


def read_zone(content: bytes, name: str) -> StaticResolver:
    """Read a zone; `name` is the file's, for errors. Raises QuestionError."""
    try:
        text = content.decode("utf-8")
        # JSON first: it may hold lone surrogates for raw bytes, and YAML may not.
        value = json.loads(text) if text.lstrip().startswith("{") else yaml.safe_load(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise QuestionError(f"{name}: neither JSON nor YAML: {error}") from error
    return zone({} if value is None else value)
