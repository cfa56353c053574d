"""Which lines may be about any of some ids, so that few of a large journal have to be read.

It may say yes to a line that is about none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

_HEX = re.compile(r"[0-9a-f]{8,16}")


class Needles:
    """ids: queue ids, sessions, and texts such as Message-IDs and addresses."""

    def __init__(self, ids: Iterable[str]) -> None:
        self._hex: set[str] = set()
        self._texts: set[str] = set()
        for each in ids:
            if _HEX.fullmatch(each):
                self._hex.add(each)
            else:
                # As it is, and as a quoted field and a JSON object have it.
                quoted = each.replace("\\", "\\\\").replace('"', '\\"')
                self._texts |= {each.lower(), quoted.lower(), json.dumps(each)[1:-1].lower()}

    def in_line(self, line: str) -> bool:
        """Is one of them in the line? An envelope's id begins with its message's."""
        for found in _HEX.findall(line):
            if found in self._hex or found[:8] in self._hex:
                return True
        if not self._texts:
            return False
        lower = line.lower()
        return any(text in lower for text in self._texts)
