"""Which lines of a block have a value that is looked for, without reading each.

A few values are looked for one by one, which is as quick as the disk; many by one look at the
fields that can hold them. A line may be named that has the value elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from json.encoder import encode_basestring_ascii

_FEW = 8  # each takes a quarter of a second in 256 MB, all fields of it two seconds
_FIELD = re.compile(rb'"(?:msgid|session|to|message-id)": "<?([^"\\]*)')


class Needles:
    """values: queue ids, sessions, Message-IDs without angle brackets, addresses.

    event: one whose lines are wanted, too.
    """

    def __init__(self, values: Iterable[str], ignore_case: bool = False, event: str = "") -> None:
        self._ignore_case = ignore_case
        self._event = f'"event": "{event}"'.encode("ascii") if event else None
        # As an object has them.
        written = (encode_basestring_ascii(each)[1:-1].encode("ascii") for each in values)
        self._values = {each.lower() if ignore_case else each for each in written}
        # Up to an escape, which is rare.
        begins = {each.partition(b"\\")[0] for each in self._values}
        self._as_fields = begins | {each + b">" for each in begins}

    def lines_in(self, block: bytes) -> Iterator[tuple[int, bytes]]:
        """Where such lines begin, and the lines; in their order."""
        text = block.lower() if self._ignore_case else block
        many = len(self._values) > _FEW and not self._ignore_case
        found = set((self._fields if many else self._each)(text))
        if self._event:
            found.update(_places(self._event, text))
        begins = {text.rfind(b"\n", 0, at) + 1 for at in found}
        for begin in sorted(begins):
            end = block.find(b"\n", begin)
            yield begin, block[begin : end if end >= 0 else len(block)]

    def _each(self, text: bytes) -> Iterator[int]:
        for value in self._values:
            yield from _places(value, text)

    def _fields(self, text: bytes) -> Iterator[int]:
        if self._as_fields.isdisjoint(_FIELD.findall(text)):
            return
        for match in _FIELD.finditer(text):
            if match[1] in self._as_fields:
                yield match.start()


def _places(value: bytes, text: bytes) -> Iterator[int]:
    """Where it stands; once in a line."""
    at = text.find(value)
    while at >= 0:
        yield at
        end = text.find(b"\n", at)
        at = text.find(value, end) if end >= 0 else -1
