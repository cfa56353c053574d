"""Waiting on the server's side: at once when it is there, and no longer than asked."""

import concurrent.futures
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.entrypoint.test_target.running import Answer, Running, running


def waiting(target: Running) -> int:
    (line,) = (
        line
        for line in target.get("/metrics").text.splitlines()
        if line.startswith("signpost_test_waiting_requests ")
    )
    return int(float(line.split()[1]))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline


def timed(target: Running, path: str, **query: Any) -> tuple[Answer, float]:
    """The answer, and when it came."""
    answer = target.get(path, **query)
    return answer, time.monotonic()


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/v1/wait", {"query": "subject:wanted", "timeout": "20s"}),
        ("/api/v1/wait", {"timeout": "20s"}),
        ("/api/v1/search", {"query": "subject:wanted", "wait": "20s"}),
        ("/api/v1/messages", {"wait": "20s"}),
        ("/api/v1/message/latest", {"query": "subject:wanted", "wait": "20s"}),
        ("/view/latest.txt", {"query": "subject:wanted", "wait": "20s"}),
    ],
)
def test_the_answer_comes_with_the_message(
    target: Running, path: str, query: dict[str, str]
) -> None:
    with concurrent.futures.ThreadPoolExecutor() as pool:
        asked = pool.submit(timed, target, path, **query)
        until(lambda: waiting(target) == 1)
        target.deliver(b"Subject: wanted\r\n\r\nx\r\n")
        stored = time.monotonic()
        answer, at = asked.result()
    assert answer.status == 200
    # 50 ms, with what a busy machine adds.
    assert at - stored < 0.5
    assert waiting(target) == 0


def test_what_does_not_match_is_not_waited_for(target: Running) -> None:
    with concurrent.futures.ThreadPoolExecutor() as pool:
        asked = pool.submit(target.get, "/api/v1/wait", query="subject:b", count=2, timeout="20s")
        until(lambda: waiting(target) == 1)
        for subject in (b"a", b"b", b"a", b"b"):
            assert not asked.done()
            target.deliver(b"Subject: %s\r\n\r\nx\r\n" % subject)
        assert asked.result().json["messages_count"] == 2


def test_a_change_of_state_ends_a_wait_for_it(target: Running) -> None:
    identity = target.deliver(b"Subject: s\r\n\r\nx\r\n")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        asked = pool.submit(target.get, "/api/v1/wait", query="tag:done is:read", timeout="20s")
        until(lambda: waiting(target) == 1)
        target.ask("PUT", "/api/v1/tags", {"IDs": [identity], "Tags": ["done"]})
        target.ask("PUT", "/api/v1/messages", {"IDs": [identity], "Read": True})
        assert asked.result().json["messages_count"] == 1


def test_a_wait_in_vain_says_what_there_is(target: Running) -> None:
    target.deliver(b"To: bob@b.example\r\nSubject: another\r\n\r\nx\r\n")
    answer = target.get("/api/v1/wait", query="subject:none", count=3, timeout="50ms")
    assert answer.status == 404
    first, second, third = answer.text.splitlines()
    assert first == "0 of 3 messages within 0.05 seconds"
    assert second == "newest messages (1 of 1):"
    assert third.endswith("to bob@b.example  'another'")
    # Whoever asks for a page gets one, as without `wait`.
    page = target.get("/api/v1/search", query="subject:none", wait="50ms")
    assert (page.status, page.json["messages_count"]) == (200, 0)
    latest = target.get("/api/v1/message/latest", query="subject:none", wait="50ms")
    assert (latest.status, latest.text) == (404, "Message not found")


@pytest.mark.parametrize("text", ["x", "-1s", "1h2", "9" * 20, "\u0661s"])
def test_a_duration_that_is_none_is_named(target: Running, text: str) -> None:
    answer = target.get("/api/v1/wait", timeout=text)
    assert (answer.status, answer.text.startswith("timeout=")) == (400, True)


def test_a_client_that_goes_away_waits_no_longer(target: Running) -> None:
    with socket.create_connection(("127.0.0.1", target.http_port)) as client:
        client.sendall(b"GET /api/v1/wait?timeout=10m HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: waiting(target) == 1)
    until(lambda: waiting(target) == 0)


def test_two_hundred_runs_wait_side_by_side(target: Running) -> None:
    runs = [f"run{number}" for number in range(200)]
    with concurrent.futures.ThreadPoolExecutor(len(runs)) as pool:
        asked = [
            pool.submit(target.get, "/api/v1/wait", run=run, timeout="60s", count=2) for run in runs
        ]
        until(lambda: waiting(target) == len(runs))
        recipients = [f"user+{run}@b.example" for run in runs]
        for recipient in (*recipients, *reversed(recipients)):
            target.deliver(b"Subject: s\r\n\r\nx\r\n", recipients=[recipient])
        for run, future in zip(runs, asked, strict=True):
            page = future.result().json
            assert page["total"] == page["messages_count"] == 2
            assert {item["Extra"]["Run"] for item in page["messages"]} == {run}


def test_what_is_there_needs_no_time(target: Running) -> None:
    target.deliver(b"Subject: is there\r\n\r\nx\r\n")
    assert target.get("/api/v1/wait", query="subject:there", timeout="0s").status == 200
    assert target.get("/api/v1/wait", query="subject:else", timeout="0s").status == 404


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("quer=x", "'quer' is no parameter here: there are before, count, limit, query, run,"),
        ("count=abc", "count: write a number of messages"),
        ("count=-1", "count: write a number of messages"),
        ("query=after:yesterdy", "Error: no term of the search query can be understood"),
        ("run=", "run: name the test run, or leave the parameter out for all"),
    ],
)
def test_what_cannot_be_understood_is_no_wait_for_anything(
    target: Running, asked: str, said: str
) -> None:
    target.deliver(b"Subject: is there\r\n\r\nx\r\n")
    answer = target.ask("GET", f"/api/v1/wait?timeout=1s&{asked}")
    assert answer.status == 400
    assert answer.text.startswith(said)


def test_who_waits_when_the_target_stops_is_told_at_once(tmp_path: Path) -> None:
    with (
        running(tmp_path / "messages.sqlite") as target,
        concurrent.futures.ThreadPoolExecutor() as pool,
    ):
        asked = [
            pool.submit(target.get, "/api/v1/wait", query="subject:never", timeout="60s"),
            pool.submit(target.get, "/api/v1/search", query="subject:never", wait="60s"),
        ]
        until(lambda: waiting(target) == 2)
        begin = time.monotonic()
        target.process.terminate()
        answers = [each.result() for each in asked]
    assert time.monotonic() - begin < 5
    assert {(each.status, each.text) for each in answers} == {(503, "Error: the mail server stops")}
