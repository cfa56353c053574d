"""A whole message, its headers, and what is asked about its HTML and links."""

from __future__ import annotations

import hashlib
from typing import Any

from entrypoint.test_target.messages.content import MessageContent, message_date
from entrypoint.test_target.messages.links import MailLink, links_of, loaded_urls
from entrypoint.test_target.messages.list_unsubscribe import list_unsubscribe
from entrypoint.test_target.messages.one_time_codes import codes_of
from entrypoint.test_target.messages.parts import Part
from entrypoint.test_target.shapes.moment import rfc3339


def message_json(
    content: MessageContent, summary: dict[str, Any], return_path: str
) -> dict[str, Any]:
    """summary: the whole item of a list. Read is true: whoever sees this has read it.

    Created is Mailpit's word, in its lists alone, for when a message was received.
    """
    date = message_date(content.header)
    return {
        **{key: summary[key] for key in ("ID", "MessageID")},
        "Read": True,
        **{key: summary[key] for key in ("From", "To", "Cc", "Bcc", "ReplyTo")},
        "ReturnPath": return_path,
        "Subject": summary["Subject"],
        "ListUnsubscribe": list_unsubscribe(content.header).to_json(),
        "Date": rfc3339(date) if date else summary["Created"],
        "Created": summary["Created"],
        "Tags": summary["Tags"],
        "Username": summary["Username"],
        "Text": content.text,
        "HTML": content.html,
        "Size": summary["Size"],
        "Inline": [attachment_json(part) for part in content.inline if _is_listed(part)],
        "Attachments": [attachment_json(part) for part in content.attachments if _is_listed(part)],
        "Extra": summary["Extra"],
    }


def attachment_json(part: Part) -> dict[str, Any]:
    """An attached or inline part."""
    return {
        "PartID": part.number,
        "FileName": part.file_name or part.content_id,
        "ContentType": part.type.word,
        "ContentID": part.content_id,
        "Size": len(part.content),
        "Checksums": {
            "MD5": hashlib.md5(part.content, usedforsecurity=False).hexdigest(),
            "SHA1": hashlib.sha1(part.content, usedforsecurity=False).hexdigest(),
            "SHA256": hashlib.sha256(part.content).hexdigest(),
        },
    }


def headers_json(
    content: MessageContent, summary: dict[str, Any], return_path: str
) -> dict[str, list[str]]:
    """By Go's names, with those that Mailpit would have written into the message."""
    found = content.header.by_name()
    in_header = {mailbox.address.lower() for mailbox in content.addresses("Bcc")}
    unnamed = [
        mailbox["Address"]
        for mailbox in summary["Bcc"]
        if mailbox["Address"].lower() not in in_header
    ]
    if unnamed:
        found["Bcc"] = [", ".join((*found.get("Bcc", ()), *unnamed))]
    if not found.get("Message-Id", [""])[0].strip():
        found["Message-Id"] = [f"<{summary['MessageID']}>"]
    found["Return-Path"] = [f"<{return_path}>"]
    return dict(sorted(found.items()))


def html_check_json() -> dict[str, Any]:
    """No warnings: what mail programs can show is not known here."""
    total = {"Tests": 0, "Nodes": 0, "Supported": 100, "Partial": 0, "Unsupported": 0}
    return {"Warnings": [], "Platforms": {}, "Total": total}


def link_check_json(content: MessageContent) -> dict[str, Any]:
    """Every link, and that nobody has asked for it."""
    urls = [link.url for link in links_of(content.text, content.html)]
    every = dict.fromkeys((*urls, *loaded_urls(content.html)))
    links = [{"URL": url, "StatusCode": 0, "Status": "not checked"} for url in every]
    return {"Errors": 0, "Links": links}


def links_json(content: MessageContent) -> dict[str, Any]:
    """text: the words of the HTML that are the link."""
    links: list[MailLink] = links_of(content.text, content.html)
    return {"Links": [{"URL": link.url, "Text": link.text} for link in links]}


def codes_json(content: MessageContent) -> dict[str, Any]:
    """The likeliest first."""
    return {"Codes": codes_of(f"{content.header.text('Subject')}\n{content.text}")}


def _is_listed(part: Part) -> bool:
    return bool(part.file_name or part.content_id)
