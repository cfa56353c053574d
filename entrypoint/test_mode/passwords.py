"""Plain passwords of TestSettings become hashes, as filters.credentials checks them."""

from __future__ import annotations

from pydantic import SecretStr

from entrypoint.config.passwords import hash_password
from entrypoint.config.settings import Account
from entrypoint.test_mode.settings import TestSettings


def hashed(settings: TestSettings) -> TestSettings:
    """With the hashes of passwords in their place."""
    return settings.model_copy(
        update={
            field: tuple(_hashed(account) for account in getattr(settings, field))
            for field in ("accounts", "smtp_logins")
        }
    )


def _hashed(account: Account) -> Account:
    if account.hashed:
        return account
    secret = SecretStr(hash_password(account.secret.get_secret_value()))
    return account.model_copy(update={"secret": secret, "hashed": True})
