"""A zone from a file, JSON or YAML."""

from __future__ import annotations

import json

import yaml

from entrypoint.verifying.question import QuestionError, zone
from filters.mailauth.zone import StaticResolver


def read_zone(content: bytes, name: str) -> StaticResolver:
    """Read a zone; `name` is the file's, for errors. Raises QuestionError."""
    try:
        text = content.decode("utf-8")
        # JSON first: it may hold lone surrogates for raw bytes, and YAML may not.
        value = json.loads(text) if text.lstrip().startswith("{") else yaml.safe_load(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise QuestionError(f"{name}: neither JSON nor YAML: {error}") from error
    return zone({} if value is None else value)
