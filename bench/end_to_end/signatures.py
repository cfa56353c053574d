"""Whether what was submitted bears our domain's signature, as dkimpy sees it.

It must not know who signed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dkim

from bench.end_to_end.letters import Letter
from bench.end_to_end.scene import OUR_SELECTOR, our_record
from bench.end_to_end.stored import Stored
from bench.messages import OURS


def check(found: Mapping[int, Stored], letters: Sequence[Letter]) -> None:
    """Raises RuntimeError where a message is not there, or has not one signature that verifies."""
    record = our_record().encode()
    for letter in letters:
        if letter.number not in found:
            raise RuntimeError(f"{letter.number} has not arrived")
        data = found[letter.number].path.read_bytes()
        if not verifies(data, record):
            raise RuntimeError(f"no signature that verifies:\n{data.decode('latin-1')}")


def verifies(data: bytes, record: bytes) -> bool:
    """Is there one signature, of our key, and does it cover what is there?"""

    def answer(name: bytes, timeout: int = 5) -> bytes | None:
        ours = f"{OUR_SELECTOR}._domainkey.{OURS}".encode()
        return record if name.rstrip(b".") == ours else None

    header = data.replace(b"\r\n", b"\n").partition(b"\n\n")[0].lower()
    if (b"\n" + header).count(b"\ndkim-signature:") != 1:
        return False
    return bool(dkim.verify(data, dnsfunc=answer))
