"""Runs supervisor in this process, and makes the container end when a program cannot be kept.

`signpost start` becomes this by exec, with PATH, TZ and LANG as its whole environment. It is the
container's first process. The log's form comes as an argument; everything else is in the
rendered supervisord.conf.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from typing import Any

from supervisor import events, states
from supervisor.options import ServerOptions
from supervisor.supervisord import Supervisor

from entrypoint.banners import check_banners
from entrypoint.logline import log_line
from entrypoint.logpipe import CAUSES

# A program that comes up and dies again this often is not being kept running.
_MOST_EXITS = 5
_EXITS_WITHIN = 60.0  # seconds
_READY_WITHIN = 60.0


class Watch:
    """Subscribes to supervisor's events and ends it with the reason."""

    def __init__(self, options: Any, form: str) -> None:
        self.options = options
        self.form = form
        self.failed = False
        self._exits: dict[str, deque[float]] = {}
        events.subscribe(events.ProcessStateFatalEvent, self._fatal)
        events.subscribe(events.ProcessStateExitedEvent, self._exited)

    def say(self, level: str, message: str) -> None:
        """Write one line to the container's log."""
        print(log_line(self.form, level, "signpost", message), file=sys.stderr, flush=True)

    def _fatal(self, event: Any) -> None:
        self._end(event.process.config.name)

    def _exited(self, event: Any) -> None:
        name = event.process.config.name
        exits = self._exits.setdefault(name, deque(maxlen=_MOST_EXITS))
        exits.append(time.monotonic())
        if len(exits) == _MOST_EXITS and exits[-1] - exits[0] < _EXITS_WITHIN:
            self._end(name)

    def _end(self, name: str) -> None:
        if self.failed or self.options.mood == states.SupervisorStates.SHUTDOWN:
            return
        self.failed = True
        try:
            cause = (CAUSES / f"{name}.cause").read_text("utf-8").strip()
        except OSError:
            cause = "no cause is known"
        self.say("error", f"{name} cannot be kept running, the container stops: {cause}")
        self.options.mood = states.SupervisorStates.SHUTDOWN

    def tell_when_ready(self) -> None:
        """Wait for the banners of all ports, then say so once."""
        deadline = time.monotonic() + _READY_WITHIN
        while not self.failed and time.monotonic() < deadline:
            if not check_banners(timeout=2.0):
                self.say("info", "signpost ready: mail is accepted on the ports 25, 465 and 587")
                return
            time.sleep(0.2)


def main() -> None:
    """Run until a signal, or until a program cannot be kept running (exit 1)."""
    configuration, form = sys.argv[1:3]
    options = ServerOptions()
    options.realize(["-c", configuration, "-n"])
    watch = Watch(options, form)
    threading.Thread(target=watch.tell_when_ready, daemon=True).start()
    options.first, options.test = True, False
    Supervisor(options).main()
    sys.exit(1 if watch.failed else 0)


if __name__ == "__main__":
    main()
