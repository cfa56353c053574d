"""A name server for which every name has the same address and nothing else.

rspamd looks up the names of a HELO and the like; in a container without a network it would wait.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

ANSWER = b"\xc0\x0c\0\x01\0\x01\0\0\x0e\x10\0\x04\xc0\0\x02\x19"  # A 192.0.2.25


def answer(query: bytes) -> bytes:
    """The reply to one query of one question, with or without EDNS."""
    end = 12
    while query[end]:
        end += query[end] + 1
    question = query[12 : end + 5]
    is_a = question[-4:-2] == b"\0\x01"
    counts = b"\0\x01" + (b"\0\x01" if is_a else b"\0\0") + b"\0\0\0\0"
    return query[:2] + b"\x81\x80" + counts + question + (ANSWER if is_a else b"")


@contextmanager
def name_server(address: tuple[str, int] = ("127.0.0.1", 53)) -> Iterator[None]:
    """Answer until the context ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(address)
        server.settimeout(0.2)
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                try:
                    query, client = server.recvfrom(4096)
                    server.sendto(answer(query), client)
                except (TimeoutError, IndexError):
                    continue

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
