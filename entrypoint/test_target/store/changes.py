"""What has changed in the mailbox, told to who listens, in the order of the commits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from entrypoint.test_target.search.record import SearchRecord


@dataclass(frozen=True)
class MessageAdded:
    """A message: its item of a list, and what a query looks at."""

    item: dict[str, Any]
    record: SearchRecord


@dataclass(frozen=True)
class MessagesUpdated:
    """Some messages. fields: what is new, such as {"Read": true}."""

    identities: tuple[str, ...]
    fields: dict[str, Any]


@dataclass(frozen=True)
class MessagesDeleted:
    """Some messages."""

    identities: tuple[str, ...]


@dataclass(frozen=True)
class ManyChanged:
    """Too many to name, or a tag. emptied: nothing is left."""

    emptied: bool = False


Change = MessageAdded | MessagesUpdated | MessagesDeleted | ManyChanged
Listener = Callable[[Change], None]


class MailboxChanges:
    """Listeners are called in the event loop and must not wait."""

    def __init__(self) -> None:
        self._listeners: dict[Listener, None] = {}

    def listen(self, listener: Listener) -> None:
        """From now on, until `forget`."""
        self._listeners[listener] = None

    def forget(self, listener: Listener) -> None:
        """Whether it listens or not."""
        self._listeners.pop(listener, None)

    def tell(self, change: Change) -> None:
        """All who listen."""
        for listener in list(self._listeners):
            listener(change)
