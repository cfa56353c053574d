"""What 1,000 accounts cost beside 10: the start, memory, logins, a new account, a delivery."""

from __future__ import annotations

import random
import smtplib
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import accounts
from bench.imap import Imap
from bench.mail_servers import MailServer, Signpost
from bench.processes import Memory, cpu, descendants, memory

COUNTS = (10, 1_000)
FIRST, AGAIN = "first", "again"
TIMEOUT = 60.0  # seconds
# At rest: less than so much processor time in so many seconds. Maintenance looks at its files
# every two seconds.
_QUIET, _QUIET_FOR = 0.05, 1.0
_POLL = 0.001


@dataclass(frozen=True)
class Login:
    """Seconds from connect to the answer to LOGIN; `turn` is FIRST or AGAIN."""

    server: str
    count: int
    turn: str
    scheme: str
    seconds: float


@dataclass
class Accounts:
    """What was found; seconds, by the number of accounts, starts also by whether plain."""

    starts: dict[tuple[int, bool], list[float]] = field(default_factory=dict)
    memory: dict[int, Memory] = field(default_factory=dict)
    added: dict[int, list[float]] = field(default_factory=dict)
    added_at_once: dict[int, list[float]] = field(default_factory=dict)  # after a start with plain
    delivered: dict[int, list[float]] = field(default_factory=dict)
    logins: list[Login] = field(default_factory=list)

    def logins_of(self, server: str, count: int, turn: str, scheme: str) -> list[float]:
        """Every login of this kind."""
        wanted = (server, count, turn, scheme)
        return [
            each.seconds
            for each in self.logins
            if (each.server, each.count, each.turn, each.scheme) == wanted
        ]


def at_rest(signpost: Signpost) -> Memory:
    """Wait until nothing is done any more, and look."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        pids = list(descendants(signpost.pid))
        before = cpu(pids)
        time.sleep(_QUIET_FOR)
        if cpu(pids) - before < _QUIET:
            return memory(pids)
    raise RuntimeError("Signpost does not come to rest")


def log_in(servers: Sequence[MailServer], count: int, first: int, again: int) -> Iterator[Login]:
    """So many accounts in random order, and then some of these again, on each server in turn."""
    chance = random.Random(count)
    chosen = chance.sample(range(count), min(first, count))
    more = chance.choices(chosen, k=again)
    for turn, numbers in ((FIRST, chosen), (AGAIN, more)):
        for at, number in enumerate(numbers):
            for server in servers if at % 2 else reversed(servers):
                start = time.perf_counter()
                session = Imap.as_user(server.port, accounts.address(number), accounts.PASSWORD)
                seconds = time.perf_counter() - start
                with session:
                    yield Login(server.title, count, turn, accounts.scheme(number), seconds)


def add_account(name: str) -> float:
    """Seconds of `signpost account add` with a password on its standard input."""
    start = time.perf_counter()
    subprocess.run(
        ["signpost", "account", "add", name],
        input=f"{accounts.PASSWORD}\n".encode(),
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - start


def deliver(recipient: str, data: bytes, arrived: Callable[[], bool], sender: str) -> float:
    """Seconds from RCPT, over port 25, until it has arrived."""
    with smtplib.SMTP("127.0.0.1", 25, "client.example.net", TIMEOUT) as client:
        client.ehlo()
        client.mail(sender)
        start = time.perf_counter()
        replies = client.rcpt(recipient), client.data(data)
        if any(code != 250 for code, _ in replies):
            raise RuntimeError(f"{recipient}: smtpd said {replies}")
        while not arrived():
            if time.perf_counter() - start > TIMEOUT:
                raise RuntimeError(f"{recipient}: the message does not arrive")
            time.sleep(_POLL)
        return time.perf_counter() - start


def new_in(maildir: Path) -> Callable[[], bool]:
    """Whether there is one more message that nobody has seen than now."""

    def count() -> int:
        try:
            return len(list((maildir / "new").iterdir()))
        except FileNotFoundError:  # nothing has ever come
            return 0

    before = count()
    return lambda: count() > before
