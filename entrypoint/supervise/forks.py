"""A program of ours that is written in Python, run as a fork of supervisor's process.

Started anew, each would have an interpreter of its own in memory, and the same modules; so they
share these, and are there at once. supervisor's process has one more thread, which hands sockets
over: a fork has none of its locks that matters, for this works with streams and a log of its own.
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
import traceback
from collections.abc import Collection, Mapping, Sequence
from typing import NoReturn

from entrypoint.supervise.process_title import set_title, title_of

_OURS = "entrypoint."


def is_fork(command: Sequence[str]) -> bool:
    """Whether it is `python -m entrypoint.MODULE ARGUMENTS...`."""
    return [*command[:2]] == ["python", "-m"] and len(command) > 2 and command[2].startswith(_OURS)


def become(command: Sequence[str], environ: Mapping[str, str], mask: Collection[int]) -> NoReturn:
    """Be that command, in a process that has just been forked, and end.

    environ: its whole environment. mask: the signals that are to be blocked.
    """
    status = 1
    try:
        _begin_anew(environ, mask)
        set_title(title_of(command))
        sys.argv = list(command[2:])
        status = _run(command[2])
    except BaseException:
        traceback.print_exc()
    finally:
        # Nothing of supervisor's is to be done twice: no handler is run, no object is closed.
        os._exit(status)


def _begin_anew(environ: Mapping[str, str], mask: Collection[int]) -> None:
    """What exec does, and the start of an interpreter."""
    os.environ.clear()
    os.environ.update(environ)
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(  # noqa: SIM115
        2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False
    )
    logging.root.handlers.clear()
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _run(module: str) -> int:
    """The exit status."""
    found = importlib.import_module(module)
    if hasattr(found, "__path__"):  # a package, as for `python -m`
        found = importlib.import_module(f"{module}.__main__")
    try:
        found.main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
    return 0
