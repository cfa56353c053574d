"""What is done outside of this process, awaited beside other work and each with its deadline.

`run_program` runs another program. `in_child` runs a function of ours in a copy of this process: it
may wait for a disk or a lock there, and act as another user (files.acting_as), which changes the
rights of a whole process and so never happens in one that does several things at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import pickle
import signal
import subprocess
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, NoReturn, TypeVar

_REAPED_WITHIN = 1.0  # seconds from SIGKILL on, unless it waits for a disk
_LOOK_EVERY = 0.01
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)

Value = TypeVar("Value")


@dataclass(frozen=True)
class Ended:
    """How a program ended. status: negative where a signal ended it. errors: its stderr."""

    status: int
    output: bytes
    errors: bytes = b""


async def run_program(
    command: Sequence[str],
    seconds: float,
    *,
    environ: Mapping[str, str] | None = None,
    merged: bool = False,
    user: str | None = None,
) -> Ended:
    """Run a program to its end. Raises TimeoutError where it has none in time, or OSError.

    environ: its whole environment. merged: stderr is among the output. user: whose rights it has,
    and whose group alone. A program whose time is over, or that nobody waits for any more, is
    killed with what it has started.
    """
    rights = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    # A file, not a pipe: what a program leaves behind may hold a pipe open. In memory: a disk that
    # is full would cut what a program says.
    with _memory() as output, _memory() as errors:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if merged else errors,
            env=environ,
            cwd="/",
            process_group=0,
            **rights,  # type: ignore[arg-type]  # as for subprocess.Popen
        )
        try:
            async with asyncio.timeout(seconds):
                status = await process.wait()
        except BaseException:
            # Without CAP_KILL root may not end another user's: that ends by itself.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_REAPED_WITHIN):
                    await process.wait()
            raise
        for file in (output, errors):
            file.seek(0)
        return Ended(status, output.read(), errors.read())


def _memory() -> BinaryIO:
    return os.fdopen(os.memfd_create("output"), "w+b")


async def in_child(work: Callable[[], Value], seconds: float) -> Value:
    """What `work` returns, or raises, in a copy of this process; both must be picklable.

    Raises TimeoutError where its time is over: then it is killed, and this waits for its end, so
    that nothing it was about to write comes after what is written next.
    """
    loop = asyncio.get_running_loop()
    reader, writer = os.pipe()
    # A signal between fork and _child would run this process's handlers in the copy.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        with warnings.catch_warnings():
            # Of other threads: those there may be only wait for a program (asyncio's watcher).
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            _child(work, writer, seconds, before)
    except OSError:
        os.close(reader)
        raise
    finally:
        os.close(writer)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    answer = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(answer), os.fdopen(reader, "rb", 0)
    )
    try:
        async with asyncio.timeout(seconds):
            said = await answer.read()
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        transport.close()
        status = await _end_of(child)
    if not said:
        # It has a timer of its own, which outlives us.
        if status == -signal.SIGALRM:
            raise TimeoutError
        raise RuntimeError(f"the child process ended with status {status}")
    good, value = pickle.loads(said)  # noqa: S301 -- by a copy of ourselves
    if good:
        return value  # type: ignore[no-any-return]
    raise value


async def _end_of(child: int) -> int:
    """Its exit status; as long as it takes, for one that waits for a disk cannot be killed."""
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)  # noqa: ASYNC222 -- it does not wait
        if ended:
            return os.waitstatus_to_exitcode(status)
        await asyncio.sleep(_LOOK_EVERY)


def _child(
    work: Callable[[], object], writer: int, seconds: float, mask: set[int | signal.Signals]
) -> NoReturn:
    status = 1
    try:
        # Whatever the parent wants to hear of is not for its copy.
        signal.set_wakeup_fd(-1)
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        # Nobody else ends it where its parent is gone.
        signal.alarm(math.ceil(seconds) + 1)
        try:
            said = pickle.dumps((True, work()))
        except Exception as error:
            said = _pickled(error)
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(said)
        status = 0
    finally:
        # Nothing of the parent's is to be done twice: no buffer is written, no handler run.
        os._exit(status)


def _pickled(error: Exception) -> bytes:
    """The exception, or one that says the same where it cannot be pickled."""
    try:
        said = pickle.dumps((False, error))
        pickle.loads(said)  # noqa: S301 -- ours
    except Exception:
        return pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
    return said
