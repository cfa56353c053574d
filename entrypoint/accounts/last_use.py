"""When each password was last used, as `filters.logins` writes it down."""

from __future__ import annotations

from collections.abc import Mapping

from entrypoint.accounts.store import AccountStore
from entrypoint.files import acting_as
from entrypoint.text import minute
from filters.last_used import read_last_used

Times = Mapping[str, Mapping[str, int]]


def last_uses(store: AccountStore) -> Times:
    """Unix times by address and by the password's name; empty where they cannot be read."""
    try:
        with acting_as(store.logins):
            return read_last_used(store.last_used)
    except (OSError, ValueError, KeyError):  # no server has run yet, or not in this image
        return {}


def told(when: int | None) -> str:
    """`2026-11-25 08:20 UTC`, or `never`."""
    return "never" if when is None else f"{minute(when)} UTC"
