"""Can mail leave, or does it wait? Port 25 of a foreign MX or the relay host, and smtpd's queue.

Of another server only the greeting is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from entrypoint import smtpctl
from entrypoint.backup.held import RELEASE, held_messages
from entrypoint.config.ports import Port
from entrypoint.doctor.finding import (
    NOT_RUNNING,
    Finding,
    Status,
    not_checked,
    quote,
    skipped,
)
from entrypoint.probe.addresses import addresses_of
from entrypoint.probe.dialog import DialogError, dialog, reason
from entrypoint.probe.look import look
from entrypoint.probe.tls_contexts import trusting
from entrypoint.text import counted, hours
from filters.mailauth.dns.resolver import DnsTemporaryError, Resolver

SECONDS = 10.0
_MOST_HOSTS, _MOST_ADDRESSES, _AT_FIRST = 3, 6, 2


def _finding(status: Status, detail: str, cure: str = "") -> Finding:
    return Finding("outbound", None, status, detail, cure)


async def check_relay_host(host: str, port: Port) -> Finding:
    """Does RELAY_HOST greet on its port? Its certificate is smtpd's to verify."""
    seen = await look(host, port, host, trusting())
    where = f"the relay host {host} port {port.number}"
    if seen.error:
        return _finding(
            "fail",
            f"{where} does not answer: {seen.error}",
            "check RELAY_HOST and RELAY_PORT, and whether a firewall lets it through",
        )
    return _finding("ok", f"{where} answers")


async def check_outbound(
    probe: str, resolver: Resolver, port: int, at: Callable[[str], str]
) -> Finding:
    """probe: DOCTOR_PROBE_DOMAIN. at: where to connect to for an address."""
    if not probe:
        return skipped(
            "outbound", None, "DOCTOR_PROBE_DOMAIN=no, so no other server is connected to"
        )
    try:
        addresses = await _exchangers(probe, resolver)
    except DnsTemporaryError as error:
        return not_checked("outbound", None, error.reason)
    if not addresses:
        return _finding(
            "warn",
            f"not tested: {probe} has no mail server",
            "set DOCTOR_PROBE_DOMAIN to a domain that accepts mail, or to no; if this one does, "
            "check DNS_SERVERS",
        )
    tried: dict[str, tuple[int, str]] = {}
    # The others are left alone where one of the first choice answers.
    for some in (addresses[:_AT_FIRST], addresses[_AT_FIRST:]):
        greetings = await asyncio.gather(*(_greeting(at(address), port) for address in some))
        tried |= zip(some, greetings, strict=True)
        for address, (code, _) in tried.items():
            if code == 220:
                return _finding("ok", f"the MX of {probe} ({address}) answers on port {port}")
    for address, (code, text) in tried.items():
        if code:
            return _finding(
                "warn",
                f"the MX of {probe} ({address}) refuses this server: {code} {quote(text)}",
                "its text says why; the address may be on a blocklist",
            )
    said = ", ".join(f"{address} ({text})" for address, (_, text) in tried.items())
    return _finding(
        "fail",
        f"no MX of {probe} answers on port {port}: {said}",
        "most providers block port 25 until they are asked: have it opened, or set RELAY_HOST",
    )


async def _exchangers(domain: str, resolver: Resolver) -> Sequence[str]:
    """Addresses of the domain's mail exchangers, the first choice first (RFC 5321 §5.1)."""
    exchanges = sorted((await resolver.query(domain, "MX")).exchanges)
    hosts = [host for _, host in exchanges if host] if exchanges else [domain]
    found: list[str] = []
    for host in hosts[:_MOST_HOSTS]:
        found += (await addresses_of(host, resolver)).all()
    return found[:_MOST_ADDRESSES]


async def _greeting(address: str, port: int) -> tuple[int, str]:
    """The code and text of the greeting; code 0 and the reason where there is none."""
    try:
        async with asyncio.timeout(SECONDS), dialog(address, port) as said:
            answer = await said.reply()
            return answer.code, answer.text
    except TimeoutError:
        return 0, f"no answer within {SECONDS:g} s"
    except (OSError, DialogError) as error:
        return 0, reason(error)


_LONG = 4 * 3600  # seconds; a server that defers new senders wants less
_MANY = 500


async def check_queue(now: float, command: Sequence[str] = smtpctl.SMTPCTL) -> Finding:
    """now: Unix time. command: smtpctl, without its arguments."""
    try:
        return judge_queue(await smtpctl.show_queue(command), now)
    except smtpctl.SmtpctlError as error:
        return _queue_finding("fail", smtpctl.in_words(error), NOT_RUNNING)


def judge_queue(envelopes: Sequence[smtpctl.QueuedEnvelope], now: float) -> Finding:
    """One finding for everything that waits."""
    if not envelopes:
        return _queue_finding("ok", "the queue is empty")
    oldest = min(each.created for each in envelopes)
    # Only an attempt that failed leaves a reason.
    deferred = sorted((each for each in envelopes if each.reason), key=lambda each: each.created)
    detail = (
        f"{counted(len(envelopes), 'envelope')}, "
        f"the oldest of {hours(int(now) - oldest)}, "
        f"{len(deferred)} deferred"
    )
    if deferred and now - deferred[0].created >= _LONG:
        return _queue_finding(
            "warn",
            f"{detail}; {deferred[0].evpid} waits because of {quote(deferred[0].reason)}",
            "look with `signpost queue list`; `signpost queue flush` tries again, "
            "`signpost queue remove` gives up",
        )
    if len(envelopes) >= _MANY:
        return _queue_finding(
            "warn", detail, "look with `signpost queue list`: is this mail that you want to send?"
        )
    return _queue_finding("ok", detail)


def _queue_finding(status: Status, detail: str, cure: str = "") -> Finding:
    return Finding("queue", None, status, detail, cure)


def check_held(spool: Path) -> list[Finding]:
    """Mail of a restored queue that waits for a person."""
    count = len(held_messages(spool))
    if not count:
        return []
    text = f"{counted(count, 'message')} of a restored queue {'is' if count == 1 else 'are'} held"
    cure = f"{RELEASE} sends them; what went out after the backup goes out a second time"
    return [Finding("queue", None, "warn", text, cure, "held")]
