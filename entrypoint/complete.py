"""Settings completed with the secrets that a person did not give, and with hashed passwords.

Pure: it must not know where a generated secret is kept.
"""

from __future__ import annotations

from pydantic import SecretStr

from entrypoint.passwords import hash_password
from entrypoint.settings import Account, Settings


def completed(settings: Settings, *, srs: SecretStr, demo_password: SecretStr) -> Settings:
    """`srs` is the key of SRS; `demo_password` counts in demo mode only."""
    return settings.model_copy(
        update={
            "srs_secret": srs,
            "accounts": tuple(
                _hashed(account, demo_password if settings.demo else account.secret)
                for account in settings.accounts
            ),
        }
    )


def _hashed(account: Account, secret: SecretStr) -> Account:
    if account.hashed:
        return account
    hashed = SecretStr(hash_password(secret.get_secret_value()))
    return Account(address=account.address, secret=hashed, hashed=True)
