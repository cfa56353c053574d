"""Reading: the values that are set, asked field by field; what breaks a rule is noted.

It must not know the fields, nor where the values come from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from entrypoint.config.problems import BrokenRuleError, Problems
from entrypoint.config.sources import Given

T = TypeVar("T")


class Reading:
    """The values by field, each taken as one text, as a secret or as it is."""

    def __init__(self, given: Mapping[str, Given | None], problems: Problems) -> None:
        self._given = given
        self.problems = problems

    def is_set(self, field: str) -> bool:
        """Is the variable set, be its value right or wrong?"""
        return field in self._given

    def raw(self, field: str) -> Given | None:
        """The value just as it was written; None where it is unset or could not be read."""
        return self._given.get(field)

    def value(self, field: str, parse: Callable[[str], T]) -> T | None:
        """The value parsed, without white space around it; None if unset or, noted, wrong."""
        given = self.raw(field)
        if given is None:
            return None
        text = given.text.strip()
        try:
            return parse(text)
        except BrokenRuleError as error:
            self.problems.broken(given.name, error, text)
            return None

    def secret(self, field: str, parse: Callable[[str], T]) -> T | None:
        """The same for a secret: only newlines at its end are taken off, and it is never shown."""
        given = self.raw(field)
        if given is None:
            return None
        try:
            return parse(re.sub(r"(\r?\n)+\Z", "", given.text))
        except BrokenRuleError as error:
            self.problems.broken(given.name, error)
            return None

    def each(self, field: str, words: list[str], parse: Callable[[str], T]) -> tuple[T, ...] | None:
        """The words of a list parsed; None where one of them, noted, is wrong or comes twice."""
        given = self.raw(field)
        if given is None:
            return None
        before = len(self.problems.lines)
        found: list[T] = []
        for word in words:
            try:
                value = parse(word)
            except BrokenRuleError as error:
                self.problems.broken(given.name, error, word)
                continue
            if value in found:
                self.problems.add(given.name, "it is there twice", "take one of the two out", word)
            found.append(value)
        if not words:
            self.problems.add(given.name, "an empty list", "write a value, or unset it", given.text)
        return tuple(found) if len(self.problems.lines) == before else None

    def note(self, field: str, rule: str, cure: str, value: str | None = None) -> None:
        """Note a mistake of a variable that is set, by the name that it was set by."""
        given = self.raw(field)
        self.problems.add(given.name if given else field.upper(), rule, cure, value)
