"""Chance that is the same everywhere: a name in, a sequence of choices out.

Only `random()` of a generator seeded with a string is used: Python promises that sequence for all
versions, and promises nothing for `choice`, `sample` and the rest.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


class Draw:
    """Choices that depend on nothing but the names that it was made with."""

    def __init__(self, *names: object) -> None:
        self._random = random.Random("/".join(str(name) for name in names))

    def share(self) -> float:
        """A number from 0 up to and without 1."""
        return self._random.random()

    def chance(self, share: float) -> bool:
        """Whether what happens so often happens now."""
        return self.share() < share

    def whole(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return low + int(self.share() * (high - low + 1))

    def one(self, of: Sequence[T]) -> T:
        """One of them, each as likely."""
        return of[int(self.share() * len(of))]

    def frequent(self, of: Sequence[T]) -> T:
        """One of them, the first ones far more often, as words are in a language (Zipf)."""
        return of[int((len(of) + 1) ** self.share()) - 1]

    def weighted(self, weights: Mapping[T, float]) -> T:
        """One of the keys, as often as its value says."""
        left = self.share() * sum(weights.values())
        for key, weight in weights.items():
            left -= weight
            if left < 0:
                return key
        return next(reversed(list(weights)))

    def shuffled(self, of: Sequence[T]) -> list[T]:
        """All of them, in some order."""
        mixed = list(of)
        for last in range(len(mixed) - 1, 0, -1):
            other = int(self.share() * (last + 1))
            mixed[last], mixed[other] = mixed[other], mixed[last]
        return mixed

    def letters(self, count: int, alphabet: str = "abcdefghijklmnopqrstuvwxyz0123456789") -> str:
        """So many of these characters."""
        return "".join(self.one(alphabet) for _ in range(count))
