"""What the test target's store and API cost: `python -m bench.target [MESSAGES] [SECONDS]`.

100,000 messages of 4 KB are stored, searched, served while 300 more come each second, and deleted.
"""

import asyncio
import http.client
import json
import multiprocessing
import random
import smtplib
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from entrypoint.test_target.api.access import AccessRules
from entrypoint.test_target.api.app import ApiServer, make_app
from entrypoint.test_target.api.smtp_submission import SmtpSubmission
from entrypoint.test_target.api.target import Target
from entrypoint.test_target.fault_table import FaultTable
from entrypoint.test_target.messages.received import Extra, ReceivedMessage
from entrypoint.test_target.search.parse import parse_query
from entrypoint.test_target.store.mailbox import Mailbox
from entrypoint.test_target.store.reading import Selection
from entrypoint.test_target.zone_table import ZoneTable

RATE = 300  # messages a second while the API is asked
SENDERS = 10
_RANDOM = random.Random(1)
_WORDS = [
    "".join(_RANDOM.choices("abcdefghijklmnopqrstuvwxyz", k=_RANDOM.randint(3, 9)))
    for _ in range(5_000)
]
QUERIES = {
    "one message's word": "unique4711x",
    "part of a word of 1 in 9": _WORDS[7][:5],
    "a phrase": f'"{_WORDS[1]} {_WORDS[2]}"',
    "not there": "zzzqqq",
    "in every message": "greetings",
    "two characters": "qz",
    "negated": f"-{_WORDS[7]}",
    "subject:": "subject:number-4711x",
    "to:": "to:user4711@",
    "addressed:": 'addressed:"user4711@b.example"',
    "addressed-exactly:": "addressed-exactly:user4711@b.example",
    "run:": "run:run7",
    "is:unread": "is:unread",
    "tag:": "tag:none",
}


def message(number: int) -> ReceivedMessage:
    """4 KB of text."""
    body = " ".join(_RANDOM.choices(_WORDS, k=560))[:3_600]
    raw = (
        f"From: Sender <sender{number % 50}@a.example>\r\nTo: user{number}@b.example\r\n"
        f"Subject: number-{number}x {_WORDS[number % 5000]}\r\nMessage-ID: <{number}@a.example>\r\n"
        f"Date: Sun, 1 Mar 2026 12:00:00 +0000\r\n\r\ngreetings unique{number}x {body}\r\n"
    )
    verdict = {"spf": {"result": "pass"}, "dkim": [{"result": "pass", "domain": "a.example"}]}
    extra = Extra(
        sender=f"sender{number % 50}@a.example",
        recipients=(f"user{number}@b.example",),
        client="192.0.2.1",
        helo="client.example",
        port=1025,
        received=datetime.now(UTC),
        run=f"run{number % 200}",
        verdict=verdict,
    )
    return ReceivedMessage(raw.encode(), extra)


async def fill(mailbox: Mailbox, numbers: Iterator[int]) -> None:
    """One after the other, as the connections of SENDERS clients."""

    async def sender() -> None:
        for number in numbers:
            await mailbox.add([message(number)])

    await asyncio.gather(*(sender() for _ in range(SENDERS)))


def percentiles(times: list[float]) -> str:
    ordered = sorted(times)
    middle, late = statistics.median(ordered), ordered[int(len(ordered) * 0.99)]
    return f"median {middle * 1000:.1f} ms, p99 {late * 1000:.1f} ms of {len(ordered)}"


async def timed(mailbox: Mailbox, selection: Selection, start: int = 0) -> tuple[list[float], int]:
    times, matching = [], 0
    for _ in range(7):
        begin = time.perf_counter()
        matching = (await mailbox.find(selection, start, 50)).matching
        times.append(time.perf_counter() - begin)
    return times, matching


