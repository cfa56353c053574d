"""An account's home, from its address."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrypoint.paths import account_home


def test_an_address_is_a_folder() -> None:
    assert account_home("alice@example.org") == Path("/data/mail/example.org/alice")


@pytest.mark.parametrize("account", ["", "alice", "@example.org", "a/b@c", "..@c", "a@..", "a@"])
def test_what_is_no_address_is_no_folder(account: str) -> None:
    with pytest.raises(ValueError, match="no account's address"):
        account_home(account)
