"""What a configuration says and what has no effect: no mistake, and yet not what a person means."""

from __future__ import annotations

from collections.abc import Iterator

from entrypoint.settings import Settings

_CURE = "set ENABLE_IMAP=yes, or leave it out"


def oddities(settings: Settings) -> Iterator[str]:
    """A line each, for warnings. settings: with what the commands keep."""
    if settings.enable_imap:
        return
    # Dovecot is who counts.
    if settings.default_quota:
        yield f"DEFAULT_QUOTA: a quota has no effect with ENABLE_IMAP=no; {_CURE}"
    for account in settings.accounts:
        if account.quota:
            yield f"{account.address}: its quota has no effect with ENABLE_IMAP=no; {_CURE}"
