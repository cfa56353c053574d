"""RenderSafe: a frozen model whose texts cannot break out of a rendered file.

It is the last guard of every template; it must not know any field.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, SecretStr, field_validator

ENDS_A_LINE = "\0\r\n"
ENDS_A_STRING = "\"'`\\"


class RenderSafe(BaseModel):
    """A frozen model, checked strictly; no error of it shows a value."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, validate_default=True
    )

    @field_validator("*", mode="after")
    @classmethod
    def _cannot_break_out(cls, value: object) -> object:
        """Refuse what can end a line or a quoted string.

        environ.py has refused such a value before, with a message for a person.
        """
        if isinstance(value, SecretStr):
            if any(char in value.get_secret_value() for char in ENDS_A_LINE):
                raise ValueError("a secret holds NUL, CR or LF")
            return value
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, (str, Path)) and any(
                char in str(text) for char in ENDS_A_LINE + ENDS_A_STRING
            ):
                raise ValueError("a text holds NUL, CR, LF, a quote or a backslash")
        return value
