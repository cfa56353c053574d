"""A message with what is known about it."""

from __future__ import annotations

from typing import NamedTuple

from bench.junk.corpus.facts import Facts


class Example(NamedTuple):
    """One message as it lies in a mailbox, with its label; lines end with LF."""

    name: str
    spam: bool
    kind: str
    topic: str
    language: str
    facts: Facts
    message: bytes
