"""Settings completed with what a person did not give: secrets, hashes, the keys that sign.

Pure: it must not know where a generated secret or a key is kept.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic import SecretStr

from entrypoint.config.passwords import hash_password
from entrypoint.config.settings import Account, KeyFile, Settings
from entrypoint.dkim_keys.selectors import first_keys

# An address and a plain password → a hash of it.
HashOf = Callable[[str, str], str]


def new_hash(address: str, plain: str) -> str:
    """There are no hashes yet."""
    return hash_password(plain)


def completed(
    settings: Settings,
    *,
    srs: SecretStr,
    loops: SecretStr | None,
    demo_password: SecretStr,
    signing: tuple[KeyFile, ...],
    hash_of: HashOf,
) -> Settings:
    """`srs` is the key of SRS, `loops` that of the marks of mail loops, if any; `demo_password`
    counts in demo mode only; `signing`: DKIM's keys; `hash_of`: keeps the hashes that there are.
    """
    return settings.model_copy(
        update={
            "srs_secret": srs,
            "loop_key": loops,
            "signing": signing,
            "accounts": tuple(
                _hashed(account, demo_password if settings.demo else account.secret, hash_of)
                for account in settings.accounts
            ),
        }
    )


def _hashed(account: Account, secret: SecretStr, hash_of: HashOf) -> Account:
    if account.hashed:
        return account
    hashed = hash_of(account.address, secret.get_secret_value())
    return account.model_copy(update={"secret": SecretStr(hashed), "hashed": True})


def preview(settings: Settings) -> Settings:
    """As at a first start; placeholders stand for the secrets that it generates."""
    return completed(
        settings,
        srs=settings.srs_secret or SecretStr("generated-at-the-first-start"),
        loops=SecretStr("the-marks-of-mail-loops-get-a-key-then"),
        demo_password=SecretStr("placeholder"),
        signing=first_keys(settings),
        hash_of=new_hash,
    )
