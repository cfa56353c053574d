"""What smtpd has in hand is finished before it is stopped: deliveries, and mail that is coming in.

It begins nothing new meanwhile. Who is still at it when the time is over is cut off; that loses
nothing, but what was almost done may be done twice. There is no way back: a stop follows.
Standard library only, as `entrypoint.supervise.logpipe`, whose process does this.
"""

from __future__ import annotations

import pwd
import subprocess
import time
from collections.abc import Callable, Collection
from pathlib import Path

from entrypoint.paths import SPOOL
from entrypoint.supervise.descendants import RunningProcess, descendants

INCOMING = SPOOL / "temporary"
# docker waits ten seconds for everything in the container, and these are but one part of it.
DELIVERIES_WITHIN = 4.0  # seconds
MESSAGES_WITHIN = 5.0  # from the beginning on
_SMTPCTL_WITHIN = 1.5
_LOOK_EVERY = 0.05
# From the commit in the queue to the client's 250.
_ANSWERED_WITHIN = 0.1


def finish(smtpd: int) -> list[str]:
    """Let smtpd, the process with this number, finish. What was still going on, if anything."""
    began = time.monotonic()
    if not _pause("mda"):
        return ["it did not answer"]
    owners = {0, pwd.getpwnam("vmail").pw_uid}
    left = _wait(lambda: deliveries(smtpd, owners), began + DELIVERIES_WITHIN)
    cut = [f"deliveries: {len(left)}"] if left else []
    # Who connects now waits for the next smtpd (`listening_sockets.py`); who is in gets a greeting.
    if not _pause("smtp"):
        return [*cut, "it did not answer"]
    coming = _wait(messages, began + MESSAGES_WITHIN)
    time.sleep(_ANSWERED_WITHIN)
    return [*cut, f"messages coming in: {len(coming)}"] if coming else cut


def deliveries(smtpd: int, owners: Collection[int]) -> list[RunningProcess]:
    """The delivery agents: smtpd's only children with these users."""
    return [each for each in descendants(smtpd) if each.user in owners]


def messages(incoming: Path = INCOMING) -> list[Path]:
    """What clients are sending: smtpd makes the file at DATA, and moves it when all has come."""
    return list(incoming.iterdir())


def _wait(find: Callable[[], Collection[object]], deadline: float) -> Collection[object]:
    while (found := find()) and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY)
    return found


def _pause(part: str) -> bool:
    """Whether it is paused now. smtpd answers at once that it fails where that is so already."""
    done = _smtpctl("pause", part)
    if done is None or done.returncode == 0:
        return done is not None
    shown = _smtpctl("show", "status")
    return shown is not None and is_paused(part, shown.stdout.decode("ascii", "replace"))


def is_paused(part: str, status: str) -> bool:
    """Whether `smtpctl show status` says so."""
    return f"{part.upper()} paused" in status.splitlines()


def _smtpctl(*arguments: str) -> subprocess.CompletedProcess[bytes] | None:
    """None where it does not answer. smtpd's control socket is for this group."""
    try:
        return subprocess.run(  # noqa: S603 -- a fixed command
            ["/usr/sbin/smtpctl", *arguments],
            group="opensmtpq",
            extra_groups=[],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SMTPCTL_WITHIN,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
