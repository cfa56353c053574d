"""A deployment that the doctor looks at: DNS as a value, small servers, files, a queue.

`doctor/good.toml` describes one in which all is well, and `doctor/web_service.toml` what is more
where the web service runs; a case of `doctor/broken/*.toml` says what is different in it.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
import tomllib
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from entrypoint.config import environ
from entrypoint.config.ports import Port
from entrypoint.config.settings import HostFacts
from entrypoint.doctor.checkup import Checkup
from entrypoint.doctor.finding import Finding
from entrypoint.doctor.probes import Probes
from entrypoint.tls.self_signed import self_signed
from entrypoint.web import mta_sts
from entrypoint.web.published import site_of
from filters.mailauth.dkim.signing_key import SigningKey, public_record
from filters.mailauth.dns.resolver import StaticResolver

from ..certificates import Authority, server_context
from .chains import chain
from .chains import serving as serving_chain
from .smtp_servers import Manner, free_ports, serving
from .web_servers import web_serving

FOLDER = Path(__file__).parent / "cases"
HOST = "mail.example.org"
# The further names of a certificate.
MORE = tuple(
    f"{label}.{domain}"
    for domain in ("example.org", "example.net")
    for label in ("mta-sts", "autoconfig", "autodiscover")
)
# Every address of the deployment and where the test's servers stand for it.
HERE, PUBLIC_V4, PUBLIC_V6, FAR = "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"
NOBODY = "127.0.0.5"
CONNECT_TO = {
    "203.0.113.25": PUBLIC_V4,
    "2001:db8::25": PUBLIC_V6,
    "198.51.100.25": FAR,
    "203.0.113.26": NOBODY,
    "192.168.1.25": NOBODY,
}

KEYS = [
    SigningKey("example.org", "mail", "rsa-sha256", rsa.generate_private_key(65537, 2048)),
    SigningKey("example.net", "mail", "ed25519-sha256", ed25519.Ed25519PrivateKey.generate()),
]
# A key that nobody uses.
OTHER = SigningKey("example.org", "mail", "rsa-sha256", rsa.generate_private_key(65537, 2048))


@dataclass
class Seen:
    """What the doctor found, and what the servers heard. words: what stands for changing text."""

    findings: list[Finding]
    heard: dict[str, list[str]]
    words: dict[str, str]

    def lines(self) -> list[str]:
        """`status check domain: detail -> cure`; disks differ from machine to machine."""
        return [self.named(_line(each)) for each in self.findings if each.check != "disk"]

    def named(self, text: str) -> str:
        """The text with words in place of what changes from run to run."""
        for word, value in self.words.items():
            # A port may be 25519, and no part of a word is one.
            text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", f"{{{word}}}", text)
        return text


def good(base: str = "good") -> dict[str, Any]:
    """The deployment of a name; any other than `good` comes on top of that."""
    found = tomllib.loads((FOLDER / "good.toml").read_text())
    if base != "good":
        for part, more in tomllib.loads((FOLDER / f"{base}.toml").read_text()).items():
            found[part] |= more
    return found


def look(case: Mapping[str, Any], folder: Path) -> Seen:
    """Build the deployment in a folder, and have the doctor look at it."""
    return asyncio.run(_look(case, folder))


async def _look(case: Mapping[str, Any], folder: Path) -> Seen:
    base, now = good(case.get("base", "good")), int(time.time())
    words = {
        "rsa": public_record(KEYS[0]),
        "ed25519": public_record(KEYS[1]),
        "other": public_record(OTHER),
    }
    # A record in two strings, and as much of it as the doctor quotes.
    words |= {"cut": words["rsa"][:255], "rest": words["rsa"][255:], "begin": words["rsa"][:117]}
    for mode in ("testing", "enforce", "none"):
        words[mode] = mta_sts.record(mta_sts.policy(mode, HOST))
    ends = datetime.fromtimestamp(now, UTC) + timedelta(days=case.get("days_left", 90), hours=1)
    authority = Authority.make(folder)
    tls = _tls(case.get("certificate", "good"), authority, ends)
    async with AsyncExitStack() as stack:
        heard: dict[str, list[str]] = {}
        at: dict[str, int] = {}  # the same for all addresses, as 25, 465 and 587 are

        async def serve(name: str, address: str, changes: Mapping[str, Any]) -> None:
            if changes.get("silent"):
                return
            shown = (
                _tls(changes["certificate"], authority, ends) if "certificate" in changes else tls
            )
            manner = Manner(tls=shown, implicit_tls=name in ("465", "993"))
            given = {key: value for key, value in changes.items() if key in ("greeting", "rcpt")}
            manner = Manner(**{**manner.__dict__, **given})
            if changes.get("no_tls"):
                manner = Manner(**{**manner.__dict__, "tls": None})
            context = serving(address, at[name], manner)
            _, heard[f"{address}:{name}"] = await stack.enter_async_context(context)

        # Known before anybody listens there: at some of them nobody does.
        names = ("25", "465", "587", "993", "80", "443")
        at |= dict(zip(names, free_ports(len(names)), strict=True))
        servers = case.get("servers", {})
        for where, address in (("here", HERE), ("v4", PUBLIC_V4), ("v6", PUBLIC_V6)):
            for name in ("25", "465", "587"):
                await serve(name, address, servers.get(where, {}).get(name, {}))
        imaps = servers.get("here", {}).get("993", {})
        await serve("993", HERE, {"greeting": "* OK [CAPABILITY IMAP4rev1] ready", **imaps})
        await serve("25", FAR, {"greeting": "220 mx.far.example", **servers.get("far", {})})
        # The web service is there whether it is asked for or not.
        environment = {
            key: value.format(relay_port=at["25"])
            for key, value in {**base["environ"], **case.get("environ", {})}.items()
        }
        settings = environ.load(environment, host=HostFacts(ipv6=True))
        for where, address in (("here", HERE), ("v4", PUBLIC_V4), ("v6", PUBLIC_V6)):
            for name in ("80", "443"):
                changes = servers.get(where, {}).get(name, {})
                if "greeting" in changes:
                    await serve(name, address, changes)
                elif not changes.get("silent"):
                    shown = tls
                    if kind := changes.get("certificate"):
                        shown = _tls(kind, authority, ends)
                    context = shown if name == "443" else None
                    await stack.enter_async_context(
                        web_serving(
                            *(address, at[name], site_of(settings), context),
                            changes.get("policy", {}),
                        )
                    )
        probes = Probes(
            loopback=HERE,
            smtp=tuple(Port(at[name], "smtp", name == "465") for name in ("25", "465", "587")),
            imaps=(Port(at["993"], "imap", implicit_tls=True),),
            web=(Port(at["80"], "http"), Port(at["443"], "http", implicit_tls=True)),
            smtp_port=at["25"],
            trust=authority.trust(),
            data=folder / "data",
            spool=folder / "spool",
            clients=folder / "clients.json",
            built=folder / "built",
            smtpctl=_smtpctl(case.get("queue", ""), folder),
            now=now + case.get("clock_is_ahead", 0),
            connect_to=CONNECT_TO,
        )
        _files(case, folder, now)
        resolver = StaticResolver(_zone(base["zone"], case.get("zone", {}), words))
        findings = await Checkup(settings, KEYS, resolver, probes).run()
    words |= {f"port {name}": str(at[name]) for name in at}
    words["in ten years"] = f"{datetime.now(UTC) + timedelta(days=3650):%Y-%m-%d}"
    words["ends"] = f"{ends:%Y-%m-%d}"
    words["three days ago"] = f"{datetime.now(UTC) - timedelta(days=3):%Y-%m-%d}"
    words["now"] = _utc(probes.time())
    words["built"] = _utc(now)
    words["later"] = _utc(now + case.get("written_in", 0))
    words["folder"] = str(folder)
    return Seen(findings, heard, words)


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def _tls(kind: str, authority: Authority, ends: datetime) -> Any:
    if kind.startswith("chain: "):
        pem = chain(kind.removeprefix("chain: "), authority, HOST, MORE, ends)
        return serving_chain(authority, pem)
    if kind == "self-signed":
        return server_context(authority.folder, *self_signed(HOST))
    if kind == "unknown authority":
        (authority.folder / "other").mkdir()
        return Authority.make(authority.folder / "other", "nobody").server(HOST, ends)
    host = "other.example.org" if kind == "other name" else HOST
    more = () if kind == "the host alone" else MORE
    return server_context(authority.folder, *authority.pair(host, ends, more=more))


def _zone(
    base: Mapping[str, Any], changes: Mapping[str, Any], words: Mapping[str, str]
) -> dict[str, Any]:
    zone: dict[str, Any] = {name: dict(node) for name, node in base.items()}
    for name, change in changes.items():
        if change == "NXDOMAIN":
            del zone[name]
        elif isinstance(change, str):
            zone[name] = change
        else:
            zone[name] = {**zone.get(name, {}), **change}
    for node in zone.values():
        if isinstance(node, dict) and isinstance(texts := node.get("TXT"), list):
            for word, value in words.items():
                texts = [text.replace(f"{{{word}}}", value) for text in texts]
            node["TXT"] = texts
    return zone


def _smtpctl(listing: str, folder: Path) -> tuple[str, ...]:
    """In smtpctl's place: it prints the queue's listing, {ago:N} being N seconds ago."""
    if listing == "fails":
        return (sys.executable, "-c", "import sys; sys.exit('smtpctl: no daemon \\x1b[31m')")
    for_now = int(time.time())
    while "{ago:" in listing:
        before, _, rest = listing.partition("{ago:")
        seconds, _, after = rest.partition("}")
        listing = f"{before}{for_now - int(seconds)}{after}"
    (folder / "queue").write_text(listing)
    return ("/bin/sh", "-c", 'test "$*" = "show queue" && cat "$0"', str(folder / "queue"))


def _files(case: Mapping[str, Any], folder: Path, now: int) -> None:
    mailbox = folder / "data/mail/example.org/alice/Maildir/new"
    for path in (mailbox, folder / "spool/queue"):
        path.mkdir(parents=True, exist_ok=True)
    (folder / "built").touch()
    os.utime(folder / "built", (now, now))
    if case.get("written_in"):
        later = now + case["written_in"]
        os.utime(mailbox, (later, later))
    (folder / "clients.json").write_text(
        case.get("clients", '{"clients": {"gateway": 1, "other": 41}, "only": null, "since": 1}')
    )


def _line(finding: Finding) -> str:
    owner = f" {finding.domain}" if finding.domain else ""
    cure = f" -> {finding.cure}" if finding.cure else ""
    return f"{finding.status} {finding.check}{owner}: {finding.detail}{cure}"
