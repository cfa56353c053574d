"""What a configuration says without effect, or with a costly one."""

from __future__ import annotations

import pytest

from entrypoint.accounts.merge import MOST_APP_PASSWORDS, merged
from entrypoint.accounts.stored import Stored, StoredAccount, StoredPassword
from entrypoint.completion import preview
from entrypoint.config.environ import load
from entrypoint.config.ineffective import doubtful_passwords, ineffective_settings
from entrypoint.config.passwords import hash_generated, hash_password
from entrypoint.config.settings import HostFacts

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
    assert (
        list(ineffective_settings(load({**base, **environ}, host=HostFacts(ipv6=False)))) == lines
    )


@pytest.mark.parametrize(
    ("environ", "lines"),
    [
        (
            {"DNSBL": "zen.example, bl.example=score"},
            [
                "DNSBL: bl.example=score has no effect without JUNK_FILTER=yes; set that, or write "
                "bl.example to refuse whom it lists"
            ],
        ),
        ({"DNSBL": "zen.example, bl.example=score", "JUNK_FILTER": "yes"}, []),
    ],
)
def test_a_blocklist_whose_score_nobody_counts(environ: dict[str, str], lines: list[str]) -> None:
    base = {"DOMAINS": "example.org", "ACCOUNTS": "a@example.org:a long passphrase"}
    settings = load({**base, **environ}, host=HostFacts(ipv6=False))
    assert list(ineffective_settings(settings)) == lines


def test_a_sender_that_is_no_account() -> None:
    environ = {
        "DOMAINS": "example.org",
        "ACCOUNTS": "a@example.org:a long passphrase",
        "SEND_AS": "a@example.org: @example.org\nb@example.org: x@example.org",
    }
    assert list(ineffective_settings(load(environ, host=HostFacts(ipv6=False)))) == [
        "SEND_AS: b@example.org is no account; add it, or leave this out"
    ]


TAIL = "abcdefghijklmnopqrstuu" + "a" * 31
QUICKER = "and other logins wait meanwhile; a $6$ hash with the usual rounds is quicker"
CANNOT = "a@example.org: it cannot log in, for checking its hash takes too long"


@pytest.mark.parametrize(
    ("hashed", "lines"),
    [
        (f"$2b$12${TAIL}", [f"a@example.org: checking its hash takes up to 250 ms, {QUICKER}"]),
        (
            f"$y$jAT$salt${'a' * 42}.",
            [f"a@example.org: checking its hash takes up to 30 ms, {QUICKER}"],
        ),
        (f"$y$j9T$salt${'a' * 42}.", []),
        (f"$6$salt${'a' * 85}.", []),
        # Kept by an older version: it is passed on, and its login is not answered.
        (f"$2b$14${TAIL}", [f"{CANNOT} (999 ms); signpost account passwd sets another"]),
    ],
)
def test_slow_hashes_are_named(hashed: str, lines: list[str]) -> None:
    base = load(
        {"DOMAINS": "example.org", "ACCOUNTS": "b@example.org:x"}, host=HostFacts(ipv6=False)
    )
    stored = Stored(accounts={"a@example.org": StoredAccount(hashed)})
    whole, unfit = merged(preview(base), stored)
    assert not unfit
    assert list(ineffective_settings(whole)) == lines


def test_none_that_we_make_is_named_however_many() -> None:
    base = load(
        {"DOMAINS": "example.org", "ACCOUNTS": "b@example.org:x"}, host=HostFacts(ipv6=False)
    )
    phones = tuple(
        StoredPassword(f"phone {n}", hash_generated("x"), "") for n in range(MOST_APP_PASSWORDS)
    )
    stored = Stored(
        accounts={"a@example.org": StoredAccount(hash_password("l" * 511))},
        app_passwords={"a@example.org": phones, "b@example.org": phones},
    )
    assert list(ineffective_settings(merged(preview(base), stored)[0])) == []


@pytest.mark.parametrize(
    ("environ", "lines"),
    [
        ({}, []),
        (
            {"DOMAINS": "example.org", "ACCOUNTS": "a@example.org:1234567\nb@example.org:12345678"},
            [
                "a@example.org: its password has fewer than eight characters and is soon guessed; "
                "choose a longer one"
            ],
        ),
        ({"DOMAINS": "example.org", "ACCOUNTS": "a@example.org:pässwörd"}, []),
        ({"DOMAINS": "example.org", "ACCOUNTS": f"a@example.org:$6$salt${'a' * 85}."}, []),
        (
            {
                "DOMAINS": "example.org",
                "ACCOUNTS": "a@example.org:'wonderland'\nb@example.org:'wonderland",
                "RELAY_HOST": "smtp.example.net",
                "RELAY_USER": "me",
                "RELAY_PASSWORD": '"wonderland"',
            },
            [
                "a@example.org: its password begins and ends with a quote, which belongs to it; "
                "take it out if not meant",
                "RELAY_PASSWORD: it begins and ends with a quote, which belongs to it; "
                "take it out if not meant",
            ],
        ),
    ],
)
def test_doubtful_passwords_are_named_and_not_shown(
    environ: dict[str, str], lines: list[str]
) -> None:
    assert list(doubtful_passwords(load(environ, host=HostFacts(ipv6=False)))) == lines
