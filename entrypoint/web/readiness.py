"""Would the served certificate pass an MTA-STS policy? Asked before the records are published.

A sender of mail asks the same of two names (RFC 8461 §3.3, §4.1): the policy's host and the MX. It
is asked by a TLS handshake in memory, with the certificate as it is served and the roots that
OpenSSL trusts here. It must not know records.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

from entrypoint.config.settings import Settings
from entrypoint.paths import RUN
from entrypoint.web.mta_sts import policy_host
from entrypoint.web.published import mta_sts_mode

_MOST_TURNS = 10


def readiness(
    settings: Settings, run: Path = RUN, trust: ssl.SSLContext | None = None
) -> Mapping[str, str | None]:
    """By domain what a sender would object to, or None; empty where MTA-STS is not asked for.

    trust: the sender's context, if not one with the public roots.
    """
    if mta_sts_mode(settings) is None:
        return {}
    sender = trust or _of_a_sender()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        server.load_cert_chain(run / "tls/cert.pem", run / "tls/key.pem")
    except OSError:
        return dict.fromkeys(settings.domains, "no certificate is served yet")
    at_mx = objection(server, sender, settings.mail_hostname)
    return {
        domain: at_mx or objection(server, sender, policy_host(domain))
        for domain in settings.domains
    }


def _of_a_sender() -> ssl.SSLContext:
    """The public roots, and names; not Python's stricter rules, which mail servers do not have."""
    context = ssl.create_default_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def objection(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> str | None:
    """Why a client would not go on with this server under a name, or None."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(down, up, server_hostname=name),
        server.wrap_bio(up, down, server_side=True),
    ]
    try:
        for _ in range(_MOST_TURNS):
            sides = [side for side in sides if not _done(side)]
            if not sides:
                return None
    except ssl.SSLCertVerificationError as error:
        return f"{name}: {error.verify_message}"
    except ssl.SSLError as error:
        return f"{name}: {error.reason}"
    return f"{name}: the handshake has no end"


def _done(side: ssl.SSLObject) -> bool:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
