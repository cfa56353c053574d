"""The kinds of traffic that a mail server has, and where each arrives.

It must not know which server it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.end_to_end import outside, signatures, stored
from bench.end_to_end.letters import Letter, Post
from bench.end_to_end.stacks import Stack
from bench.end_to_end.stored import Stored


@dataclass(frozen=True)
class Traffic:
    """One kind. `submitted`: it comes to 465 and is signed; `leaves`: not into a mailbox here."""

    name: str
    title: str
    letters: Callable[[Post, int], list[Letter]]
    submitted: bool
    leaves: bool

    def folder(self, stack: Stack) -> Path:
        """Where its messages arrive, a file each."""
        return outside.FOLDER if self.leaves else stack.mail

    def check(self, stack: Stack, found: dict[int, Stored], letters: Sequence[Letter]) -> None:
        """Raises RuntimeError where one has not arrived, or was not verified or signed."""
        if self.submitted:
            signatures.check(found, letters)
        else:
            stored.check(found, letters, stack.proof)


INCOMING = Traffic(
    "incoming", "Port 25, verified, into a mailbox", Post.incoming, submitted=False, leaves=False
)
INTERNAL = Traffic(
    "internal", "Port 465, signed, into a mailbox", Post.internal, submitted=True, leaves=False
)
OUTGOING = Traffic(
    "outgoing", "Port 465, signed, to an outside MX", Post.outgoing, submitted=True, leaves=True
)
KINDS = (INCOMING, INTERNAL, OUTGOING)
