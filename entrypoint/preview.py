"""Settings as a start would complete them, without touching /data: for `check` and `render`."""

from __future__ import annotations

from pydantic import SecretStr

from entrypoint.passwords import hash_password
from entrypoint.settings import Account, Settings


def preview(settings: Settings) -> Settings:
    """Placeholders for the secrets that a first start generates, hashes for plain passwords."""
    accounts = tuple(
        account
        if account.hashed
        else Account(
            address=account.address,
            secret=SecretStr(hash_password(account.secret.get_secret_value() or "placeholder")),
            hashed=True,
        )
        for account in settings.accounts
    )
    srs = settings.srs_secret or SecretStr("generated-at-the-first-start")
    return settings.model_copy(update={"accounts": accounts, "srs_secret": srs})
