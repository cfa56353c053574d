"""What every filter that is measured can do."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from bench.junk.listed import Listed


class Cost(NamedTuple):
    """What one message costs, and what it all occupies."""

    lesson: float  # seconds, the middle one
    verdict: float
    memory: int  # bytes: all of its processes at their peak
    stored: int  # bytes on disk or in its database's memory after the training


class Contender(Protocol):
    """A filter with nothing learned yet; its processes end with the context."""

    name: str
    threshold: float  # above which its defaults say junk

    def session(self) -> AbstractContextManager[None]:
        """Its servers, if it has any."""
        ...

    def train(self, lessons: Sequence[Listed]) -> None:
        """Learn them all."""
        ...

    def score(self, messages: Sequence[Listed]) -> list[float]:
        """One score a message, in their order."""
        ...

    def cost(self, lessons: Sequence[Listed], messages: Sequence[Listed]) -> Cost:
        """Measure single messages, after the scores."""
        ...
