"""Selectors: which names the configuration asks for, and new ones for the next keys.

Pure: it must not know which keys there are, nor any file.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from entrypoint.config.settings import KEY_TYPES, KeyFile, KeyType, Settings
from entrypoint.paths import DATA_DKIM, RUN_DKIM

_LONGEST_LABEL, _LONGEST_NAME = 63, 253  # characters (RFC 1035 §2.3.4, §3.1)
_SUFFIX = "-ed25519"
_MOST_A_DAY = 99


def asked_for(settings: Settings, domain: str, base: KeyType | None = None) -> dict[KeyType, str]:
    """The selectors that the configuration asks for, by type, in the order of KEY_TYPES.

    base: what the key is that stands under the selector itself, if there is one. Before there were
    two keys a domain a person could bring an Ed25519 key there; it keeps its name.
    """
    selector = settings.dkim_selector.of(domain)
    brought = {key.type: key.selector for key in settings.dkim_keys if key.domain == domain}
    names: dict[KeyType, str] = {"rsa": selector, "ed25519": f"{selector}{_SUFFIX}"}
    if base == "ed25519":
        names["ed25519"] = selector
    names |= brought
    if names["rsa"] == names["ed25519"]:
        if "rsa" in brought:
            names["ed25519"] = f"{selector}{_SUFFIX}"
        else:
            names["rsa"] = f"{selector}-rsa"
    return {kind: names[kind] for kind in KEY_TYPES if kind in settings.dkim_key_types}


def next_names(
    selector: str, domain: str, day: str, taken: Collection[str]
) -> dict[KeyType, str] | None:
    """New selectors: `SELECTOR-DAY` and `SELECTOR-DAY-ed25519`, or with a number if they are taken.

    None where no name has room. A name is never used again, for caches may hold its old record.
    """
    longest = f"-{day}-{_MOST_A_DAY}{_SUFFIX}"
    room = min(_LONGEST_LABEL, _LONGEST_NAME - len(f"._domainkey.{domain}")) - len(longest)
    if room < 1:
        return None
    base = selector[:room].rstrip("-.")
    for number in range(1, _MOST_A_DAY + 1):
        stem = f"{base}-{day}" if number == 1 else f"{base}-{day}-{number}"
        names: dict[KeyType, str] = {"rsa": stem, "ed25519": f"{stem}{_SUFFIX}"}
        if not set(names.values()) & set(taken):
            return names
    return None


def key_file(
    settings: Settings,
    domain: str,
    selector: str,
    data: Path = DATA_DKIM,
    run: Path = RUN_DKIM,
) -> Path:
    """Where the key lies for the signer: below /data, or the copy of one from elsewhere."""
    brought = any((key.domain, key.selector) == (domain, selector) for key in settings.dkim_keys)
    return (run if brought else data) / domain / f"{selector}.pem"


def first_keys(settings: Settings) -> tuple[KeyFile, ...]:
    """The keys that sign after a first start."""
    return tuple(
        KeyFile(domain=domain, selector=selector, path=key_file(settings, domain, selector))
        for domain in settings.signing_domains
        for selector in asked_for(settings, domain).values()
    )
