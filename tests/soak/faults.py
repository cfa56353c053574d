"""What fails, one after the other: each begins, lasts, and is over.

A fault is a context manager: what goes wrong goes wrong inside. It must not know what is sent.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from ..container.harness.certificates import of_pem
from ..container.harness.parts import JUNK_FILTER, PATTERNS, signal
from ..container.harness.shell import attempt, run, wait_until
from ..container.harness.signpost import IMAGE
from .backups import Backup
from .scene import Scene

# A part that only some settings have, and what a signal to would end more than the part.
ABSENT = {"Dovecot's pop3-login", "web"}
PARTS = tuple(part for part in (*PATTERNS, *JUNK_FILTER) if part not in ABSENT)
# Each is known to be restarted when it hangs.
HANGS = ("smtpd's dispatcher", "the inbound filter", "Dovecot's lmtp", "smtpd's queue")
RESTARTED_WITHIN = 240.0

Act = Callable[[Scene, Random], AbstractContextManager[str]]


@dataclass(frozen=True)
class Fault:
    """seconds: how long it lasts, from the least to the most. cuts: it cuts off hand-overs behind
    the server, after which neither side knows what the other has. outside: what it hits is mail to
    the outside. times: how often in a full run.
    """

    name: str
    act: Act
    times: int
    seconds: tuple[float, float] = (0.0, 0.0)
    cuts: bool = True
    outside: bool = False


@contextmanager
def killed(scene: Scene, chosen: Random) -> Iterator[str]:
    """SIGKILL to all processes of a part."""
    part = _signal_one(scene, chosen.sample(PARTS, len(PARTS)), "KILL")
    yield part


@contextmanager
def stopped(scene: Scene, chosen: Random) -> Iterator[str]:
    """SIGSTOP, and SIGCONT later."""
    part = _signal_one(scene, chosen.sample(PARTS, len(PARTS)), "STOP")
    try:
        yield part
    finally:
        signal(scene.server, part, "CONT")


@contextmanager
def junk_filter_stopped(scene: Scene, chosen: Random) -> Iterator[str]:
    """SIGSTOP to what mail goes on without, and SIGKILL later."""
    part = _signal_one(scene, ["the junk filter"], "STOP")
    try:
        yield part
    finally:
        signal(scene.server, part, "KILL")


@contextmanager
def hung(scene: Scene, chosen: Random) -> Iterator[str]:
    """SIGSTOP for good: the server itself has to see it, and start the part anew."""
    part = _signal_one(scene, chosen.sample(HANGS, len(HANGS)), "STOP")

    def restarted() -> bool:
        log = attempt("docker", "logs", "--tail", "3000", scene.server.container)
        return b" is restarted (" in log.stdout + log.stderr

    try:
        wait_until(restarted, f"{part} to be restarted", RESTARTED_WITHIN)
    finally:
        signal(scene.server, part, "CONT")
    yield part


def _signal_one(scene: Scene, parts: list[str], name: str) -> str:
    # Some are there only for a while after they were asked.
    for part in parts:
        if signal(scene.server, part, name).returncode == 0:
            return part
    raise AssertionError("no part of the server runs")


@contextmanager
def container_killed(scene: Scene, chosen: Random) -> Iterator[str]:
    run("docker", "kill", scene.server.container)
    try:
        yield ""
    finally:
        run("docker", "start", scene.server.container)


@contextmanager
def container_restarted(scene: Scene, chosen: Random) -> Iterator[str]:
    run("docker", "restart", "--time", "15", scene.server.container)
    yield ""


@contextmanager
def container_paused(scene: Scene, chosen: Random) -> Iterator[str]:
    with scene.entering:
        run("docker", "pause", scene.server.container)
    try:
        yield ""
    finally:
        run("docker", "unpause", scene.server.container)


@contextmanager
def data_full(scene: Scene, chosen: Random) -> Iterator[str]:
    scene.data.fill()
    try:
        yield ""
    finally:
        scene.data.clear()


@contextmanager
def queue_full(scene: Scene, chosen: Random) -> Iterator[str]:
    scene.queue.fill()
    try:
        yield ""
    finally:
        scene.queue.clear()


@contextmanager
def dns_silent(scene: Scene, chosen: Random) -> Iterator[str]:
    with scene.world.ns.silent():
        yield ""


def _outside(word: str) -> Act:
    @contextmanager
    def act(scene: Scene, chosen: Random) -> Iterator[str]:
        with scene.outside.mode(word):
            yield ""

    return act


@contextmanager
def new_certificate(scene: Scene, chosen: Random) -> Iterator[str]:
    """Over when it is what port 465 shows."""
    chain = scene.new_certificate()
    wanted = of_pem(chain)
    wait_until(lambda: scene.shown() == wanted, "the new certificate to be served", 60)
    yield ""


@contextmanager
def backup(scene: Scene, chosen: Random) -> Iterator[str]:
    """No fault, but it happens while mail moves: whole, and with all that was answered before."""
    with tempfile.TemporaryDirectory(prefix="soak-backup-") as folder:
        file = Path(folder) / "backup.tar"
        before = scene.ledger.before(time.time())
        with file.open("wb") as output:
            done = subprocess.run(
                ["docker", "exec", scene.server.container, "signpost", "backup"],
                stdout=output,
                stderr=subprocess.PIPE,
                timeout=300,
                check=False,
            )
        left = {found.number for found in scene.outside.received()}
        verified = attempt(
            *("docker", "run", "--rm", "--network", "none", "--volume", f"{file}:/backup:ro"),
            *(IMAGE, "backup", "--verify", "/backup"),
        )
        missing = before - left - Backup(file).numbers(scene.run)
        said = done.stderr + (verified.stderr if verified.returncode else b"")
        scene.backups.append(
            (done.returncode == verified.returncode == 0, len(before), missing, said.decode())
        )
    yield f"{len(before)} messages"


FAULTS = (
    Fault("a part is killed (SIGKILL)", killed, 12),
    Fault("a part is stopped and goes on (SIGSTOP, SIGCONT)", stopped, 8, (3, 9)),
    Fault("the junk filter hangs, and is killed", junk_filter_stopped, 2, (4, 12), cuts=False),
    Fault("a part hangs for good (SIGSTOP)", hung, 1),
    Fault("the container is killed and started", container_killed, 3, (0, 3)),
    Fault("the container is restarted", container_restarted, 2),
    Fault("the container is paused", container_paused, 2, (3, 12)),
    Fault("the disk of /data is full", data_full, 3, (5, 15), cuts=False),
    Fault("the disk of the queue is full", queue_full, 3, (4, 10), cuts=False),
    Fault("no name server answers", dns_silent, 2, (4, 15), cuts=False),
    Fault("the outside defers (450)", _outside("defer"), 2, (4, 12), cuts=False, outside=True),
    Fault("the outside hangs", _outside("hang"), 2, (5, 20), outside=True),
    Fault("the outside rejects (550)", _outside("reject"), 2, (3, 6), cuts=False, outside=True),
    Fault("a new certificate", new_certificate, 2),
    Fault("a backup is made", backup, 2, cuts=False),
)
# Two minutes and more: not where all has to be over soon.
LONG = {"a part hangs for good (SIGSTOP)"}


def schedule(chosen: Random, *, short: bool) -> list[Fault]:
    """In which order; a short run has each once, for as short as it may be."""
    if short:
        found = [fault for fault in FAULTS if fault.name not in LONG]
    else:
        found = [fault for fault in FAULTS for _ in range(fault.times)]
    chosen.shuffle(found)
    return found
