"""Would this server relay for strangers? Asked through a public address; nothing is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from entrypoint.doctor.finding import Finding, Status, quote, skipped
from entrypoint.probe.dialog import Dialog, DialogError, SmtpReply, dialog, reason
from entrypoint.probe.look import greeting

SECONDS = 15.0

# RFC 2606 §3: nobody's; an open relay would take mail for them.
_FOREIGN = ("example.com", "example.net", "example.org")


async def check_relaying(
    address: str, host: str, domains: Iterable[str], *, at: str, port: int
) -> Finding:
    """Ask for a foreign recipient, as a foreign sender and as one of ours, and take it back.

    at, port: where to connect to for the address.
    """
    ours = (*domains, host)

    def finding(status: Status, detail: str, cure: str = "") -> Finding:
        return Finding("open-relay", None, status, f"{address}: {detail}", cure, address)

    try:
        async with asyncio.timeout(SECONDS), dialog(at, port) as said:
            answers = await _ask(said, host, ours)
    except TimeoutError:
        return _unreached(address, f"no answer within {SECONDS:g} s")
    except (OSError, DialogError) as error:
        return _unreached(address, reason(error))
    for sender, answer in answers:
        if answer.code < 300:
            return finding(
                "fail",
                f"mail from {sender} to a foreign domain is accepted: this is an open relay",
                "close port 25 until this is cured; look at EXTRA_FILTERS_INBOUND and at what "
                "stands in front of this server",
            )
        if answer.code < 500:
            return finding(
                "warn",
                f"neither accepted nor refused: {answer.code} {quote(answer.text)}",
                "try again later",
            )
    return finding("ok", "mail from strangers to foreign domains is refused")


def _unreached(address: str, why: str) -> Finding:
    return skipped(
        "open-relay",
        None,
        f"{address}: it cannot be reached from inside ({why})",
        "test it from another network",
        address,
    )


async def _ask(said: Dialog, host: str, ours: tuple[str, ...]) -> list[tuple[str, SmtpReply]]:
    foreign = next((name for name in _FOREIGN if name not in ours), "relay-test.invalid")
    await greeting(said, "smtp")
    await said.say(f"EHLO {host}")
    answers = []
    for sender in (f"relay-test@{foreign}", f"postmaster@{ours[0]}"):
        answer = await said.say(f"MAIL FROM:<{sender}>")
        if answer.code < 300:
            answer = await said.say(f"RCPT TO:<relay-test@{foreign}>")
        answers.append((sender, answer))
        await said.say("RSET")
    return answers
