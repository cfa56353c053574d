"""What is kept ↔ JSON that a person can read.

It must not know where the text lies, nor what fits the configuration.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from entrypoint.mailboxes.model import Stored, StoredAccount, StoredPassword

_VERSION = 1


def as_text(stored: Stored) -> str:
    """The JSON."""
    content: dict[str, object] = {
        "version": _VERSION,
        "accounts": {
            address: {"hash": account.hash, "quota": account.quota}
            for address, account in stored.accounts.items()
        },
        "aliases": {address: list(targets) for address, targets in stored.aliases.items()},
        "app_passwords": {
            address: [
                {"name": each.name, "hash": each.hash, "created": each.created}
                for each in passwords
            ]
            for address, passwords in stored.app_passwords.items()
        },
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def read_stored(text: str) -> Stored:
    """The opposite. Raises ValueError, whose text holds no hash."""
    try:
        content = json.loads(text)
        if content["version"] != _VERSION:
            raise ValueError(f"version {content['version']!r}, not {_VERSION}")
        return Stored(
            {address: _account(each) for address, each in content["accounts"].items()},
            {
                address: tuple(_text(target) for target in targets)
                for address, targets in content["aliases"].items()
            },
            {
                address: tuple(_password(each) for each in passwords)
                for address, passwords in content["app_passwords"].items()
            },
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None


def _account(content: Mapping[str, Any]) -> StoredAccount:
    quota = content["quota"]
    if quota is not None and (type(quota) is not int or quota < 0):
        raise ValueError("a quota that is no number of bytes")
    return StoredAccount(_text(content["hash"]), quota)


def _password(content: Mapping[str, Any]) -> StoredPassword:
    return StoredPassword(_text(content["name"]), _text(content["hash"]), _text(content["created"]))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"a {type(value).__name__} in the place of a text")
    return value
