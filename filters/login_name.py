"""A login as somebody types it → the login as the rendered files have it.

It must not know which logins there are.
"""

from __future__ import annotations

from filters.mailauth.names import readings


def login_name(login: str) -> str:
    """In lower case, with the domain in A-labels.

    Where the versions of IDNA read the domain differently, 2008 decides: who logs in names only
    himself, and the password says whether he may.
    """
    local, at, domain = login.rpartition("@")
    # No account has more than ASCII in front: what lower() made of it could only be another's.
    local = local.lower() if local.isascii() else local
    return f"{local}{at}{next(iter(readings(domain)), domain)}"


def login_bytes(login: bytes) -> bytes:
    """The same of bytes from the network; those that are no UTF-8 are nobody's login."""
    try:
        return login_name(login.decode("utf-8")).encode("utf-8")
    except UnicodeError:
        return login.lower()
