"""What the server says about itself. Nobody outside is asked for it."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from entrypoint.test_target.api.safe import json_response
from entrypoint.test_target.api.target import API_VERSION, Target


async def livez(target: Target, request: Request) -> Response:
    """GET /livez."""
    return Response()


async def readyz(target: Target, request: Request) -> Response:
    """GET /readyz: 503 until mail is accepted and can be stored."""
    if not target.ready():
        return Response(status_code=503)
    await target.mailbox.used_bytes()
    return Response()


async def info(target: Target, request: Request) -> Response:
    """GET /api/v1/info."""
    totals = target.mailbox.totals
    return json_response(
        {
            "Version": API_VERSION,
            "LatestVersion": "",
            "Database": str(target.mailbox.path),
            "DatabaseSize": await target.mailbox.used_bytes(),
            "Messages": totals.messages,
            "Unread": totals.unread,
            "Tags": await target.mailbox.tag_counts(),
            "RuntimeStats": {
                "Uptime": int(time.monotonic() - target.started),
                "Memory": memory_bytes(),
                "MessagesDeleted": totals.deleted,
                "SMTPAccepted": target.smtp.accepted,
                "SMTPAcceptedSize": target.smtp.accepted_bytes,
                "SMTPRejected": target.smtp.refused,
                "SMTPIgnored": 0,
            },
            "Server": {"Name": "Signpost", "Version": target.version},
        }
    )


async def webui(target: Target, request: Request) -> Response:
    """GET /api/v1/webui."""
    relay: dict[str, Any] = {"Enabled": False, "SMTPServer": "", "ReturnPath": ""}
    relay |= {"AllowedRecipients": "", "BlockedRecipients": "", "OverrideFrom": ""}
    return json_response(
        {
            "Label": target.label,
            "MessageRelay": {**relay, "PreserveMessageIDs": False, "RecipientAllowlist": ""},
            "SpamAssassin": False,
            "ChaosEnabled": True,
            "DuplicatesIgnored": False,
            "HideDeleteAllButton": False,
        }
    )


def memory_bytes() -> int:
    """What this process has in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