def ask(
    port: int, seconds: float, results: "multiprocessing.Queue[dict[str, list[float]]]"
) -> None:
    """A client that asks what test suites ask, for so long."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    paths = {
        "list": "/api/v1/messages",
        "search": "/api/v1/search?query=unique4711x",
        "addressed": "/api/v1/search?query=addressed%3Auser99",
        "latest": "/api/v1/message/latest",
        "wait": "/api/v1/wait?query=run%3Arun7&timeout=5s",
    }
    times: dict[str, list[float]] = {name: [] for name in paths}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for name, path in paths.items():
            begin = time.perf_counter()
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            assert response.status == 200, (path, response.status)
            times[name].append(time.perf_counter() - begin)
        time.sleep(0.02)
    results.put(times)


async def serve_meanwhile(mailbox: Mailbox, first: int, seconds: float) -> None:
    """RATE messages a second come in while a client asks."""
    target = Target(
        mailbox, SmtpSubmission(mailbox, smtplib.SMTP), FaultTable(), ZoneTable(), "bench"
    )
    listener = socket.create_server(("127.0.0.1", 0))
    server = ApiServer(make_app(target, AccessRules()))
    serving = asyncio.create_task(server.serve(listener))
    results: multiprocessing.Queue[dict[str, list[float]]] = multiprocessing.Queue()
    client = multiprocessing.Process(target=ask, args=(listener.getsockname()[1], seconds, results))
    prepared = [message(first + number) for number in range(int(RATE * (seconds + 1)))]
    client.start()
    begin = time.monotonic()
    stored: list[float] = []

    async def one(item: ReceivedMessage) -> None:
        start = time.perf_counter()
        await mailbox.add([item])
        stored.append(time.perf_counter() - start)

    async with asyncio.TaskGroup() as group:
        for number, item in enumerate(prepared):
            late = begin + number / RATE - time.monotonic()
            if late > 0:
                await asyncio.sleep(late)
            if not client.is_alive() and number > RATE:
                break
            group.create_task(one(item))
    took = time.monotonic() - begin
    times = await asyncio.to_thread(results.get)
    client.join()
    print(f"meanwhile {len(stored) / took:.0f} messages/s were stored: {percentiles(stored)}")
    for name, values in times.items():
        print(f"  {name}: {percentiles(values)}")
    every = [value for values in times.values() for value in values]
    print(f"  all: {percentiles(every)}")
    server.stop()
    await serving


def pss() -> int:
    rollup = Path("/proc/self/smaps_rollup").read_text()
    return int(rollup[rollup.index("\nPss:") :].split()[1]) * 1024


async def main(count: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        mailbox = Mailbox(path)
        begin = time.perf_counter()
        await fill(mailbox, iter(range(count)))
        took = time.perf_counter() - begin
        print(f"{count} messages stored at {count / took:.0f}/s ({SENDERS} senders)")
        print(f"not in the index then: {await mailbox.index_lag()}")
        while await mailbox.index_lag():
            await asyncio.sleep(0.2)
        print(f"in the index after {time.perf_counter() - begin - took:.1f} s more")
        print(f"file: {await mailbox.used_bytes() / 1e6:.0f} MB, PSS {pss() / 1e6:.0f} MB")
        times, _ = await timed(mailbox, Selection())
        print(f"first page: {percentiles(times)}")
        times, _ = await timed(mailbox, Selection(), count - 50)
        print(f"last page: {percentiles(times)}")
        for name, query in QUERIES.items():
            times, matching = await timed(mailbox, Selection(parse_query(query)))
            print(f"{name} ({matching} match): {percentiles(times)}")
        await serve_meanwhile(mailbox, count, seconds)
        print(f"PSS {pss() / 1e6:.0f} MB")
        begin = time.perf_counter()
        await mailbox.delete(Selection(parse_query("run:run7")))
        print(f"a run of 1 in 200 deleted in {time.perf_counter() - begin:.2f} s")
        begin = time.perf_counter()
        await mailbox.delete(Selection())
        print(f"all deleted in {time.perf_counter() - begin:.2f} s")
        mailbox.close()
        print(json.dumps({"file bytes at the end": path.stat().st_size}))


if __name__ == "__main__":
    arguments = sys.argv[1:]
    asyncio.run(
        main(
            int(arguments[0]) if arguments else 100_000,
            float(arguments[1]) if len(arguments) > 1 else 60.0,
        )
    )
