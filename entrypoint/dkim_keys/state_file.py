"""The state of all keys ↔ JSON that a person can read. It holds no secret.

It must not know where the text lies.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator

from entrypoint.config.settings import KEY_TYPES, KeyType
from entrypoint.dkim_keys.model import Answer, DomainKeys, Key, Observation, State, Status
from entrypoint.json_model import JsonModel, read_json
from entrypoint.text import second

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


def _seconds(text: object) -> int:
    return int(datetime.fromisoformat(str(text)).timestamp())


_Time = Annotated[int, BeforeValidator(_seconds)]


class _Dns(JsonModel):
    answer: Answer
    detail: str


class _Key(JsonModel):
    selector: str
    type: KeyType
    status: Status
    since: _Time
    created: _Time
    published: _Time | None
    until: _Time | None
    dns: _Dns | None
    unserved: int


class _Domain(JsonModel):
    asked_for: dict[str, str]
    keys: tuple[_Key, ...]
    removed: tuple[str, ...]


class _File(JsonModel):
    version: Literal[1]
    domains: dict[str, _Domain]


def read_state(text: str) -> dict[str, DomainKeys]:
    """The state. Raises ValueError for what is none."""
    return {domain: _domain(each) for domain, each in read_json(_File, text).domains.items()}


def _domain(found: _Domain) -> DomainKeys:
    return DomainKeys(
        {kind: found.asked_for[kind] for kind in KEY_TYPES if kind in found.asked_for},
        tuple(map(_key, found.keys)),
        found.removed,
    )


def _key(found: _Key) -> Key:
    return Key(
        selector=found.selector,
        type=found.type,
        status=found.status,
        created=found.created,
        since=found.since,
        published=found.published,
        until=found.until,
        dns=None if found.dns is None else Observation(found.dns.answer, found.dns.detail),
        unserved=found.unserved,
    )


def _time(seconds: int | None) -> str | None:
    return None if seconds is None else second(seconds)
