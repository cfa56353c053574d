"""Settings completed with what a person did not give: secrets, hashes, the keys that sign.

Pure: it must not know where a generated secret or a key is kept.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic import SecretStr

from entrypoint.passwords import hash_password
from entrypoint.settings import Account, KeyFile, Settings

# An address and a plain password → the hash of it, if there is one.
Known = Callable[[str, str], str | None]


def nothing_known(address: str, plain: str) -> str | None:
    """There are no hashes yet."""
    return None


def completed(
    settings: Settings,
    *,
    srs: SecretStr,
    demo_password: SecretStr,
    signing: tuple[KeyFile, ...],
    known: Known,
) -> Settings:
    """`srs` is the key of SRS; `demo_password` counts in demo mode only; `signing`: DKIM's keys;
    `known`: hashes that there are already, which are kept.
    """
    return settings.model_copy(
        update={
            "srs_secret": srs,
            "signing": signing,
            "accounts": tuple(
                _hashed(account, demo_password if settings.demo else account.secret, known)
                for account in settings.accounts
            ),
        }
    )


def _hashed(account: Account, secret: SecretStr, known: Known) -> Account:
    if account.hashed:
        return account
    plain = secret.get_secret_value()
    hashed = known(account.address, plain) or hash_password(plain)
    return account.model_copy(update={"secret": SecretStr(hashed), "hashed": True})
