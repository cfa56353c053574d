"""The variables, as Settings documents them: their names, and the README's table.

It must not know how a value is read.
"""

from __future__ import annotations

from entrypoint.config.settings import Settings, Variable

# By the name of the field, in the order of Settings.
VARIABLES: dict[str, Variable] = {
    name: mark
    for name, field in Settings.model_fields.items()
    for mark in field.metadata
    if isinstance(mark, Variable)
}


def variable_table() -> str:
    """The table of variables in Markdown: name, default, meaning; it ends in a newline."""
    rows = ["| Variable | Default | Meaning |", "|---|---|---|"]
    for name, variable in VARIABLES.items():
        first, *others = variable.names
        names = f"`{first}`" + "".join(f" (or `{other}`)" for other in others)
        rows.append(f"| {names} | {variable.default} | {Settings.model_fields[name].description} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(variable_table(), end="")
