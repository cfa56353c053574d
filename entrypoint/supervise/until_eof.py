"""Runs a module, as `python -m` does, until standard input is at its end.

    python -m entrypoint.supervise.until_eof MODULE ARGUMENTS...

The end means that `logpipe`, which has the other end, is gone. The kernel can tell a
child that its parent has died, but not one that runs as another user.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

_ENDS_WITHIN = 2.0  # seconds


def _watch() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_ENDS_WITHIN)
    os._exit(1)


def main() -> None:
    """Be the module."""
    del sys.argv[0]
    threading.Thread(target=_watch, daemon=True).start()
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
