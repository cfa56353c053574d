"""Connects to a port every 50 ms and waits for the greeting, until its standard input ends.

    python3 connecting.py HOST PORT

Prints `connecting` at once and a line of JSON at the end: the seconds until each greeting, and what
else came of a connection, with the count.
"""

import collections
import json
import socket
import sys
import threading
import time

HOST, PORT = sys.argv[1], int(sys.argv[2])
INTERVAL = 0.05
GREETED_WITHIN = 30.0
MOST = 4000

greeted: list[float] = []
failed: collections.Counter[str] = collections.Counter()


def connect() -> None:
    began = time.monotonic()
    try:
        with socket.create_connection((HOST, PORT), GREETED_WITHIN) as link:
            if said := link.recv(512):
                assert said.startswith(b"220 "), said
                greeted.append(time.monotonic() - began)
                link.sendall(b"QUIT\r\n")
            else:
                failed["closed before the greeting"] += 1
    except OSError as error:
        failed[type(error).__name__] += 1


def main() -> None:
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    print("connecting", flush=True)
    threads = []
    while not over.wait(INTERVAL) and len(threads) < MOST:
        threads.append(threading.Thread(target=connect))
        threads[-1].start()
    for thread in threads:
        thread.join()
    print(json.dumps({"greeted": greeted, "failed": failed}))


main()
