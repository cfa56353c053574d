"""What the log says of certificates from an ACME server: facts in, a line out."""

from __future__ import annotations

from collections.abc import Sequence

from entrypoint.log_line import LogLine
from entrypoint.text import day, listed, minute
from entrypoint.tls.acme_plan import MOST_NAMES, Attempt, Held, next_try
from entrypoint.tls.certbot import Result

_MOST_LISTED = 6


def asked(server: str, names: Sequence[str], held: Held | None) -> LogLine:
    """A run has begun."""
    what = "a certificate is" if held is None else "the next certificate is"
    further = f" for {first_names(names)}" if len(names) > 1 else ""
    return LogLine("info", f"{what} asked for at {server}{further}")


def issued(server: str, names: Sequence[str]) -> LogLine:
    """A run has ended well."""
    return LogLine("info", f"{server} has issued a certificate for {first_names(names)}")


def failed(server: str, result: Result, due: float) -> LogLine:
    """A run has failed for the host's own name, or for all. due: when the next one begins."""
    return LogLine(
        "error",
        f"no certificate from {server}: {result.problem}; "
        f"next try {minute(due)} UTC, or when the container is restarted",
    )


def left_out(result: Result, attempts: Sequence[Attempt]) -> LogLine:
    """A run has failed for further names alone: the host's goes on without them."""
    due = max(next_try(name, attempts) for name in result.blamed)
    return LogLine(
        "warning",
        f"{first_names(result.blamed)} cannot be in the certificate yet: {result.problem}; "
        f"next try {minute(due)} UTC, or when the container is restarted",
    )


def valid(held: Held, due: float) -> LogLine:
    """What there is, and when the next one is asked for."""
    return LogLine(
        "info",
        f"the ACME server's certificate is valid until {day(held.ends)}; the next one "
        f"is asked for on {minute(due)} UTC",
    )


def too_many(count: int) -> LogLine:
    """More further names lead here than a certificate can have."""
    most = MOST_NAMES - 1
    return LogLine(
        "warning",
        f"{count} names beside MAIL_HOSTNAME lead here, and a certificate has room for {most}: "
        "the last ones of DOMAINS are left out",
    )


def first_names(names: Sequence[str]) -> str:
    """`a, b and c`; of many names the first ones."""
    shown, more = list(names[:_MOST_LISTED]), len(names) - _MOST_LISTED
    if more > 0:
        shown.append(f"{more} more")
    return listed(shown)
