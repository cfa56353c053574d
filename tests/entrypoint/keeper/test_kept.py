"""What the running server keeps of its environment, and hashes that stay while passwords do."""

from __future__ import annotations

import json

import pytest
from pydantic import SecretStr

from entrypoint.complete import completed
from entrypoint.environ import load
from entrypoint.keeper.differences import differences
from entrypoint.keeper.kept import worth_keeping
from entrypoint.keys.names import first_keys
from entrypoint.settings import AppPassword, HostFacts, Settings

HOST = HostFacts(ipv6=False)
ENVIRONMENT = {
    "DOMAINS": "example.org",
    "ACCOUNTS": "alice@example.org:wonder,land:quota=5G\nbob@example.org:builder:quota=none\n"
    "carol@example.org:x",
    "ALIASES_FILE": "/no/such/file",
    "SRS_SECRET": "0123456789abcdef",
    "HOME": "/root",
    "PGPASSWORD": "somebody else's",
}


def settings_of(**changes: str) -> Settings:
    environ = {**ENVIRONMENT, **changes}
    del environ["ALIASES_FILE"]
    return load(environ, host=HOST)


def complete(settings: Settings, **hashes: str) -> Settings:
    known = {f"{name}@example.org": hashed for name, hashed in hashes.items()}
    return completed(
        settings,
        srs=SecretStr("0123456789abcdef"),
        demo_password=SecretStr("demo"),
        signing=first_keys(settings),
        hashes=known,
    )


def hashes(settings: Settings) -> list[str]:
    return [account.secret.get_secret_value() for account in settings.accounts]


def test_a_hash_stays_while_its_password_does() -> None:
    first = complete(settings_of())
    alice, bob, carol = hashes(first)
    again = complete(settings_of(), alice=alice, bob=alice, carol="$6$broken")
    assert hashes(again)[0] == alice
    assert hashes(again)[1] not in {alice, bob}
    assert hashes(again)[2] != carol
    assert [account.quota for account in again.accounts] == [5 * 1024**3, 0, None]


def test_what_is_kept_means_the_same_and_has_no_plain_password() -> None:
    settings = settings_of()
    done = complete(settings)
    kept = worth_keeping(ENVIRONMENT, settings, done)
    assert set(kept) == {"DOMAINS", "ACCOUNTS", "ALIASES_FILE", "SRS_SECRET"}
    for secret in ("wonder,land", "builder"):
        assert secret not in json.dumps(kept)
    del kept["ALIASES_FILE"]
    assert load(kept, host=HOST).accounts == done.accounts


@pytest.mark.parametrize("environ", [{}, {"DOMAINS": "example.org", "ACCOUNTS_FILE": "/x"}])
def test_no_accounts_are_kept_where_none_were_written(environ: dict[str, str]) -> None:
    settings = load({}, host=HOST)
    assert worth_keeping(environ, settings, complete(settings)) == environ


def test_differences_are_told_without_secrets() -> None:
    old = complete(settings_of(DOMAINS="example.org example.net"))
    alice, bob, carol = old.accounts
    phone = AppPassword(name="phone", hash=SecretStr("$5$one"))
    other = AppPassword(name="phone", hash=SecretStr("$5$two"))
    old = old.model_copy(
        update={
            "accounts": (alice, bob.model_copy(update={"app_passwords": (phone,)}), carol),
            "aliases": settings_of(ALIASES="a@example.org: x@y.example").aliases,
        }
    )
    new = old.model_copy(
        update={
            "domains": ("example.org", "example.com"),
            "accounts": (
                alice.model_copy(update={"secret": SecretStr("$6$new"), "quota": 1}),
                bob.model_copy(update={"app_passwords": (other,)}),
                alice.model_copy(update={"address": "dave@example.org"}),
            ),
            "aliases": settings_of(ALIASES="a@example.org: z@y.example").aliases,
        }
    )
    assert list(differences(old, old)) == []
    told = list(differences(old, new))
    assert [line for line in told if "postmaster" not in line and "abuse" not in line] == [
        "domain example.net removed",
        "domain example.com added; publish its records: signpost dns example.com",
        "account alice@example.org: another password",
        "account alice@example.org: another quota",
        "account bob@example.org: app password phone replaced",
        "account carol@example.org removed",
        "account dave@example.org added",
        "alias a@example.org changed: z@y.example",
    ]
    assert "$" not in " ".join(told)
