"""Settings completed with what a person did not give: secrets, hashes, the keys that sign.

Pure: it must not know where a generated secret or a key is kept.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import SecretStr

from entrypoint.passwords import hash_password
from entrypoint.settings import Account, KeyFile, Settings
from filters.crypt_hash import matches


def completed(
    settings: Settings,
    *,
    srs: SecretStr,
    demo_password: SecretStr,
    signing: tuple[KeyFile, ...],
    hashes: Mapping[str, str],
) -> Settings:
    """`srs` is the key of SRS; `demo_password` counts in demo mode only; `signing`: DKIM's keys;
    `hashes`: earlier ones by address, which are kept where the password is still the same.
    """
    return settings.model_copy(
        update={
            "srs_secret": srs,
            "signing": signing,
            "accounts": tuple(
                _hashed(account, demo_password if settings.demo else account.secret, hashes)
                for account in settings.accounts
            ),
        }
    )


def _hashed(account: Account, secret: SecretStr, hashes: Mapping[str, str]) -> Account:
    if account.hashed:
        return account
    plain, known = secret.get_secret_value(), hashes.get(account.address)
    if known is None or not matches(plain.encode(), known.encode("ascii")):
        known = hash_password(plain)
    return account.model_copy(update={"secret": SecretStr(known), "hashed": True})
