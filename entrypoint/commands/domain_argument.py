"""A domain as a person types it behind a command."""

from __future__ import annotations

from collections.abc import Collection

import click

from entrypoint.config.domain_names import domain_name
from entrypoint.config.problems import BrokenRuleError


def one_of(text: str, domains: Collection[str]) -> str:
    """The one of these domains that is meant. Raises click.BadParameter."""
    try:
        name = domain_name(text)
    except BrokenRuleError as error:
        raise click.BadParameter(f"{text!r}: {error}") from error
    if name not in domains:
        raise click.BadParameter(f"{name} is none of {', '.join(domains)}")
    return name
