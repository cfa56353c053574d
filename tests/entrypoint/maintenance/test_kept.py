"""What the running server keeps of its environment, and hashes that stay while passwords do."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from entrypoint import data
from entrypoint.completion import HashOf, completed, new_hash
from entrypoint.config.environ import load
from entrypoint.config.settings import Account, AppPassword, HostFacts, Settings
from entrypoint.dkim_keys.selectors import first_keys
from entrypoint.maintenance.applier import differences
from entrypoint.maintenance.environment import worth_keeping
from entrypoint.maintenance.known_hashes import KnownHashes
from entrypoint.paths import LOGINS
from entrypoint.render import login_table
from filters.credentials import matches

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


def complete(settings: Settings, hash_of: HashOf = new_hash) -> Settings:
    return completed(
        settings,
        srs=SecretStr("0123456789abcdef"),
        loops=None,
        demo_password=SecretStr("demo"),
        signing=first_keys(settings),
        hash_of=hash_of,
    )


def hashes(settings: Settings) -> list[str]:
    return [account.secret.get_secret_value() for account in settings.accounts]


class Run:
    """The folder of everything rendered, and what is known there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def render(self, settings: Settings) -> None:
        book = login_table(settings.accounts, SecretStr.get_secret_value)
        (self.folder / LOGINS).write_text(json.dumps(book))

    def known(self) -> KnownHashes:
        return KnownHashes(self.folder, root=self.folder.owner())


def test_a_hash_stays_while_its_password_does(tmp_path: Path) -> None:
    run = Run(tmp_path)
    first = complete(settings_of(), run.known().hash_of)
    run.render(first)
    accounts = ENVIRONMENT["ACCOUNTS"].replace("builder", "another")
    again = complete(settings_of(ACCOUNTS=accounts), run.known().hash_of)
    same = [old == new for old, new in zip(hashes(first), hashes(again), strict=True)]
    assert same == [True, False, True]
    assert matches(b"another", hashes(again)[1].encode())
    assert [account.quota for account in again.accounts] == [5 * 1024**3, 0, None]


def test_a_hash_that_was_just_made_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the maintenance process would go through a thousand of them again, behind each start."""
    run = Run(tmp_path)
    known = run.known()
    first = complete(settings_of(), known.hash_of)
    run.render(first)
    known.remember()
    monkeypatch.setattr(
        "entrypoint.maintenance.known_hashes.matches", lambda *_: pytest.fail("asked")
    )
    assert hashes(complete(settings_of(), run.known().hash_of)) == hashes(first)


def test_what_was_remembered_costs_no_crypt_and_is_of_its_password_and_hash_only(
    tmp_path: Path,
) -> None:
    run = Run(tmp_path)
    run.render(complete(settings_of()))
    known = run.known()
    hashed = known.of("bob@example.org", "builder")
    known.remember()
    (path,) = tmp_path.glob("known*")
    assert path.stat().st_mode & 0o777 == 0o600
    assert "builder" not in path.read_text()
    again = run.known()
    assert again.of("bob@example.org", "builder") == hashed
    assert again.of("bob@example.org", "wonder,land") is None
    assert again.of("alice@example.org", "builder") is None
    assert again.of("nobody@example.org", "builder") is None
    # It stands in for crypt(3): with a digest of its own, any hash would do.
    digests = json.loads(path.read_text())
    other = settings_of().model_copy(
        update={
            "accounts": (
                Account(address="bob@example.org", secret=SecretStr("$6$other"), hashed=True),
            )
        }
    )
    run.render(other)
    assert run.known().of("bob@example.org", "builder") is None
    question = b"bob@example.org\0builder\0$6$other"
    digests["digests"]["bob@example.org"] = hmac.new(
        bytes.fromhex(digests["key"]), question, hashlib.sha256
    ).hexdigest()
    path.write_text(json.dumps(digests))
    assert run.known().of("bob@example.org", "builder") == "$6$other"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"key": "zz", "digests": {}}'])
def test_what_cannot_be_remembered_is_found_the_long_way(tmp_path: Path, text: str) -> None:
    run = Run(tmp_path)
    run.render(complete(settings_of()))
    (tmp_path / "known-hashes.json").write_text(text)
    assert run.known().of("bob@example.org", "builder")


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


def test_a_start_from_nothing_makes_the_same_hash_with_the_same_key(tmp_path: Path) -> None:
    """What remembers passwords by their hash goes on, though everything rendered is gone."""

    def made(key: str | None, **environment: str) -> list[str]:
        run = tmp_path / "run"
        run.mkdir(exist_ok=True)  # with nothing in it
        known = KnownHashes(run, root=run.owner(), salt_key=lambda: key)
        return hashes(complete(settings_of(**environment), known.hash_of))

    first = made("key")
    assert made("key") == first
    assert not set(made("another")) & set(first)
    assert made(None) != made(None)
    alike = made("key", ACCOUNTS="alice@example.org:same, bob@example.org:same")
    assert len({each.split("$")[2] for each in alike}) == 2
    assert all(matches(b"same", each.encode()) for each in alike)


def test_the_key_of_salts_is_made_once_and_is_roots(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    key = data.salt_key(tmp_path)
    assert key is not None
    assert len(key) == 40
    assert data.salt_key(tmp_path) == key
    (file,) = (tmp_path / "secrets").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
