"""The measurements, one a function, on containers that run."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from statistics import median
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from bench.messages import signed
from bench.test_target.api import Api, ask_for
from bench.test_target.containers import Container
from bench.test_target.fill import QUERIES
from bench.test_target.smtp import Mail, Sent, SmtpConnection, send
from filters.mailauth.dkim.signing_key import SigningKey, public_record

SIZE = 4_096  # bytes of a message
CONNECTIONS = 10
RATE = 300  # messages a second, while the API is asked
RUNS = 200
_DOMAINS = [f"d{number}.test" for number in range(20)]
_OF_A_RUN = 3  # messages
_OTHERS = ("471", "1471", "2471", "3471", "4711")  # messages that there are
_GRACE = 90.0  # seconds for the last answers


@dataclass(frozen=True)
class Signed:
    """Messages whose signatures verify, and what DNS has to hold for that."""

    mails: list[tuple[str, bytes]]
    zone: bytes

    def endless(self) -> Callable[[], Mail]:
        """By turns to RUNS recipients and of as many runs. Several threads may ask."""
        numbers = itertools.count()

        def following() -> Mail:
            number = next(numbers)
            sender, data = self.mails[number % len(self.mails)]
            field_ = f"X-Test-Run: run{number % RUNS}\r\n".encode()
            return Mail(sender, f"user{number % RUNS}@example.org", field_ + data)

        return following


def prepare_mail() -> Signed:
    """RSA-2048, SPF and DMARC for each of some domains."""
    private = generate_private_key(public_exponent=65_537, key_size=2_048)
    zone: dict[str, Any] = {}
    mails = []
    for domain in _DOMAINS:
        key = SigningKey(domain, "mail", "rsa-sha256", private)
        mails.append((f"alice@{domain}", signed(SIZE, key)))
        zone[domain] = {"TXT": ["v=spf1 ip4:0.0.0.0/0 ip6:::/0 -all"]}
        zone[f"mail._domainkey.{domain}"] = {"TXT": [public_record(key)]}
        zone[f"_dmarc.{domain}"] = {"TXT": ["v=DMARC1; p=reject"]}
    return Signed(mails, json.dumps(zone).encode())


@dataclass
class Steady:
    """RATE messages a second, and who asks meanwhile. cpu: cores in use. pss: bytes, behind it."""

    sent: Sent
    asked: dict[str, list[float]]
    waits: list[float]
    cpu: float
    pss: int
    passed: bool

    @property
    def all_asked(self) -> list[float]:
        """Of every question."""
        return [seconds for name in self.asked for seconds in self.asked[name]]


def steady(target: Container, mail: Signed, seconds: float) -> Steady:
    """The senders and those who ask are processes of their own, as they would be."""
    api = Api(target.ports[8025])
    api.ask("PUT", "/api/v1/dns", mail.zone)
    mails = mail.endless()
    with connected(target) as one:
        one.deliver(mails())
    verdict = api.get("/api/v1/message/latest")["Extra"]["Verdict"]
    before, start = target.cpu(), time.perf_counter()
    with ProcessPoolExecutor(3, mp_context=get_context("fork")) as pool:
        sending = pool.submit(_send, target.ports[1025], mail, seconds)
        asking = pool.submit(ask_for, target.ports[8025], seconds)
        waiting = pool.submit(_wait_for, target, seconds)
        longest = seconds + _GRACE
        sent, asked, waits = (each.result(longest) for each in (sending, asking, waiting))
    cpu = (target.cpu() - before) / (time.perf_counter() - start)
    results = (verdict["SPF"], *verdict["DKIM"], verdict["DMARC"])
    passed = [one["Result"] for one in results] == ["pass"] * 3
    return Steady(sent, asked, waits, cpu, target.pss(), passed)


@contextmanager
def connected(target: Container) -> Iterator[SmtpConnection]:
    """For a block."""
    connection = SmtpConnection(target.ports[1025])
    try:
        yield connection
    finally:
        connection.close()


def _send(port: int, mail: Signed, seconds: float) -> Sent:
    return send(port, mail.endless(), connections=CONNECTIONS, seconds=seconds, rate=RATE)


def _wait_for(target: Container, seconds: float) -> list[float]:
    times = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        times += wait_times(target, 1)
        time.sleep(0.3)
    return times


def wait_times(target: Container, count: int) -> list[float]:
    """From a message's 250 to the answer to who waits for it; 0 where that is first."""
    times = []
    api, asking = Api(target.ports[8025]), Api(target.ports[8025])
    with connected(target) as smtp:
        for _ in range(count):
            run = f"wait{time.monotonic_ns()}"
            before = _waiting(asking)
            api.begin("GET", f"/api/v1/wait?run={run}&timeout=30s")
            deadline = time.monotonic() + 0.5
            while _waiting(asking) <= before and time.monotonic() < deadline:
                time.sleep(0.002)
            answered: list[float] = []

            def end(into: list[float] = answered) -> None:
                api.end()
                into.append(time.perf_counter())

            thread = threading.Thread(target=end)
            thread.start()
            body = f"Subject: {run}\r\nX-Test-Run: {run}\r\n\r\nx\r\n".encode()
            smtp.deliver(Mail("alice@d0.test", "bob@example.org", body))
            accepted = time.perf_counter()
            thread.join()
            times.append(max(0.0, answered[0] - accepted))
    api.close()
    asking.close()
    return times


