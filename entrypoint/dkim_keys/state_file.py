"""The state of all keys ↔ JSON that a person can read. It holds no secret.

It must not know where the text lies.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from entrypoint.config.settings import KEY_TYPES
from entrypoint.dkim_keys.model import ANSWERS, STATUSES, DomainKeys, Key, Observation, State

_VERSION = 1


def as_text(state: State) -> str:
    """The state as JSON; times are in UTC."""
    domains: dict[str, object] = {
        domain: {
            "asked_for": {str(kind): name for kind, name in of_domain.asked_for.items()},
            "keys": [key_as_json(key) for key in of_domain.keys],
            "removed": list(of_domain.removed),
        }
        for domain, of_domain in state.items()
    }
    return json.dumps({"version": _VERSION, "domains": domains}, indent=1) + "\n"


def key_as_json(key: Key) -> dict[str, object]:
    """One key, as the state file and `signpost keys list --json` have it."""
    return {
        "selector": key.selector,
        "type": key.type,
        "status": key.status,
        "since": _time(key.since),
        "created": _time(key.created),
        "published": _time(key.published),
        "until": _time(key.until),
        "dns": None if key.dns is None else {"answer": key.dns.answer, "detail": key.dns.detail},
        "unserved": key.unserved,
    }


def read_state(text: str) -> dict[str, DomainKeys]:
    """The state. Raises ValueError for what is none."""
    try:
        content = json.loads(text)
        if content["version"] != _VERSION:
            raise ValueError(f"version {content['version']}, not {_VERSION}")
        return {domain: _domain(each) for domain, each in content["domains"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None


def _domain(content: Mapping[str, Any]) -> DomainKeys:
    asked_for = content["asked_for"]
    keys = tuple(_key(each) for each in content["keys"])
    return DomainKeys(
        {kind: str(asked_for[kind]) for kind in KEY_TYPES if kind in asked_for},
        keys,
        tuple(str(selector) for selector in content["removed"]),
    )


def _key(content: Mapping[str, Any]) -> Key:
    if content["type"] not in KEY_TYPES or content["status"] not in STATUSES:
        raise ValueError(f"key {content['selector']}: an unknown type or status")
    dns = content["dns"]
    if dns is not None and dns["answer"] not in ANSWERS:
        raise ValueError(f"key {content['selector']}: an unknown answer of DNS")
    since, created = _seconds(content["since"]), _seconds(content["created"])
    if since is None or created is None:
        raise ValueError(f"key {content['selector']}: without its times")
    return Key(
        selector=str(content["selector"]),
        type=content["type"],
        status=content["status"],
        created=created,
        since=since,
        published=_seconds(content["published"]),
        until=_seconds(content["until"]),
        dns=None if dns is None else Observation(dns["answer"], str(dns["detail"])),
        unserved=int(content["unserved"]),
    )


def _time(seconds: int | None) -> str | None:
    return None if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _seconds(text: str | None) -> int | None:
    return None if text is None else int(datetime.fromisoformat(text).timestamp())
