"""Runs one program and turns what it prints into the container's log, a line an event.

    python -m entrypoint.supervise.logpipe --format text --level info smtpd smtpd -dF -f FILE

The program's exit status becomes ours, and the cause is kept for `entrypoint.supervise`.

Nothing of the program outlives this: SIGTERM goes on to it, and whatever of it is still there some
seconds later is killed. A program of root's dies with this process; one of another user has to
end when its standard input does (`entrypoint.supervise.until_eof`).
Standard library only: it is in memory as long as the server runs.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import fcntl
import os
import pwd
import re
import signal
import subprocess
from collections.abc import Callable, Sequence
from io import BufferedReader
from typing import TYPE_CHECKING, NoReturn, cast

from entrypoint.journal.writer import JournalWriter
from entrypoint.log_line import LEVELS, Event
from entrypoint.paths import RUN
from entrypoint.pseudonyms import Pseudonyms
from entrypoint.supervise.container_log import ContainerLog
from entrypoint.supervise.descendants import (
    RunningProcess,
    descendants,
    kill_all,
    of_users,
    runs,
    send,
    wait_for_end,
)
from entrypoint.supervise.log_reader import CONTINUED, LONGEST, LogReader
from entrypoint.supervise.orderly_stop import finish
from entrypoint.supervise.repeated_errors import RepeatedErrors

if TYPE_CHECKING:
    from entrypoint.metrics.event_pipe import SampleSender

# Together with `entrypoint.supervise.orderly_stop`'s less than supervisor waits (`stopwaitsecs`).
_ENDS_WITHIN = 2.0  # seconds, after SIGTERM
_KILLED_WITHIN = 2.0
# Bytes that it may write while nobody reads the container's log, before it has to wait.
_WAITING_OUTPUT = 262_144
_LONGEST_CAUSE = 1000  # characters

# linux/prctl.h
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_TO_END = frozenset({signal.SIGTERM, signal.SIGINT})
_SIGNALS = _TO_END | {signal.SIGCHLD}


class Program:
    """The program, and all that descends from it."""

    def __init__(self, name: str, command: Sequence[str], user: str | None) -> None:
        self._name = name
        libc = ctypes.CDLL(None)
        # What has lost its parent becomes ours.
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)
        # They wait until `run` looks.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)

        def before_exec() -> None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

        self._process = subprocess.Popen(  # noqa: S603 -- the rendered configuration's
            command,
            # Another user's program cannot be told otherwise that this process has ended.
            stdin=subprocess.PIPE if user else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            user=user,
            group=user,
            extra_groups=[] if user else None,
            preexec_fn=before_exec,
        )
        self.output = cast(BufferedReader, self._process.stdout)
        with contextlib.suppress(OSError):  # as much as the kernel gives
            fcntl.fcntl(self.output, fcntl.F_SETPIPE_SZ, _WAITING_OUTPUT)

    def run(self, say: Callable[[str, str], None]) -> int | None:
        """Wait for its end: the exit status, None if it was to end. Nothing of it is left then."""
        stopping = False
        while self._process.poll() is None and not stopping:
            stopping = signal.sigwait(_SIGNALS) in _TO_END
            self._reap()
        stopping = stopping or bool(signal.sigpending() & _TO_END)
        if stopping:
            self._stop(say)
        else:
            wait_for_end(self._all, _ENDS_WITHIN)
        left = kill_all(self._all, _KILLED_WITHIN)
        if left:
            say("error", f"cannot be killed: {', '.join(str(each.pid) for each in left)}")
        self._reap()
        return None if stopping else self._process.wait()

    def _stop(self, say: Callable[[str, str], None]) -> None:
        if self._name == "smtpd" and (cut := finish(self._process.pid)):
            say("warning", f"it is stopped before all was finished: {', '.join(cut)}")
        for each in self._all():
            if each.pid == self._process.pid:
                send(each, signal.SIGTERM)
        if left := wait_for_end(self._all, _ENDS_WITHIN):
            say("warning", f"it does not end; killed: {len(left)} processes")

    def _all(self) -> list[RunningProcess]:
        return descendants(os.getpid())

    def _reap(self) -> None:
        """Take the ends of processes that were left to us."""
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            if ended.si_pid == self._process.pid:
                self._process.poll()
            else:
                os.waitpid(ended.si_pid, 0)


def main() -> None:
    """Run the program until it ends."""
    parser = argparse.ArgumentParser("entrypoint.supervise.logpipe")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument("--level", choices=LEVELS, default="info")
    parser.add_argument("--user", help="who runs the program; its group has the same name")
    parser.add_argument(
        "--only-here",
        metavar="USERS",
        default="",
        help="who runs nothing but parts of this program: what is left of an earlier one is "
        "killed; USER:WORD: who does, where this is a word of the command line",
    )
    parser.add_argument("--drop", type=re.compile, help="whole messages that are left out")
    parser.add_argument("--journal", type=int, metavar="DAYS", help="write it, and keep it so long")
    parser.add_argument("--metrics", action="store_true", help="count what the lines say")
    parser.add_argument("name")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    log = ContainerLog(options.format, options.level)
    pseudonyms = Pseudonyms.of_this_start()
    journal: JournalWriter | None = None
    samples: SampleSender | None = None
    if options.metrics:
        from entrypoint.metrics.event_pipe import SampleSender  # in memory only where it is used

        samples = SampleSender()

    def write(events: Sequence[Event]) -> None:
        if pseudonyms is not None:
            events = [(level, name, hidden(text, pseudonyms)) for level, name, text in events]
        log.write(events)
        if journal is not None:
            journal.take(events)
        if samples is not None:
            samples.take(events)

    def say(level: str, message: str) -> None:
        write([(level, options.name, message)])

    if options.journal:
        journal = JournalWriter(options.journal, say=say)

    cause = RUN / f"{options.name}.cause"
    cause.unlink(missing_ok=True)
    end_leftovers([name for name in options.only_here.split(",") if name], say)
    program = Program(options.name, options.command, options.user)
    repeated = RepeatedErrors() if options.name == "dovecot" else None
    said = RUN / f"{options.name}.said"
    if repeated is not None:
        repeated.load(said)
    reader = LogReader(options.name, program.output, write, repeated, options.drop)
    status = program.run(say)
    reader.finish()
    if journal is not None:
        journal.finish()
    if repeated is not None:
        repeated.save(said)
    if status is None:
        leave(0)
    how = f"killed by signal {-status}" if status < 0 else f"exited with status {status}"
    last = hidden(reader.last, pseudonyms)[:_LONGEST_CAUSE]
    cause_text = f"{how}; the last it said: {last}" if last else how
    cause.write_text(cause_text + "\n", "utf-8")
    say("error", cause_text)
    leave(status if status > 0 else 1)


def hidden(text: str, pseudonyms: Pseudonyms | None) -> str:
    """The text without addresses, where they are to be hidden.

    A line that goes on may have been cut in the middle of one, and what is behind the cut says no
    more what it is.
    """
    if pseudonyms is None:
        return text
    if text.startswith(CONTINUED):
        return f"{CONTINUED}..."
    if len(text) > LONGEST // 8 and len(text.encode("utf-8", "backslashreplace")) > LONGEST - 200:
        text = f"{text.rpartition(' ')[0]} ..."
    return pseudonyms.text(text)


def end_leftovers(users: Sequence[str], say: Callable[[str, str], None]) -> None:
    """An earlier one of this program may have been killed while parts of it hung.

    Who does not hang ends by itself, and finishes what it does: it has a moment for that.
    """
    words: dict[int, str] = {}
    for each in users:
        user, _, word = each.partition(":")
        words[pwd.getpwnam(user).pw_uid] = word

    def left() -> list[RunningProcess]:
        found = of_users(words)
        return [each for each in found if not (word := words[each.user]) or runs(each, word)]

    if words and (number := len(wait_for_end(left, _ENDS_WITHIN))):
        say("warning", f"killing what is left of an earlier one: {number} processes")
        kill_all(left, _KILLED_WITHIN)


def leave(status: int) -> NoReturn:
    """End even where the reader cannot be joined: it may hang in a write to the log."""
    os._exit(status)


if __name__ == "__main__":
    main()
