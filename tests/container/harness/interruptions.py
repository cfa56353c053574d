"""Large messages, and smtpd's dispatcher killed while it hands one to the delivery agent."""

from __future__ import annotations

import subprocess
from typing import Literal

from .messages import letter
from .shell import CommandError, fresh, wait_until
from .signpost import PEERS, Signpost
from .world import World

MEGABYTES = 25
COPIES = 4

# At each delivery's begin: kills what writes the message after a while, or stops it for so long.
_DISTURB = r"""
import os, pathlib, random, signal, sys, time

def found(words):
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
        except OSError:
            continue
        if any(word in line for word in words) and b"sh -c" not in line:
            yield int(folder.name)

how, seconds, times = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
agents = [b"libexec/deliver", b"mail.lmtp", b"mail.maildir"]
print("ready", flush=True)
for time_ in range(times):
    deadline = time.monotonic() + 15
    while not (list(found(agents)) and (dispatchers := list(found([b"smtpd: dispatcher"])))):
        if time.monotonic() > deadline:
            sys.exit(0 if time_ else "no delivery began")
    if how == "kill":
        time.sleep(random.uniform(0, seconds))
        os.kill(dispatchers[0], signal.SIGKILL)
        # Until another smtpd is up, which ends the old one's deliveries, too.
        while list(found(agents)) or set(found([b"smtpd: dispatcher"])) <= {dispatchers[0]}:
            pass
    else:
        os.kill(dispatchers[0], signal.SIGSTOP)
        print("stopped", flush=True)
        time.sleep(seconds)
        os.kill(dispatchers[0], signal.SIGCONT)
"""


def large(token: str) -> bytes:
    """A message of 25 MB whose last line is the token."""
    line = b"A line of a large message, so that there are not too many of them in it.\r\n"
    count = MEGABYTES * 1_000_000 // len(line)
    return letter(token=token, body=line * count + token.encode() + b"\r\n")


class Disturbance:
    """What becomes of the dispatcher when deliveries begin."""

    def __init__(
        self, server: Signpost, how: Literal["kill", "stop"], seconds: float, times: int = 1
    ) -> None:
        """Kill it so many seconds after that at most, or stop it for as long."""
        self._process = subprocess.Popen(
            [
                *("docker", "run", "--rm", "-i", "--pid", f"container:{server.container}"),
                *("--entrypoint", "python3", PEERS, "-c", _DISTURB, how, str(seconds), str(times)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        self.wait_for("ready")

    def wait_for(self, word: str) -> None:
        """Wait until it says so."""
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == word.encode() + b"\n"

    def finish(self) -> None:
        """Wait until it is over."""
        with self._process:
            assert self._process.wait(90) == 0

    def leave(self) -> None:
        """Whatever it does; it ends with the container's processes."""
        with self._process:
            self._process.kill()


def hand_in(world: World, server: Signpost, address: str) -> str:
    """A large message that waits in the queue, COPIES times for the same mailbox."""
    token = fresh("large")
    # A test before this one may have killed smtpd when all was stored.
    wait_until(lambda: _paused(server), "smtpd", 30)
    # Several at once take so long that one of them is under way when we look.
    to = [address.replace("@", f"+{number}@") for number in range(COPIES)]
    world.swaks(server.v4, to=to, message=large(token), source=world.allowed[0]).accepted()
    return token


def smtpctl(server: Signpost, *command: str) -> None:
    """smtpctl, as the operator's commands run it."""
    server.exec("setpriv", "--regid", "opensmtpq", "--clear-groups", "smtpctl", *command)


def _paused(server: Signpost) -> bool:
    try:
        smtpctl(server, "pause", "mda")
    except CommandError:
        return False
    return True


def stored(server: Signpost, address: str, token: str) -> tuple[int, int]:
    """How many whole messages there are with a token, and how many parts."""
    mail = [each for each in server.read_mail(address) if f"<{token}@".encode() in each]
    whole = [each for each in mail if each.rstrip().endswith(token.encode())]
    return len(whole), len(mail) - len(whole)


def arrive_whole(server: Signpost, address: str, token: str, timeout: float = 30) -> int:
    """How many there are when nothing waits any more: all of them, and never a part."""

    def nothing_waits() -> bool:
        return not server.exec("find", "/var/spool/smtpd/queue", "-type", "f")

    wait_until(nothing_waits, "an empty queue", timeout)
    count, parts = stored(server, address, token)
    assert parts == 0, f"{parts} parts of a message were stored"
    assert count >= COPIES
    return count
