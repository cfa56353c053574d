"""Does the junk filter answer, and what does it say of itself?

Nothing waits for it: whatever is wrong, mail is delivered without its verdict. A question for no
account is answered by `ok`, or by one line that names what is broken. `delivery/verdict.c` leaves
a file where a delivery had no answer in time, and removes it with the next question that ends in
time.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from entrypoint.paths import JUNK, SILENT_SINCE, VERDICT_SOCKET
from entrypoint.probe.dialog import Dialog, DialogError, reason, socket_dialog

_ANSWERED_WITHIN = 1.9  # seconds; a delivery waits two
_SEEN_FOR = 600.0  # where no mail comes afterwards, the file stays
_MEANS = "mail is delivered without its verdict"
_LATE = "a delivery of the last ten minutes had no answer in time, and no verdict"


async def ask(link: Dialog) -> str:
    """What it says of itself when it is asked about no account: `ok`, or what is broken.

    Raises DialogError and OSError.
    """
    await link.write("\0\0\0\0")
    link.end_writing()
    return await link.line()


async def troubles(
    folder: Path = JUNK, user: str = "root", *, seconds: float = _ANSWERED_WITHIN
) -> list[str]:
    """What is wrong, one line each; nothing where there is no such filter here.

    user: as whom it is asked.
    """
    return [f"the junk filter: {each}" for each in await _found(folder, user, seconds)]


def late_answers(path: Path = SILENT_SINCE) -> list[str]:
    """Whether deliveries went without, as one line; a file that is not there is good."""
    return [f"the junk filter: {_LATE}"] if _is_recent(path) else []


async def _found(folder: Path, user: str, seconds: float) -> list[str]:
    try:
        async with (
            asyncio.timeout(seconds),
            socket_dialog(folder / VERDICT_SOCKET.name, user) as link,
        ):
            if (said := await ask(link)) != "ok":
                return [said]
    except TimeoutError:
        return [f"it does not answer within {seconds:g} s; {_MEANS}"]
    except (FileNotFoundError, ConnectionRefusedError):
        return [f"it does not run; {_MEANS}"] if _is_folder(folder) else []
    except (OSError, DialogError) as error:
        return [f"it cannot be asked: {reason(error)}; {_MEANS}"]
    if _is_recent(folder / SILENT_SINCE.name):
        return [_LATE]
    return []


def _is_folder(path: Path) -> bool:
    return path.is_dir()


def _is_recent(path: Path) -> bool:
    try:
        return abs(time.time() - path.stat().st_mtime) <= _SEEN_FOR  # a clock may be set back
    except OSError:
        return False
