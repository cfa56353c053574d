"""Settings as a start would complete them, without touching /data: for `check` and `render`."""

from __future__ import annotations

from pydantic import SecretStr

from entrypoint.complete import completed, new_hash
from entrypoint.keys.names import first_keys
from entrypoint.settings import Settings


def preview(settings: Settings) -> Settings:
    """As at a first start; placeholders stand for the secrets that it generates."""
    return completed(
        settings,
        srs=settings.srs_secret or SecretStr("generated-at-the-first-start"),
        demo_password=SecretStr("placeholder"),
        signing=first_keys(settings),
        hash_of=new_hash,
    )
