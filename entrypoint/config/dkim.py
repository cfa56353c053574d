"""DKIM_SELECTOR, DKIM_KEY_TYPES and DKIM_KEYS: which keys are asked for.

It must not know which keys there are already.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from entrypoint.config.domain_names import domain_name
from entrypoint.config.entries import entries, words
from entrypoint.config.problems import BrokenRuleError
from entrypoint.config.reading import Reading
from entrypoint.config.settings import (
    KEY_TYPES,
    BroughtKey,
    DomainSelector,
    KeyType,
    Selectors,
    signing_domains,
)
from entrypoint.config.values import choice, file_path, selector
from filters.mailauth.dkim.signing_key import BadKey, load_signing_key

T = TypeVar("T")

_LONGEST_NAME = 253  # characters of a domain name in text (RFC 1035 §3.1)
_LONGEST_KEY = 64 * 1024  # bytes of a PEM file


def read_dkim(reading: Reading, domains: object, host: str | None) -> dict[str, object]:
    """The fields `dkim_selector`, `dkim_key_types` and `dkim_keys`; each mistake is noted.

    domains, host: None where they are not known, having a mistake of their own.
    """
    signing: tuple[str, ...] | None = None
    if isinstance(domains, tuple) and host is not None:
        signing = signing_domains(domains, host)
    selectors = _selectors(reading, signing)
    given = reading.raw("dkim_key_types")
    chosen = reading.each(
        "dkim_key_types", words(given.text) if given else [], partial(choice, allowed=KEY_TYPES)
    )
    types = tuple(kind for kind in KEY_TYPES if chosen is None or kind in chosen)
    brought = _brought(reading, signing, types)
    for domain in domains if isinstance(domains, tuple) else ():
        suffix = "-ed25519" if "ed25519" in types else ""
        if len(f"{selectors.of(domain)}{suffix}._domainkey.{domain}") > _LONGEST_NAME:
            reading.note("dkim_selector", f"too long for {domain}", "take a shorter one")
    return {"dkim_selector": selectors, "dkim_key_types": types, "dkim_keys": brought}


def _selectors(reading: Reading, signing: tuple[str, ...] | None) -> Selectors:
    given = reading.raw("dkim_selector")
    if given is None:
        return Selectors()
    note = partial(reading.note, "dkim_selector")
    general: list[str] = []
    own: dict[str, str] = {}
    for word in words(given.text):
        domain_text, equals, selector_text = word.rpartition("=")
        name = _parsed(note, selector, selector_text, word)
        if not equals:
            general += [] if name is None else [name]
            continue
        domain = _parsed(note, domain_name, domain_text, word)
        if domain is None or name is None:
            continue
        if signing is not None and domain not in signing:
            note("no domain that signs here", f"use one of {', '.join(signing)}", word)
        elif domain in own:
            note("a second selector for one domain", "keep one of them", word)
        own[domain] = name
    if len(general) > 1:
        note("several selectors for all domains", "write one, others as DOMAIN=SELECTOR")
    if not words(given.text):
        note("an empty list", "write a value, or unset it", given.text)
    return Selectors(
        general=general[0] if general else Selectors().general,
        own=tuple(DomainSelector(domain=domain, selector=name) for domain, name in own.items()),
    )


def _brought(
    reading: Reading, signing: tuple[str, ...] | None, types: tuple[KeyType, ...]
) -> tuple[BroughtKey, ...]:
    given = reading.raw("dkim_keys")
    found: list[BroughtKey] = []
    for entry in entries(given.text) if given else ():

        def note(rule: str, cure: str, value: str | None = None, at: str = entry.place) -> None:
            reading.note("dkim_keys", f"{at}: {rule}", cure, value)

        key = _key(note, entry.text.strip(), signing)
        if key is None:
            continue
        if key.type not in types:
            kind = "an RSA" if key.type == "rsa" else "an Ed25519"
            note(f"{kind} key, and DKIM_KEY_TYPES leaves these out", "change one of the two")
        elif any((key.domain, key.selector) == (each.domain, each.selector) for each in found):
            note("a second key of this domain and selector", "give it another selector")
        found.append(key)
    return tuple(found)


def _key(
    note: Callable[..., None], text: str, signing: tuple[str, ...] | None
) -> BroughtKey | None:
    parts = text.split(":", 2)
    if len(parts) != 3:
        note("not a key", "write it like example.org:mail:/run/secrets/key.pem")
        return None
    domain = _parsed(note, domain_name, parts[0].strip(), parts[0].strip())
    name = _parsed(note, selector, parts[1].strip(), parts[1].strip())
    path = _parsed(note, file_path, parts[2].strip(), None)
    if domain is None or name is None or path is None:
        return None
    if signing is not None and domain not in signing:
        note("no domain that signs here", f"use one of {', '.join(signing)}", domain)
    try:
        if not path.is_file():
            note("no such file", "mount it, or correct the path")
            return None
        with path.open("rb") as opened:
            key = load_signing_key(domain, name, opened.read(_LONGEST_KEY))
    except OSError as error:
        note(f"the file cannot be read ({error.strerror})", "mount it so that root can read it")
        return None
    except BadKey as error:
        rule, _, cure = str(error).partition("; ")
        note(rule, cure)
        return None
    kind: KeyType = "rsa" if key.algorithm == "rsa-sha256" else "ed25519"
    return BroughtKey(domain=domain, selector=name, type=kind, path=path)


def _parsed(
    note: Callable[..., None], parse: Callable[[str], T], text: str, shown: str | None
) -> T | None:
    try:
        return parse(text)
    except BrokenRuleError as error:
        note(error.rule, error.cure, shown)
        return None
