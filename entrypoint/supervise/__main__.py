"""Runs supervisor in this process, and makes the container end when a program cannot be kept.

`signpost start` becomes this by exec, with PATH, TZ and LANG as its whole environment. It is the
container's first process. The log's form comes as an argument; everything else is in the
rendered supervisord.conf.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import logging
import signal
import sys
import time
from collections import deque
from typing import Any

from entrypoint.health import UNNEEDED
from entrypoint.health.looking import Looking
from entrypoint.health.watchdog import Watchdog
from entrypoint.log import start_logging
from entrypoint.paths import RUN
from entrypoint.supervise.control_server import left_out
from entrypoint.supervise.limits import ContainerLimits
from entrypoint.supervise.listening_sockets import ListeningSockets
from entrypoint.supervise.options import Options
from entrypoint.supervise.restarts import Restarts, is_pending, request
from entrypoint.supervise.wakeup import Wakeup
from filters.log_throttle import LogThrottle

with left_out():
    from supervisor import events, states
    from supervisor.medusa import asyncore_25 as asyncore
    from supervisor.supervisord import Supervisor

log = logging.getLogger(__name__)

# A program that comes up and dies again this often is not being kept running.
_MOST_EXITS = 5
_EXITS_WITHIN = 60.0  # seconds
# Who has just been started may not answer yet.
_STARTS_WITHIN = 30.0
# Bytes of the log that may wait for its reader before whoever writes has to.
_WAITING_LOG = 262_144


class Watch:
    """Subscribes to supervisor's events and ends it with the reason."""

    def __init__(self, options: Any) -> None:
        self.options = options
        self.failed = False
        # The process that is about to say so, by a descriptor.
        self.readiness: int | None = None
        self._exits: dict[str, deque[float]] = {}

    def subscribe(self) -> None:
        """Take part in the events; supervisor forgets every subscription when it starts to run."""
        events.subscribe(events.ProcessStateFatalEvent, self._fatal)
        # Exited: it ran for a while. Backoff: it died before it counted as started. One that
        # was stopped on purpose is neither.
        events.subscribe(events.ProcessStateExitedEvent, self._exited)
        events.subscribe(events.ProcessStateBackoffEvent, self._exited)

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
        if name in UNNEEDED:
            return
        self.failed = True
        if self.readiness is not None:
            with contextlib.suppress(OSError):  # it has ended
                signal.pidfd_send_signal(self.readiness, signal.SIGKILL)
        try:
            cause = (RUN / f"{name}.cause").read_text("utf-8").strip()
        except OSError:
            cause = "no cause is known"
        log.error("%s cannot be kept running, the container stops: %s", name, cause)
        self.options.mood = states.SupervisorStates.SHUTDOWN


class _Supervisor(Supervisor):  # type: ignore[misc]  # it has no types
    """supervisor, watched from the moment on that it listens to subscribers."""

    def __init__(
        self,
        options: Options,
        watch: Watch,
        restarts: Restarts,
        sockets: ListeningSockets,
        form: str,
    ) -> None:
        super().__init__(options)
        self._form = form
        self._sockets = sockets
        self._watch = watch
        self._restarts = restarts
        self._limits = ContainerLimits()
        self._looking = Looking(Watchdog(request), self._is_busy)
        self._failing = LogThrottle(log)

    def runforever(self) -> None:
        self._watch.subscribe()
        events.subscribe(events.SupervisorStoppingEvent, lambda _: self._sockets.close())
        events.subscribe(events.ProcessStateStartingEvent, self._starting)
        self._restarts.forget(list(self._processes()))
        Wakeup().begin(self.options.get_socket_map())
        # What is here now is shared with the forks: a collection would make copies of it.
        gc.collect()
        gc.freeze()
        self._start_programs()
        try:
            super().runforever()
        finally:
            self._looking.end()

    def _start_programs(self) -> None:
        """At once: supervisor would first wait a second."""
        for group in sorted(self.process_groups.values()):
            group.transition()
        self._watch.readiness = self.options.begin("entrypoint.supervise.readiness", self._form)

    def _starting(self, event: Any) -> None:
        if event.process.config.name == "smtpd":
            self._sockets.begin()

    def tick(self, now: float | None = None) -> None:
        """Supervisor's own turn, about once a second."""
        super().tick(now)
        if self.options.mood == states.SupervisorStates.RUNNING:
            self._restarts.look(self._processes())
            self._limits.look()
            self._look_for_hung_programs()

    def _look_for_hung_programs(self) -> None:
        """Nothing that goes wrong with it may end the server."""
        try:
            self._looking.turn(time.monotonic())
            self._failing.recovered()
        except Exception as error:
            trouble = f"{type(error).__name__}: {error}"
            self._failing.error("nobody looks for programs that hang: %s", trouble, cause=trouble)

    def _is_busy(self, program: str) -> bool:
        """Whether its silence says nothing: it is not there, about to stop, or has just started."""
        process = self._processes().get(program)
        return (
            process is None
            or process.state != states.ProcessStates.RUNNING
            or is_pending(program)
            or time.time() - process.laststart < _STARTS_WITHIN
        )

    def _processes(self) -> dict[str, Any]:
        groups = self.process_groups.values()
        return {name: process for group in groups for name, process in group.processes.items()}


def main() -> None:
    """Run until a signal, or until a program cannot be kept running (exit 1)."""
    configuration, form = sys.argv[1:3]
    start_logging("signpost", form)
    with contextlib.suppress(OSError):  # it is no pipe, or one that somebody else has set
        fcntl.fcntl(sys.stderr, fcntl.F_SETPIPE_SZ, _WAITING_LOG)
    options = Options()
    options.realize(["-c", configuration, "-n"])
    watch = Watch(options)
    # Before there is a second thread: it changes the umask for a moment.
    sockets = ListeningSockets()
    sockets.serve()
    options.first, options.test = True, False
    # supervisor's way to say that every program has ended.
    with contextlib.suppress(asyncore.ExitNow):
        _Supervisor(options, watch, Restarts(), sockets, form).main()
    sys.exit(1 if watch.failed else 0)


if __name__ == "__main__":
    main()
