"""A run: a share of the messages for each fault, so that each hits mail that moves."""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import ExitStack, suppress
from datetime import datetime
from random import Random

from ..container.harness.shell import CommandError, attempt, wait_until
from ..container.harness.world import World
from .faults import Fault, schedule
from .ledger import Interval, Ledger, Tally
from .report import Event, Report
from .routes import INBOUND, OUTBOUND, PROBE, SECRET, USERS, task, tasks
from .scene import Scene
from .senders import Senders
from .witness import Health, Logins, Watch

# How long anything is waited for that has to be over soon.
RECOVERS_WITHIN = 180.0
DRAINS_WITHIN = 300.0
ACCEPTED_WITHIN = 60.0
# How long a fault lasts at most in a short run.
BRIEFLY = 1.0
# After a cut, what was being handed over is completed: its answer is one that nobody waits for.
AFTERMATH = 5.0
# Until smtpd has noted that the next hop has a message, on a machine with much else to do.
NOTED_WITHIN = 3.0


class Run:
    """One soak, from the first message to the last."""

    def __init__(self, world: World, run: str, messages: int, seed: int, *, short: bool) -> None:
        self.messages, self.seed = messages, seed
        self._chosen = Random(seed)
        self._faults = schedule(self._chosen, short=short)
        self._short = short
        self.ledger = Ledger()
        self._scene = Scene(world, run, messages, self.ledger)
        self._events: list[Event] = []

    def carry_out(self, seconds: float) -> Report:
        """Begin no fault after so many seconds."""
        begin = time.monotonic()
        deadline = begin + seconds
        with ExitStack() as stack:
            scene = stack.enter_context(self._scene)
            health = Health(scene.server.container, scene.entering)
            logins = Logins(scene.server.v4, (USERS[0], SECRET))
            senders = stack.enter_context(Senders(scene.run, scene.server.v4, self.ledger))
            watches = [
                stack.enter_context(Watch(health.ask, 0.3 if self._short else 1.5)),
                stack.enter_context(Watch(logins.try_one, 0.5)),
            ]
            share, rest = divmod(self.messages, len(self._faults))
            for number, fault in enumerate(self._faults):
                if time.monotonic() > deadline:
                    break
                self._one(senders, fault, share + (number < rest))
            left_out = len(self._faults) - len(self._events)
            with suppress(AssertionError):  # those that are not accepted are in the report
                wait_until(lambda: not senders.open, "all to be accepted", RECOVERS_WITHIN)
            unaccepted = senders.open
            traced = self._traced(senders)
            drained = self._drain()
            errors = [each.error for each in watches if each.error] + senders.errors
            for error in errors:
                raise error
            lines, odd_lines, ends = self._log()
            tally = self._compare(ends)
            for event in self._events:
                end = event.interval.end + (event.recovery or 0.0)
                event.health = health.during(Interval(event.interval.begin, end))
            entries = self.ledger.entries.values()
            return Report(
                len(entries),
                self.seed,
                time.monotonic() - begin,
                tally,
                self._events,
                left_out,
                logins.outcomes,
                [said for entry in entries for said in entry.refusals],
                unaccepted,
                sum(len(entry.doubts) for entry in entries),
                scene.backups,
                drained,
                lines,
                odd_lines,
                traced,
                scene.server.attempt("signpost", "health").returncode == 0,
            )

    def _one(self, senders: Senders, fault: Fault, count: int) -> None:
        before = senders.open
        senders.give(tasks(self.ledger, count, self._chosen))
        # In the middle of what is sent.
        left = before + int(count * self._chosen.uniform(0.6, 0.95))
        with suppress(AssertionError):
            wait_until(lambda: senders.open <= left, "mail to move", 30)
        senders.take_seen()
        least, most = fault.seconds
        lasts = min(least, BRIEFLY) if self._short else self._chosen.uniform(least, most)
        begin = time.time()
        try:
            with fault.act(self._scene, self._chosen) as what:
                # How long it lasts is the fault itself.
                time.sleep(lasts)
        except (AssertionError, subprocess.SubprocessError) as error:
            what = f"failed: {error}"
        end = time.time()
        event = Event(fault, what, Interval(begin, end))
        self._events.append(event)
        event.recovery = self._recover(senders, fault.outside, end)
        # What comes in the next seconds may still be of this fault.
        with suppress(AssertionError):
            wait_until(lambda: senders.open < 20, "mail to be accepted", ACCEPTED_WITHIN)
        event.seen = senders.take_seen()
        senders.check()
        self._say(event)

    def _say(self, event: Event) -> None:
        took = event.interval.end - event.interval.begin
        recovered = "never" if event.recovery is None else f"{event.recovery:.1f} s"
        print(
            f"{time.strftime('%H:%M:%S')} {len(self._events)} of {len(self._faults)}: "
            f"{event.fault.name}: {event.what or '-'}, {took:.1f} s, recovered after {recovered}; "
            f"{self.ledger.accepted} accepted; clients saw {dict(event.seen.most_common(3))}",
            flush=True,
        )

    def _recover(self, senders: Senders, outside: bool, end: float) -> float | None:
        probe = task(self.ledger, OUTBOUND if outside else INBOUND, self._chosen)
        if not senders.hand_in(probe, time.monotonic() + RECOVERS_WITHIN):
            return None
        number = probe.entry.number

        def arrived() -> bool:
            if outside:
                return self._scene.outside.has(number)
            return self._scene.delivered(number, PROBE)

        try:
            wait_until(arrived, "a message after the fault", RECOVERS_WITHIN)
        except AssertionError:
            return None
        return time.time() - end

    def _drain(self) -> float:
        """Until the queue is empty. smtpd tries again after 10 n² seconds; an operator need not
        wait for that.
        """
        begin = time.monotonic()

        def empty() -> bool:
            attempt(
                *("docker", "exec", self._scene.server.container),
                *("setpriv", "--regid", "opensmtpq", "--clear-groups"),
                *("smtpctl", "schedule", "all"),
            )
            return not self._scene.waiting()

        with suppress(AssertionError, CommandError):
            wait_until(empty, "an empty queue", DRAINS_WITHIN)
        return time.monotonic() - begin

    def _compare(self, ends: list[float]) -> Tally:
        """ends: when smtpd or Dovecot ended, whatever the reason was."""
        intervals = [(each.fault, each.interval) for each in self._events]
        cuts = [_around(each.begin, each.end) for fault, each in intervals if fault.cuts]
        cuts += [_around(end, end) for end in ends]
        found = [*self._scene.outside.received(), *self._scene.stored()]
        return self.ledger.compare(found, cuts)

    def _log(self) -> tuple[int, list[str], list[float]]:
        """How many lines it has; those that are no JSON, or a program's own error; when a program
        ended.
        """
        odd: list[str] = []
        ends: list[float] = []
        count = 0
        command = ["docker", "logs", self._scene.server.container]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as logs:
            assert logs.stdout is not None
            for line in logs.stdout:
                count += 1
                if len(odd) < 20 and (b"Traceback" in line or not _is_json(line)):
                    odd.append(line.decode(errors="replace").strip()[:300])
                elif b'"message": "exited with' in line or b'"message": "killed by' in line:
                    ends.append(datetime.fromisoformat(json.loads(line)["time"]).timestamp())
        return count, odd, ends

    def _traced(self, senders: Senders) -> bool:
        """Whether the journal knows what comes now. Behind a full disk it rests for seconds, and
        what comes meanwhile is not in it.
        """

        def known() -> bool:
            probe = task(self.ledger, INBOUND, self._chosen)
            if not senders.hand_in(probe, time.monotonic() + RECOVERS_WITHIN):
                return False
            wait_until(lambda: self._scene.delivered(probe.entry.number, PROBE), "the message")
            message_id = f"<{probe.entry.number}.{self._scene.run}@soak.invalid>"
            with suppress(AssertionError):
                wait_until(lambda: self._is_in_journal(message_id), "its way", 2)
                return True
            return False

        with suppress(AssertionError):
            return wait_until(known, "the journal to go on")
        return False

    def _is_in_journal(self, message_id: str) -> bool:
        done = self._scene.server.attempt("signpost", "trace", message_id)
        return done.returncode == 0 and b"delivered" in done.stdout.lower()


def _around(begin: float, end: float) -> Interval:
    return Interval(begin - NOTED_WITHIN, end + AFTERMATH)


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
