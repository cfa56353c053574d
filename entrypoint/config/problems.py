"""A mistake in the configuration as a line: where, which rule, what value, and the cure.

It must not know which variables there are, nor what any of them means.
"""

from __future__ import annotations

_SHOWN_AT_MOST = 80  # characters; a longer value is cut, for an error is one line


class ConfigurationError(Exception):
    """The configuration cannot be used. `errors` holds every mistake, one line each."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors

    def __reduce__(self) -> tuple[type[ConfigurationError], tuple[list[str]]]:
        return type(self), (self.errors,)


class DiskError(ConfigurationError):
    """Nothing is wrong with the configuration; a disk takes nothing."""


class VolumeError(ConfigurationError):
    """Nothing is wrong with the configuration; a volume is not as this image may use it."""


class BrokenRuleError(Exception):
    """A value breaks a rule. It carries no value: the caller knows whether that is a secret.

    No ValueError, so that an `except ValueError` around a library's call cannot swallow it.
    """

    def __init__(self, rule: str, cure: str) -> None:
        super().__init__(rule)
        self.rule = rule
        self.cure = cure


def shown(value: str) -> str:
    r"""The value in double quotes, on one line: what does not print is escaped (`\n`, `\x1b`)."""
    cut = value[:_SHOWN_AT_MOST]
    printable = "".join(
        char if char.isprintable() and char not in '\\"' else _escaped(char) for char in cut
    )
    return f'"{printable}{"…" if len(value) > _SHOWN_AT_MOST else ""}"'


def _escaped(char: str) -> str:
    return f"\\{char}" if char in '\\"' else char.encode("unicode_escape").decode("ascii")


class Problems:
    """Collects mistakes, so that a person sees all of them at once."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, where: str, rule: str, cure: str, value: str | None = None) -> None:
        """Note `where: rule; value; cure`. Leave `value` out where it is or may be a secret."""
        parts = [rule, cure] if value is None else [rule, shown(value), cure]
        line = f"{where}: {'; '.join(parts)}"
        if line not in self.lines:
            self.lines.append(line)

    def broken(self, where: str, error: BrokenRuleError, value: str | None = None) -> None:
        """Note a broken rule, and the value that broke it unless that may be a secret."""
        self.add(where, error.rule, error.cure, value)

    def raise_any(self) -> None:
        """Raise ConfigurationError with everything that was noted, if anything was."""
        if self.lines:
            raise ConfigurationError(self.lines)
