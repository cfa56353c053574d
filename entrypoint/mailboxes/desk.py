"""Where the commands change what is kept: under the lock, and at once live where the server runs.

It must not know what is changed, nor how a person is told.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from entrypoint import environ
from entrypoint.keeper.kept import kept
from entrypoint.keeper.live import go_live, told
from entrypoint.keeper.reload import Log
from entrypoint.mailboxes.changes import RefusedError
from entrypoint.mailboxes.merge import merged
from entrypoint.mailboxes.model import Stored
from entrypoint.mailboxes.store import Store
from entrypoint.oddities import oddities
from entrypoint.problems import ConfigurationError
from entrypoint.render import RUN
from entrypoint.settings import Settings


@dataclass(frozen=True)
class View:
    """settings: what the environment says. whole: with what is kept. unfit: what is passed over."""

    settings: Settings
    stored: Stored
    whole: Settings
    unfit: tuple[str, ...]


@dataclass(frozen=True)
class Desk:
    """store: what is kept. run: where a running server has its files."""

    store: Store = field(default_factory=Store)
    run: Path = RUN

    @property
    def runs(self) -> bool:
        """Does the server run here, and not in another container or not at all?"""
        return (self.run / "environment.json").exists()

    def look(self) -> View:
        """Everything as it is. Raises ConfigurationError."""
        settings = self._settings(None)
        stored = self.store.load()
        whole, unfit = merged(settings, stored)
        return View(settings, stored, whole, tuple(unfit))

    def change(self, alter: Callable[[Settings, Stored], Stored], log: Log) -> None:
        """Change what is kept, and have it live. log takes a level and a line.

        Raises ConfigurationError, RefusedError where it cannot be written, or what `alter` raises;
        nothing is changed then. NotLiveError where it is kept and not live.
        """
        try:
            with self.store.locked():
                after = alter(self._settings(None), self.store.load())
                # Judged with what is kept from now on: a new account can be the cure.
                settings = self._settings(after.addresses)
                self.store.save(after)
                if not self.runs:
                    for text in oddities(merged(settings, after)[0]):
                        log("warning", text)
                    log(
                        "warning",
                        "no server runs in this container: one that shares /data has it within "
                        "seconds, else it counts from the next start",
                    )
                    return
                try:
                    go_live(settings, log)
                except ConfigurationError as error:
                    raise NotLiveError(error.errors) from None
        except OSError as error:
            raise RefusedError([f"{told(error)}; nothing is changed"]) from None

    def _settings(self, addresses: Collection[str] | None) -> Settings:
        """What the environment says; with the addresses that are kept it is judged whole."""
        try:
            return environ.load(kept(self.run) if self.runs else None, kept=addresses)
        except (OSError, ValueError) as error:
            raise ConfigurationError([str(error)]) from None


class NotLiveError(Exception):
    """The change is kept, and the server does not have it yet."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("\n".join(reasons))
        self.reasons = tuple(reasons)
