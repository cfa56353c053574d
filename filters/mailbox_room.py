"""How much room a mailbox has, remembered for moments: for a burst of mail one question is enough.

It counts what may have come since the answer, so that it never says of a mailbox that mail alone
has filled that there is room. What else fills one (IMAP, a lower quota) counts when the moment is
over. It must not know who is asked.
"""

from __future__ import annotations

from dataclasses import dataclass

# Messages that room is asked for at once, and seconds that the answer counts.
AHEAD = 16
MOMENT = 2.0
# Mailboxes; what is beyond is forgotten.
MOST = 10_000


@dataclass(slots=True)
class _Answer:
    messages: int
    until: float


class MailboxRoom:
    """`largest`: bytes of a message at most; 0 where it is not known: nothing is remembered."""

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._answers: dict[str, _Answer] = {}

    def size(self, account: str, now: float) -> int:
        """What to ask for: room for so many bytes, or 0, which is whether there is any at all."""
        answer = self._answers.get(account)
        if self._largest == 0 or (answer is not None and now < answer.until):
            return 0
        # Dovecot lets the last message exceed the quota by one of the largest (storage_grace).
        return (AHEAD + 1) * self._largest

    def remember(self, account: str, asked: int, fits: bool, now: float) -> None:
        """Dovecot's answer; this very message counts."""
        if asked == 0:
            return
        if len(self._answers) >= MOST:
            self._answers.clear()
        self._answers[account] = _Answer(AHEAD - 1 if fits else 0, now + MOMENT)

    def take(self, account: str, now: float) -> bool:
        """Whether one more message fits without a question."""
        answer = self._answers.get(account)
        if answer is None or now >= answer.until or answer.messages == 0:
            return False
        answer.messages -= 1
        return True
