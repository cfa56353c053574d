"""Python's collector of reference cycles, at work only while no message is in hand.

Left to itself it starts when much has been allocated, which is when many messages wait, and then
looks at all that they hold while everybody's commands stand still. Nearly everything here is freed
without it; it is for what nobody thought of, as exceptions that hold what raised them. It must not
know what is served.
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Callable
from pathlib import Path

# Seconds between two looks, and from one collection to the next if there is no moment of rest.
LOOK = 1.0
LONGEST = 60.0
# New objects that live: fewer are not worth it, and with more there is no waiting.
FEW = 1_000
MANY = 500_000
# Bytes that the process may grow by before that.
GROWTH = 64 << 20

_STATM = Path("/proc/self/statm")  # elsewhere than on Linux time and number must do
_PAGE = os.sysconf("SC_PAGESIZE")


def freeze() -> None:
    """What is there now stays for ever and is not looked at again; no collection of its own."""
    gc.collect()
    gc.freeze()
    gc.disable()


async def collect_at_rest(at_rest: Callable[[], bool]) -> None:
    """Collect for ever: at rest where there is something to collect, otherwise within bounds."""
    last, least = time.monotonic(), _resident()
    while True:
        await asyncio.sleep(LOOK)
        now, resident, new = time.monotonic(), _resident(), gc.get_count()[0]
        least = min(least, resident)
        waited = now - last > LONGEST or new > MANY
        if resident > least + GROWTH or (new > FEW and (waited or at_rest())):
            gc.collect()
            last, least = now, _resident()


def _resident() -> int:
    try:
        return int(_STATM.read_bytes().split()[1]) * _PAGE
    except OSError:
        return 0
