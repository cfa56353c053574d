"""JSON of a small file → a value of a known shape, checked by pydantic.

Only where pydantic is in memory anyway: what has to start at once, or stays in memory as long as
the server runs, reads its few fields by hand (logpipe, health, the web service, the doctor's watch,
`signpost blocked`).
"""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

Value = TypeVar("Value")


class JsonModel(BaseModel):
    """An object of such a file. What it has beyond the fields is passed over."""


def read_json(shape: TypeAdapter[Value] | type[Value], text: str | bytes) -> Value:
    """Raises ValueError that says where and what on one line, without the value: it may be secret.

    Nothing is converted: a number is no text, and true no number.
    """
    adapter = shape if isinstance(shape, TypeAdapter) else TypeAdapter(shape)
    try:
        return adapter.validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{where}: {first['msg']}" if where else first["msg"]) from None
