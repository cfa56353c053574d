"""The accounts of a run, as ACCOUNTS_FILE and as a passwd-file of Dovecot's.

It must not know who reads them.
"""

from __future__ import annotations

from bench.messages import OURS
from entrypoint.config.passwords import hash_password
from filters.credentials import crypt

PASSWORD = "correct horse battery"
# Every second account has the one, every other the other: mkpasswd's choice, and Debian's.
SCHEMES = ("$6$", "$y$")
# So that what a quota costs is among what is measured.
QUOTA = "1G"


def address(number: int) -> str:
    """The address of an account."""
    return f"user{number:04}@{OURS}"


def scheme(number: int) -> str:
    """How its password is hashed, where it is."""
    return SCHEMES[number % len(SCHEMES)]


def hashes() -> dict[str, str]:
    """A hash of the password for each scheme, with the usual cost. All accounts share the two:
    nothing that is measured knows one hash from its twin.
    """
    yescrypt = crypt(PASSWORD.encode(), b"$y$j9T$benchbenchbenchbench$")
    if yescrypt is None:
        raise RuntimeError("crypt(3) makes no $y$ hash")
    return dict(zip(SCHEMES, (hash_password(PASSWORD), yescrypt.decode("ascii")), strict=True))


def accounts(count: int, by_scheme: dict[str, str] | None) -> str:
    """The content of ACCOUNTS_FILE; without hashes the passwords are plain."""
    return "".join(
        f"{address(number)}:{by_scheme[scheme(number)] if by_scheme else PASSWORD}\n"
        for number in range(count)
    )


def passwd_file(count: int, by_scheme: dict[str, str]) -> str:
    """The same accounts for Dovecot alone."""
    return "".join(
        f"{address(number)}:{by_scheme[scheme(number)]}::::::\n" for number in range(count)
    )
