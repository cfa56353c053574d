"""Does what its client asks for: `raise`, `nonsense` and the like; see `called`.

The word is the local part of MAIL FROM, or the subject of the message.
"""

import asyncio
import re

from filters.smtpd import FilterServer, Request, Session


async def hang() -> None:
    await asyncio.Event().wait()


async def fail() -> None:
    await asyncio.sleep(0)
    raise RuntimeError("a bug behind an await")


async def nonsense() -> object:
    return {"no": "verdict"}


def called(word: str) -> object:
    if word == "raise":
        raise RuntimeError("a bug")
    if word == "nonsense":
        return object()
    slowly = {"async-raise": fail, "async-hang": hang, "async-nonsense": nonsense}.get(word)
    return slowly() if slowly else None


def mail_from(session: Session, request: Request) -> object:
    return called(request.text.partition("@")[0])


def whole(session: Session, message: bytes) -> object:
    subject = re.search(rb"(?m)^Subject: ([a-z-]+)\r$", message)
    outcome = called(subject[1].decode()) if subject else None
    return message if outcome is None else outcome


server = FilterServer(deadline=1)
server.register_handler("filter", "mail-from", mail_from)  # type: ignore[arg-type]
server.register_message_filter(whole)  # type: ignore[arg-type]
server.serve_forever()
