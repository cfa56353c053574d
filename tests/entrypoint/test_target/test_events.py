"""The websocket tells what Mailpit's does."""

import time

from tests.entrypoint.test_target.running import Running
from tests.entrypoint.test_target.websocket import websocket


def test_what_happens_is_told(target: Running) -> None:
    with websocket(target.http_port) as client:
        identity = target.deliver(b"Subject: s\r\nX-Tags: t\r\n\r\nx\r\n")
        item = target.get("/api/v1/messages").json["messages"][0]
        assert client.next("new") == item
        assert client.next("stats") == {"Total": 1, "Unread": 1, "Version": "v1.30.5"}
        target.get(f"/api/v1/message/{identity}")
        assert client.next("update") == {"ID": identity, "Read": True}
        target.ask("PUT", "/api/v1/tags", {"IDs": [identity], "Tags": ["b"]})
        assert client.next("update") == {"ID": identity, "Tags": ["b"]}
        target.ask("DELETE", "/api/v1/tags/b")
        assert client.next("prune") is None
        target.ask("DELETE", "/api/v1/messages", {"IDs": [identity]})
        assert client.next("delete") == {"ID": identity}
        target.empty()
        assert client.next("truncate") is None
        assert client.next("stats")["Total"] == 0


def test_totals_come_four_times_a_second_at_most(target: Running) -> None:
    with websocket(target.http_port) as client:
        start = time.monotonic()
        for number in range(30):
            target.deliver(b"Subject: %d\r\n\r\nx\r\n" % number)
        told, total = 0, 0
        while total < 30:
            total = client.next("stats")["Total"]
            told += 1
        assert told <= (time.monotonic() - start) / 0.25 + 1


def test_two_clients_and_one_that_goes_away(target: Running) -> None:
    with websocket(target.http_port) as first:
        with websocket(target.http_port) as second:
            target.deliver(b"Subject: one\r\n\r\nx\r\n")
            assert second.next("new")["Subject"] == first.next("new")["Subject"] == "one"
        target.deliver(b"Subject: two\r\n\r\nx\r\n")
        assert first.next("new")["Subject"] == "two"
