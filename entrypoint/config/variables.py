"""The variables, as Settings documents them: their names, and the README's table.

It must not know how a value is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic.fields import FieldInfo

from entrypoint.config.mode import MEANING, MODE
from entrypoint.config.settings import Settings, Variable


def marked(fields: Mapping[str, FieldInfo]) -> dict[str, Variable]:
    """The variables of a model, by the name of the field, in its order."""
    return {
        name: mark
        for name, field in fields.items()
        for mark in field.metadata
        if isinstance(mark, Variable)
    }


# By the name of the field, in the order of Settings.
VARIABLES: dict[str, Variable] = marked(Settings.model_fields)


def table(rows: Iterator[tuple[Variable, str]]) -> str:
    """Variables and what each means, in Markdown: name, default, meaning; it ends in a newline."""
    lines = ["| Variable | Default | Meaning |", "|---|---|---|"]
    for variable, meaning in rows:
        first, *others = variable.names
        names = f"`{first}`" + "".join(f" (or `{other}`)" for other in others)
        lines.append(f"| {names} | {variable.default} | {meaning} |")
    return "\n".join(lines) + "\n"


def described(fields: Mapping[str, FieldInfo]) -> Iterator[tuple[Variable, str]]:
    """Each variable of a model with its meaning."""
    for name, variable in marked(fields).items():
        yield variable, str(fields[name].description)


def variable_table() -> str:
    """The README's table."""

    def rows() -> Iterator[tuple[Variable, str]]:
        yield from described(Settings.model_fields)
        yield MODE, MEANING

    return table(rows())


if __name__ == "__main__":
    print(variable_table(), end="")
