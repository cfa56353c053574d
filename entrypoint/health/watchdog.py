"""Restarts a program that has not answered for two minutes: no other fault is cured so.

It decides; it neither looks, restarts nor reads a clock. A program counts as hung after several
looks in a row that each waited long for an answer; one answer, or one look that says nothing (the
machine was busy or suspended), begins anew. After three restarts within an hour it gives up until
the hour is over: a restart is no cure then, and what still works goes on.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

# A healthy server costs one look in so many seconds; one that is silent is looked at again soon.
EVERY = 45.0
AGAIN = 5.0
# How long each look waits for answers: a machine that is merely slow has answered by then.
LOOK_TIMEOUT = 20.0
_LONGEST_GAP = 60.0  # between two looks of a row
HUNG_AFTER, LEAST_LOOKS = 120.0, 4
MOST_RESTARTS, WITHIN = 3, 3600.0
# How long a program is left alone after its first, second and third restart.
PAUSES = (60.0, 300.0, 900.0)

Silent = Mapping[str, str]  # program → what was seen

log = logging.getLogger(__name__)


@dataclass
class _Program:
    since: float | None = None
    seen: float = 0.0
    looks: int = 0
    restarts: deque[float] = field(default_factory=deque)
    not_before: float = 0.0
    given_up: bool = False

    def answers(self) -> None:
        self.since, self.looks, self.given_up = None, 0, False


class Watchdog:
    """restart: has a program start anew."""

    def __init__(
        self,
        restart: Callable[[str], None],
        *,
        hung_after: float = HUNG_AFTER,
        least_looks: int = LEAST_LOOKS,
    ) -> None:
        self._restart = restart
        self._hung_after, self._least_looks = hung_after, least_looks
        self._programs: dict[str, _Program] = {}

    def saw(self, silent: Silent | None, began: float, now: float) -> float:
        """Take in one look; seconds until the next. None: it says nothing.

        began, now: when it began and ended, a clock's seconds that only go on.
        """
        if silent is None:
            for program in self._programs.values():
                program.since, program.looks = None, 0
            return EVERY
        for name in silent:
            self._programs.setdefault(name, _Program())
        for name, program in self._programs.items():
            if name in silent:
                self._still_silent(name, program, silent[name], began, now)
            else:
                if program.since is not None:
                    log.info("%s answers again", name)
                program.answers()
        # One that ended early is not repeated sooner: what hangs would be asked more and more.
        return max(AGAIN, LOOK_TIMEOUT + AGAIN - (now - began)) if silent else EVERY

    def _still_silent(
        self, name: str, program: _Program, what: str, began: float, now: float
    ) -> None:
        if began < program.not_before:
            return
        if program.since is not None and began - program.seen > _LONGEST_GAP:
            program.since, program.looks = None, 0  # who was suspended is not hung
        program.seen = now
        if program.since is None:
            program.since = began
            log.warning("%s: %s", name, what)
        program.looks += 1
        silent_for = now - program.since
        if silent_for < self._hung_after or program.looks < self._least_looks:
            return
        while program.restarts and now - program.restarts[0] >= WITHIN:
            program.restarts.popleft()
        if len(program.restarts) >= MOST_RESTARTS:
            if not program.given_up:
                program.given_up = True
                log.error(
                    "%s is not restarted again: %s, after %d restarts within %.0f minutes; look at "
                    "what it waits for",
                    *(name, what, MOST_RESTARTS, WITHIN / 60),
                )
            return
        program.restarts.append(now)
        program.not_before = now + PAUSES[len(program.restarts) - 1]
        program.since, program.looks = None, 0
        log.error(
            "%s is restarted (%d of %d within %.0f minutes): %s, for %.0f s now",
            *(name, len(program.restarts), MOST_RESTARTS, WITHIN / 60, what, silent_for),
        )
        self._restart(name)
