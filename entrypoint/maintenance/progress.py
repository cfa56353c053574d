"""How far a change has come: which parts of it are live, and who keeps the others waiting.

It must not know what the parts are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Another program that has not answered for so long is named to whoever waits for the change: with
# the command's own start that is within two seconds.
USUAL = 1.3  # seconds


class Progress:
    """slow: hears who has not answered for longer than usual, each time."""

    def __init__(self, slow: Callable[[str], None]) -> None:
        self._slow = slow
        self._parts: dict[str, bool] = {}

    def expect(self, *parts: str) -> None:
        """These are to go live."""
        for part in parts:
            self._parts.setdefault(part, False)

    def done(self, part: str) -> None:
        """This is live."""
        self._parts[part] = True

    @contextmanager
    def waiting(self, what: str, usual: float = USUAL) -> Iterator[None]:
        """Inside, something is waited for; what: what is said where that takes long."""
        timer = asyncio.get_running_loop().call_later(usual, self._slow, what)
        try:
            yield
        finally:
            timer.cancel()

    @property
    def text(self) -> str:
        """`live: passwords; not yet: smtpd's tables`; "" where nothing is known of any part."""
        live = [part for part, done in self._parts.items() if done]
        left = [part for part, done in self._parts.items() if not done]
        named = (("live", live), ("not live yet", left))
        return "; ".join(f"{head}: {', '.join(parts)}" for head, parts in named if parts)
