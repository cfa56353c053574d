"""What a configuration says without effect."""

from __future__ import annotations

import pytest

from entrypoint.environ import load
from entrypoint.oddities import oddities
from entrypoint.settings import HostFacts

ACCOUNTS = "a@example.org:secret:quota=5G\nb@example.org:secret:quota=none\nc@example.org:secret"
NO_EFFECT = "has no effect with ENABLE_IMAP=no; set ENABLE_IMAP=yes, or leave it out"


@pytest.mark.parametrize(
    ("environ", "lines"),
    [
        ({}, [f"a@example.org: its quota {NO_EFFECT}"]),
        (
            {"DEFAULT_QUOTA": "1G"},
            [f"DEFAULT_QUOTA: a quota {NO_EFFECT}", f"a@example.org: its quota {NO_EFFECT}"],
        ),
        ({"DEFAULT_QUOTA": "1G", "ENABLE_IMAP": "yes"}, []),
    ],
)
def test_quotas_that_nobody_counts(environ: dict[str, str], lines: list[str]) -> None:
    base = {"DOMAINS": "example.org", "ACCOUNTS": ACCOUNTS, "ENABLE_IMAP": "no"}
    assert list(oddities(load({**base, **environ}, host=HostFacts(ipv6=False)))) == lines
