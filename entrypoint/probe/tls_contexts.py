"""How a server's certificate is looked at: whoever may trust it, or with its chain verified.

It needs no event loop, for the container's first process looks at ports, too.
"""

from __future__ import annotations

import ssl
from functools import cache


def trusting(cafile: str | None = None) -> ssl.SSLContext:
    """A context that verifies chains with the system's authorities, or with those of a file."""
    context = ssl.create_default_context(cafile=cafile)
    context.check_hostname = False
    return context


@cache
def unverified() -> ssl.SSLContext:
    """A context for any certificate: whether it is good is another question than what it is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