def _waiting(api: Api) -> float:
    text = api.ask("GET", "/metrics").decode()
    return float(text.partition("\nsignpost_test_waiting_requests ")[2].partition("\n")[0])


@dataclass
class Runs:
    """wrong: what a run saw that it should not, or did not see. waits: as `wait_times`."""

    took: float = 0.0
    wrong: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)


def parallel_runs(target: Container) -> Runs:
    """RUNS of them at once: each sends, waits, lists, searches, deletes what is its own."""
    found = Runs()
    begin = time.perf_counter()
    with ThreadPoolExecutor(RUNS) as pool:
        for wrong, waited in pool.map(lambda number: _one_run(target, number), range(RUNS)):
            found.wrong += wrong
            found.waits.append(waited)
    found.took = time.perf_counter() - begin
    return found


def _one_run(target: Container, number: int) -> tuple[list[str], float]:
    run = f"parallel{number}"
    api, waiting = Api(target.ports[8025]), Api(target.ports[8025])
    waiting.begin("GET", f"/api/v1/wait?run={run}&count={_OF_A_RUN}&timeout=60s")
    with connected(target) as smtp:
        for each in range(_OF_A_RUN):
            body = f"Subject: {run}-{each}\r\nTo: shared@example.org\r\n\r\nsame words\r\n"
            smtp.deliver(Mail("alice@d0.test", f"shared+{run}@example.org", body.encode()))
        accepted = time.perf_counter()
    waiting.end()
    waited = max(0.0, time.perf_counter() - accepted)
    wrong = []
    for path, query in (("messages", {}), ("search", {"query": "same words"})):
        page = api.get(f"/api/v1/{path}", run=run, **query)
        subjects = sorted(item["Subject"] for item in page["messages"])
        if subjects != [f"{run}-{each}" for each in range(_OF_A_RUN)]:
            wrong.append(f"{run}: {path} has {subjects}")
    api.ask("DELETE", f"/api/v1/messages?run={run}")
    if api.get("/api/v1/messages", run=run)["total"]:
        wrong.append(f"{run}: not all is deleted")
    api.close()
    waiting.close()
    return wrong, waited


@dataclass(frozen=True)
class Searched:
    """matching: messages. first: seconds where nothing is remembered; again: the same once more."""

    matching: int
    first: float
    again: list[float]


@dataclass(frozen=True)
class Store:
    """Of a full one. pages: seconds of the first page of the list. pss: bytes, behind it."""

    messages: int
    pages: list[float]
    searches: dict[str, Searched]
    pss: int


SEARCHES = {
    **QUERIES,
    "in every address": "b.example",
    "two words of all": "greetings b.example",
    "subject: of all": "subject:number",
}


def full_store(target: Container) -> Store:
    """Its list, and each search once and again."""
    api = Api(target.ports[8025])
    pages = [api.timed("/api/v1/messages")[0] for _ in range(50)]
    searches = {}
    for name, query in SEARCHES.items():
        # Each of these for the first time; where one message is meant, of several.
        asked = [query.replace("4711", other) for other in _OTHERS] if "4711" in query else [query]
        firsts = [api.timed("/api/v1/search", query=one) for one in asked]
        first, answer = median(took for took, _ in firsts), firsts[-1][1]
        again = [api.timed("/api/v1/search", query=query)[0] for _ in range(5)]
        searches[name] = Searched(answer["messages_count"], first, again)
    total = api.get("/api/v1/messages", limit=0)["total"]
    api.close()
    return Store(total, pages, searches, target.pss())
