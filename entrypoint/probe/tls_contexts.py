"""How a server's certificate is looked at: whoever may trust it, or with its chain verified.

It needs no event loop, for the container's first process looks at ports, too.
"""

from __future__ import annotations

import _ssl
import ssl
import sys
from functools import cache


def trusting(cafile: str | None = None) -> ssl.SSLContext:
    """A context that verifies chains with the system's authorities, or with those of a file."""
    context = ssl.create_default_context(cafile=cafile)
    context.check_hostname = False
    # Python's rule alone (3.13): mail programs and servers take a chain without key identifiers.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


@cache
def unverified() -> ssl.SSLContext:
    """A context for any certificate: whether it is good is another question than what it is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def shown_chain(link: ssl.SSLObject | None) -> tuple[bytes, ...]:
    """The certificates that the other side sent, DER, its own first; none where there is no TLS."""
    if link is None:
        return ()
    if sys.version_info >= (3, 13):
        return tuple(link.get_unverified_chain())
    sent = link._sslobj.get_unverified_chain() or ()  # type: ignore[attr-defined]
    return tuple(each.public_bytes(_ssl.ENCODING_DER) for each in sent)
