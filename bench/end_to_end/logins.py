"""Right logins on 465, each over a connection of its own, beside deliveries on port 25.

It must not know how it is shown.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.end_to_end import client, stored
from bench.end_to_end.client import Connection
from bench.end_to_end.letters import Post
from bench.end_to_end.scene import ADDRESSES
from bench.end_to_end.stacks import Stack

LOGINS, DELIVERIES = 30.0, 10.0  # a second
_AT_ONCE = 12


@dataclass
class Logins:
    """Seconds: from connect to the answer to AUTH; from the dot to the file; how late at most."""

    logins: list[float] = field(default_factory=list)
    deliveries: list[float] = field(default_factory=list)
    slipped: float = 0.0


def measure(stack: Stack, post: Post, seconds: float) -> Logins:
    """Both at their rates for so long. Raises RuntimeError where one fails."""
    found = Logins()
    letters = post.incoming(round(DELIVERIES * seconds))
    already = stored.count(stack.mail)
    failed: list[Exception] = []
    numbers = iter(range(round(LOGINS * seconds)))
    start = time.monotonic()

    def log_in(numbers: Iterator[int]) -> None:
        try:
            for number in numbers:
                late = time.monotonic() - start - number / LOGINS
                if late < 0:
                    time.sleep(-late)
                found.slipped = max(found.slipped, late)
                begun = time.perf_counter()
                connection = Connection(ADDRESSES[number % len(ADDRESSES)])
                found.logins.append(time.perf_counter() - begun)
                connection.close()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=log_in, args=(numbers,)) for _ in range(_AT_ONCE)]
    for thread in threads:
        thread.start()
    sent = client.send(letters, DELIVERIES)
    for thread in threads:
        thread.join()
    if failed:
        raise RuntimeError(f"{len(failed)} logins: {failed[0]}")
    stored.wait_for(stack.mail, already + len(letters))
    files = stored.look(stack.mail)
    stored.check(files, letters, stack.proof)
    found.deliveries = [files[one.number].at - sent.dots[one.number] for one in letters]
    found.slipped = max(found.slipped, sent.slipped)
    return found
