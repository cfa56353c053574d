"""A message as the server has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pytest_signpost.api import Api


class Link(str):
    """A URL; `words` is what the reader clicks on, "" for one of the text part."""

    words: str

    def __new__(cls, url: str, words: str) -> Link:
        """Equal to the URL."""
        link = super().__new__(cls, url)
        link.words = words
        return link


@dataclass(frozen=True)
class Envelope:
    """What was said in MAIL FROM and RCPT TO. sender: "" is the null sender."""

    sender: str
    recipients: tuple[str, ...]


class Attachment:
    """An attached or inline part."""

    def __init__(self, api: Api, message: str, json: dict[str, Any]) -> None:
        self._api, self._message = api, message
        self.name: str = json["FileName"]
        self.type: str = json["ContentType"]
        self.content_id: str = json["ContentID"]
        self.size: int = json["Size"]
        self._part: str = json["PartID"]

    @cached_property
    def content(self) -> bytes:
        """Decoded."""
        return self._api.bytes("GET", f"/api/v1/message/{self._message}/part/{self._part}")

    def __repr__(self) -> str:
        return f"<Attachment {self.name!r} {self.type} {self.size} bytes>"


class Verdict:
    """What the server found: SPF, DKIM, DMARC and ARC, in the words of RFC 8601.

    json: all of it, with the reasons and the DNS records that decided.
    """

    def __init__(self, json: dict[str, Any]) -> None:
        self.json = json

    @property
    def spf(self) -> str:
        """pass, fail, softfail, neutral, none, temperror or permerror."""
        return self._result("SPF")

    @property
    def dkim(self) -> list[str]:
        """The result of each signature, in the order of the message; [] without any."""
        return [str(signature["Result"]) for signature in self.json.get("DKIM") or ()]

    @property
    def dmarc(self) -> str:
        """pass, fail, none, temperror or permerror."""
        return self._result("DMARC")

    @property
    def arc(self) -> str:
        """pass, fail or none."""
        return self._result("ARC")

    @property
    def disposition(self) -> str:
        """What production would do with it: none (deliver it), quarantine or reject."""
        return str(self.json.get("Disposition") or "none")

    @property
    def reason(self) -> str:
        """Of the disposition."""
        return str(self.json.get("Reason") or "")

    @property
    def dns(self) -> dict[tuple[str, str], list[str]]:
        """The records that decided, by name and type; none where there were none."""
        return {
            (each["Name"], each["Type"]): each["Records"] for each in self.json.get("DNS") or ()
        }

    def _result(self, standard: str) -> str:
        return str((self.json.get(standard) or {}).get("Result") or "none")

    def __repr__(self) -> str:
        return (
            f"<Verdict spf={self.spf} dkim={','.join(self.dkim) or 'none'} dmarc={self.dmarc} "
            f"arc={self.arc} disposition={self.disposition}: {self.reason}>"
        )


class Message:
    """json: the whole answer of GET /api/v1/message/{ID}; what follows is read from it."""

    def __init__(self, api: Api, json: dict[str, Any]) -> None:
        self._api = api
        self.json = json
        self.id: str = json["ID"]
        self.subject: str = json["Subject"]
        self.text: str = json["Text"]
        self.html: str = json["HTML"]
        self.sender: str = json["From"]["Address"]
        self.to: tuple[str, ...] = tuple(_addresses(json["To"]))
        self.cc: tuple[str, ...] = tuple(_addresses(json["Cc"]))
        extra = json["Extra"]
        self.envelope = Envelope(extra["Envelope"]["From"], tuple(extra["Envelope"]["To"]))
        self.login: str = extra["Login"]
        self.tls: dict[str, str] | None = extra["TLS"]
        self.client: dict[str, Any] = extra["Client"]
        self.run: str = extra["Run"]
        parts = [*json["Attachments"], *json["Inline"]]
        self.attachments = [Attachment(api, self.id, part) for part in parts]

    @cached_property
    def verdict(self) -> Verdict:
        """Of SPF, DKIM, DMARC and ARC; nothing but "none" where none was asked for."""
        return Verdict(self.json["Extra"]["Verdict"] or {})

    @cached_property
    def links(self) -> list[Link]:
        """http and https, those of the HTML first."""
        found = self._api.json("GET", f"/api/v1/message/{self.id}/links")["Links"]
        return [Link(link["URL"], link["Text"]) for link in found]

    def link(self, part: str = "") -> Link:
        """The one whose URL, or whose words, have this in them."""
        __tracebackhide__ = True
        for link in self.links:
            if part in link or part in link.words:
                return link
        raise AssertionError(f"no link with {part!r} in {self!r}; it has {self.links}")

    @cached_property
    def codes(self) -> list[str]:
        """One-time codes, the likeliest first."""
        codes: list[str] = self._api.json("GET", f"/api/v1/message/{self.id}/codes")["Codes"]
        return codes

    @property
    def code(self) -> str:
        """The likeliest."""
        __tracebackhide__ = True
        if not self.codes:
            raise AssertionError(f"no one-time code in {self!r}; its text: {self.text!r}")
        return self.codes[0]

    @cached_property
    def headers(self) -> dict[str, list[str]]:
        """By name, such as Message-Id and Dkim-Signature."""
        found: dict[str, list[str]] = self._api.json("GET", f"/api/v1/message/{self.id}/headers")
        return found

    @cached_property
    def raw(self) -> bytes:
        """As the client sent it."""
        return self._api.bytes("GET", f"/api/v1/message/{self.id}/raw")

    def __repr__(self) -> str:
        return f"<Message {self.subject!r} to {', '.join(self.envelope.recipients)}>"


def _addresses(mailboxes: Sequence[dict[str, str]] | None) -> Iterator[str]:
    return (mailbox["Address"] for mailbox in mailboxes or ())
