"""Each endpoint as Mailpit 1.30.5 answers it: statuses, texts, shapes."""

import http.client
import json
import time
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.entrypoint.test_target.running import Running

RAW = (
    b"From: =?utf-8?q?J=C3=BCrgen?= <alice@a.example>\r\n"
    b'To: "Bob, B." <bob+Lists@b.example>\r\n'
    b"Cc: carol@c.example\r\n"
    b"Reply-To: reply@a.example\r\n"
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"Date: Sun, 1 Mar 2026 13:00:00 +0100\r\n"
    b"message-id: <m1@a.example>\r\n"
    b"X-Tags: News, b\r\n"
    b"\r\n"
    b"a text\r\n"
)
SUMMARY = {
    "MessageID": "m1@a.example",
    "Read": False,
    "From": {"Name": "Jürgen", "Address": "alice@a.example"},
    "To": [{"Name": "Bob, B.", "Address": "bob+Lists@b.example"}],
    "Cc": [{"Name": "", "Address": "carol@c.example"}],
    "Bcc": [{"Name": "", "Address": "hidden@h.example"}],
    "ReplyTo": [{"Name": "", "Address": "reply@a.example"}],
    "Subject": "Grüße",
    "Username": "",
    "Tags": ["b", "Lists", "News"],
    "Size": len(RAW),
    "Attachments": 0,
    "Snippet": "a text",
    "Extra": {
        "Envelope": {
            "From": "bounce@a.example",
            "To": ["bob+Lists@b.example", "carol@c.example", "hidden@h.example"],
        },
        "Client": {"Address": "127.0.0.1", "Helo": "client.example", "Port": 1025},
        "Login": "",
        "TLS": None,
        "Run": "Lists",
        "Verdict": None,
    },
}


def deliver_sample(target: Running) -> str:
    recipients = ["bob+Lists@b.example", "carol@c.example", "hidden@h.example"]
    return target.deliver(RAW, "bounce@a.example", recipients)


def test_a_list_has_totals_tags_and_summaries(target: Running) -> None:
    identity = deliver_sample(target)
    answer = target.get("/api/v1/messages")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    page = answer.json
    (item,) = page.pop("messages")
    assert page == {
        "total": 1,
        "unread": 1,
        "count": 1,
        "messages_count": 1,
        "messages_unread": 1,
        "start": 0,
        "tags": ["b", "Lists", "News"],
    }
    assert item.pop("ID") == identity
    assert item.pop("Created").endswith("Z")
    assert item == SUMMARY


def test_a_message_is_read_once_it_has_been_got(target: Running) -> None:
    identity = deliver_sample(target)
    message = target.get(f"/api/v1/message/{identity}").json
    assert message.pop("Created").endswith("Z")
    shared = {key: SUMMARY[key] for key in SUMMARY if key not in {"Attachments", "Snippet", "Read"}}
    assert message == {
        **shared,
        "ID": identity,
        "Read": True,
        "ReturnPath": "bounce@a.example",
        "Date": "2026-03-01T13:00:00+01:00",
        "Text": "a text\n",
        "HTML": "",
        "Inline": [],
        "Attachments": [],
        "ListUnsubscribe": {"Header": "", "Links": [], "Errors": "", "HeaderPost": ""},
    }
    assert target.get("/api/v1/messages").json["unread"] == 0


def test_headers_have_gos_names_and_what_mailpit_would_have_written(target: Running) -> None:
    identity = deliver_sample(target)
    headers = target.get(f"/api/v1/message/{identity}/headers").json
    assert headers["Message-Id"] == ["<m1@a.example>"]
    assert headers["Bcc"] == ["hidden@h.example"]
    assert headers["Return-Path"] == ["<bounce@a.example>"]
    assert headers["Subject"] == ["=?utf-8?q?Gr=C3=BC=C3=9Fe?="]
    assert list(headers) == sorted(headers)


def test_raw_is_the_message_byte_for_byte(target: Running) -> None:
    raw = b"Subject: \xff\xfe\r\nX: y\r\n\r\n..\r\n.\x00bin\xe9\r\n"
    identity = target.deliver(raw)
    answer = target.get(f"/api/v1/message/{identity}/raw")
    assert answer.body == raw
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    named = target.get(f"/api/v1/message/{identity}/raw", dl=1).headers["Content-Disposition"]
    assert named == f'attachment; filename="{identity}.eml"'


def test_pages(target: Running) -> None:
    for number in range(5):
        target.deliver(b"Subject: number %d\r\n\r\nx\r\n" % number)
    page = target.get("/api/v1/messages", start=1, limit=2).json
    assert [item["Subject"] for item in page["messages"]] == ["number 3", "number 2"]
    assert (page["count"], page["total"], page["start"]) == (2, 5, 1)
    assert target.get("/api/v1/messages", limit=0).json["messages"] == []
    assert target.get("/api/v1/messages", limit=10**18).json["count"] == 5
    assert target.get("/api/v1/messages", limit="x", start=-3).json["count"] == 5
    assert target.get("/api/v1/messages", before="2020-01-01").json["messages_count"] == 0
    beyond = target.get("/api/v1/search", query="number", start=50).json
    assert (beyond["messages"], beyond["messages_count"]) == ([], 5)


def test_search_counts_what_matches_beside_the_mailbox(target: Running) -> None:
    first = target.deliver(b"Subject: Reset your password\r\n\r\nx\r\n")
    target.deliver(b"Subject: another\r\n\r\nyour\r\n")
    target.get(f"/api/v1/message/{first}")
    # As cypress-mailpit sends it: only the first word belongs to `subject:`.
    page = target.get("/api/v1/search", query="subject:Reset your password").json
    assert [item["ID"] for item in page["messages"]] == [first]
    numbers = [page[key] for key in ("total", "unread", "messages_count", "messages_unread")]
    assert numbers == [2, 1, 1, 0]
    assert target.get("/api/v1/search", query=" ").text == "Error: no search query"
    assert target.get("/api/v1/search").status == 400
    assert target.get("/api/v1/search", query="x" * 9000).status == 400


def test_latest_is_the_newest_that_matches(target: Running) -> None:
    assert target.get("/api/v1/message/latest").status == 404
    target.deliver(b"Subject: one\r\n\r\nx\r\n")
    target.deliver(b"Subject: two\r\n\r\nx\r\n")
    assert target.get("/api/v1/message/latest").json["Subject"] == "two"
    assert target.get("/api/v1/message/latest", query="subject:one").json["Subject"] == "one"
    missing = target.get("/api/v1/message/latest/raw", query="subject:three")
    assert (missing.status, missing.text) == (404, "Message not found")


def test_read_state_of_some_of_a_search_of_all(target: Running) -> None:
    ids = [target.deliver(b"Subject: s%d\r\n\r\nx\r\n" % number) for number in range(3)]

    def unread() -> list[str]:
        items = target.get("/api/v1/messages").json["messages"]
        return sorted(item["Subject"] for item in items if not item["Read"])

    def put(**body: object) -> str:
        return target.ask("PUT", "/api/v1/messages", body).text

    assert put(Read=True, IDs=ids[:1]) == "ok"
    assert unread() == ["s1", "s2"]
    assert put(Read=True, Search="subject:s1") == "ok"
    assert unread() == ["s2"]
    assert put(Read=False) == "ok"
    assert unread() == ["s0", "s1", "s2"]
    assert "not both" in put(Read=True, IDs=ids, Search="x")
    assert target.ask("PUT", "/api/v1/messages", b"ids=1&Read=True").status == 400


@pytest.mark.parametrize("body", [None, b"", b"{}", b'{"IDs": []}', b"ids=x", b"[", b'{"IDs": 5}'])
def test_a_delete_that_names_nothing_deletes_all(target: Running, body: bytes | None) -> None:
    target.deliver(b"Subject: s\r\n\r\nx\r\n")
    answer = target.ask("DELETE", "/api/v1/messages", body)
    assert (answer.status, answer.text) == (200, "ok")
    assert target.get("/api/v1/messages").json["total"] == 0


@pytest.mark.parametrize("asked", ["?rnu=one", "?run=", "?run=%20", "?run=one&limit=3"])
def test_a_parameter_that_is_none_deletes_nothing(target: Running, asked: str) -> None:
    target.deliver(b"Subject: s\r\n\r\nx\r\n")
    assert target.ask("DELETE", f"/api/v1/messages{asked}").status == 400
    assert target.get("/api/v1/messages").json["total"] == 1


def test_a_delete_names_messages_or_a_search(target: Running) -> None:
    ids = [target.deliver(b"Subject: s%d\r\n\r\nx\r\n" % number) for number in range(4)]
    target.ask("DELETE", "/api/v1/messages", {"IDs": [ids[0], "none such"]})
    target.ask("DELETE", "/api/v1/search?query=subject:s1")
    left = target.get("/api/v1/messages").json
    assert [item["Subject"] for item in left["messages"]] == ["s3", "s2"]
    assert left["total"] == 2
    assert target.get(f"/api/v1/message/{ids[0]}").text == "404 page not found"
    assert target.ask("DELETE", "/api/v1/search").status == 400
    misspelt = target.ask("DELETE", "/api/v1/search?query=before:yesterdy")
    assert misspelt.status == 400
    assert target.get("/api/v1/messages").json["total"] == 2


def test_tags(target: Running) -> None:
    identity = target.deliver(b"Subject: s\r\nX-Tags: Old\r\n\r\nx\r\n")

    def tags() -> tuple[list[str], list[str]]:
        (item,) = target.get("/api/v1/messages").json["messages"]
        return item["Tags"], target.get("/api/v1/tags").json

    body = {"IDs": [identity], "Tags": ["z & b", "A", "a", ""]}
    assert target.ask("PUT", "/api/v1/tags", body).text == "ok"
    assert tags() == (["A", "z b"], ["A", "z b"])
    assert target.get("/api/v1/search", query='tag:"Z B"').json["messages_count"] == 1
    assert target.get("/api/v1/search", query="tag:z").json["messages_count"] == 0
    assert target.ask("PUT", f"/api/v1/tags/{quote('z b')}", {"Name": "New"}).text == "ok"
    assert tags()[1] == ["A", "New"]
    assert target.ask("PUT", "/api/v1/tags/none", {"Name": "x"}).status == 400
    assert target.ask("PUT", "/api/v1/tags/New", {"Name": "&"}).status == 400
    assert target.ask("DELETE", "/api/v1/tags/new").text == "ok"
    assert tags() == (["A"], ["A"])
    target.ask("PUT", "/api/v1/tags", {"IDs": [identity], "Tags": []})
    assert tags() == ([], [])


def test_parts_are_served_with_their_types(target: Running) -> None:
    message = EmailMessage()
    message.set_content("text")
    message.add_alternative('<img src="cid:picture">', subtype="html")
    message.add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename="ä b.pdf")
    message.add_attachment(
        *(b"\x89PNG", "image", "png"), disposition="inline", cid="<picture>", filename="p.png"
    )
    identity = target.deliver(message.as_bytes())
    got = target.get(f"/api/v1/message/{identity}").json
    (attachment,), (inline,) = got["Attachments"], got["Inline"]
    assert (attachment["PartID"], attachment["FileName"]) == ("2", "ä b.pdf")
    assert attachment["ContentType"] == "application/pdf"
    assert (inline["PartID"], inline["ContentID"], inline["Size"]) == ("3", "picture", 4)
    part = target.get(f"/api/v1/message/{identity}/part/2")
    assert (part.body, part.headers["Content-Type"]) == (b"%PDF-", "application/pdf")
    assert part.headers["Content-Disposition"] == 'inline; filename="%C3%A4%20b.pdf"'
    thumbnail = target.get(f"/api/v1/message/{identity}/part/3/thumb")
    assert thumbnail.headers["Content-Type"] == "image/jpeg"
    assert thumbnail.body.startswith(b"\xff\xd8\xff")
    assert target.get(f"/api/v1/message/{identity}/part/9").status == 404
    html = target.get(f"/view/{identity}.html")
    assert html.text.strip() == f'<img src="/api/v1/message/{identity}/part/3">'


def test_views(target: Running) -> None:
    assert target.get("/view/latest.txt").status == 404
    identity = target.deliver(b"Subject: s\r\n\r\nplain\r\n")
    assert target.get(f"/view/{identity}.txt").text == "plain\n"
    no_html = target.get("/view/latest.html")
    assert (no_html.status, no_html.text) == (404, "This message does not contain a HTML part")
    redirect = target.get("/view/latest")
    assert (redirect.status, redirect.headers["Location"]) == (302, f"/view/{identity}")


def test_checks_that_would_need_a_network_say_so(target: Running) -> None:
    text = target.deliver(b"Subject: s\r\n\r\nsee https://x.example/a?b=1.\r\n")
    unchecked = {"URL": "https://x.example/a?b=1", "StatusCode": 0, "Status": "not checked"}
    links = target.get(f"/api/v1/message/{text}/link-check", follow="true").json
    assert links == {"Errors": 0, "Links": [unchecked]}
    no_html = target.get(f"/api/v1/message/{text}/html-check")
    assert (no_html.status, no_html.text) == (400, "message does not contain HTML")
    html = target.deliver(b"Subject: s\r\nContent-Type: text/html\r\n\r\n<p>x</p>\r\n")
    assert target.get(f"/api/v1/message/{html}/html-check").json["Warnings"] == []
    release = target.ask("POST", f"/api/v1/message/{html}/release", {"To": ["x@x.example"]})
    assert (release.status, release.text.startswith("no relay")) == (400, True)
    assert target.get(f"/api/v1/message/{html}/sa-check").status == 404


def test_links_and_codes(target: Running) -> None:
    html = '<a href="https://x.example/reset">Reset <b>it</b></a> <p>Your code: <b>123 456</b></p>'
    identity = target.deliver(f"Subject: s\r\nContent-Type: text/html\r\n\r\n{html}\r\n".encode())
    found = target.get(f"/api/v1/message/{identity}/links").json
    assert found == {"Links": [{"URL": "https://x.example/reset", "Text": "Reset it"}]}
    assert target.get("/api/v1/message/latest/codes").json == {"Codes": ["123456"]}


def test_chaos_resets_what_is_not_named(target: Running) -> None:
    off = {
        "Sender": {"ErrorCode": 451, "Probability": 0},
        "Recipient": {"ErrorCode": 451, "Probability": 0},
        "Authentication": {"ErrorCode": 535, "Probability": 0},
    }
    assert target.ask("PUT", "/api/v1/chaos", {}).json == off
    sender = {"ErrorCode": 421, "Probability": 50}
    assert target.ask("PUT", "/api/v1/chaos", {"sender": sender}).json == {**off, "Sender": sender}
    assert target.get("/api/v1/chaos").json == {**off, "Sender": sender}
    for wrong in (
        {"ErrorCode": 399},
        {"ErrorCode": 450, "Probability": 101},
        5,
        {"ErrorCode": "x"},
    ):
        assert target.ask("PUT", "/api/v1/chaos", {"Sender": wrong}).status == 400
    assert target.get("/api/v1/chaos").json["Sender"] == sender


def test_runs_see_only_their_own(target: Running) -> None:
    for recipient in ("u+one@b.example", "u+two@b.example", "u+two@b.example"):
        target.deliver(b"Subject: s\r\n\r\nx\r\n", recipients=[recipient])
    page = target.get("/api/v1/messages", run="two").json
    assert [page[key] for key in ("total", "unread", "messages_count", "count")] == [2, 2, 2, 2]
    assert target.get("/api/v1/search", query="s", run="one").json["total"] == 1
    assert target.get("/api/v1/search", query="run:TWO").json["messages_count"] == 2
    latest = target.get("/api/v1/message/latest", run="one").json
    assert latest["Extra"]["Run"] == "one"
    target.ask("PUT", "/api/v1/messages?run=two", {"Read": True})
    assert target.get("/api/v1/messages").json["unread"] == 0
    target.ask("DELETE", "/api/v1/messages?run=two")
    assert target.get("/api/v1/messages").json["total"] == 1
    target.ask("DELETE", "/api/v1/search?query=subject:s&run=two")
    assert target.get("/api/v1/messages").json["total"] == 1


def test_sending_goes_through_smtp(target: Running) -> None:
    body = {
        "From": {"Email": "a@a.example", "Name": "Ä, A."},
        "To": [{"Email": "b@b.example", "Name": "B"}],
        "Bcc": ["c@c.example"],
        "Subject": "sübject\r\nX-Injected: yes",
        "Text": "text",
        "HTML": "<p>html</p>",
        "Attachments": [{"Content": "data:text/plain;base64,aGk=", "Filename": "a.txt"}],
        "Tags": ["t1", "t2"],
        "Headers": {"X-Own": "1"},
    }
    sent = target.ask("POST", "/api/v1/send", body)
    assert (sent.status, list(sent.json)) == (200, ["ID"])
    message = target.get(f"/api/v1/message/{sent.json['ID']}").json
    assert message["From"] == {"Name": "Ä, A.", "Address": "a@a.example"}
    assert message["Bcc"] == [{"Name": "", "Address": "c@c.example"}]
    assert message["Subject"] == "sübject X-Injected: yes"
    assert (message["Text"], message["HTML"]) == ("text\n", "<p>html</p>\n")
    assert message["Attachments"][0]["Size"] == 2
    assert message["Tags"] == ["t1", "t2"]
    headers = target.get(f"/api/v1/message/{sent.json['ID']}/headers").json
    assert headers["X-Own"] == ["1"]
    assert "X-Injected" not in headers


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"To": [{"Email": "x"}]}, "invalid From address"),
        ({"To": [{"Email": "not an address"}]}, "invalid To address: not an address"),
        ({}, "there is no recipient"),
        ({"Bcc": ["b@b.example\r\nRCPT TO:<x@x>"]}, "invalid Bcc address"),
        ({"To": "x"}, "To is no list"),
        ({"Bcc": ["b@b.example"], "Headers": {"subject": "x"}}, "cannot overwrite header"),
        ({"Bcc": ["b@b.example"], "Headers": {"X:": "x"}}, "cannot be written"),
        ({"Bcc": ["b@b.example"], "Attachments": [{"Content": "%"}]}, "error decoding base64"),
        ({"Bcc": ["refused@b.example"]}, "550 5.1.1 no such user"),
    ],
)
def test_what_cannot_be_sent_is_told_as_json(target: Running, body: dict, error: str) -> None:  # type: ignore[type-arg]
    whole = {"From": {"Email": "a@a.example"}, **body}
    if error.startswith("invalid From"):
        whole["From"] = {"Email": ""}
    answer = target.ask("POST", "/api/v1/send", whole)
    assert answer.status == 400
    assert error in answer.json["Error"]


def test_health_info_and_metrics(target: Running) -> None:
    target.deliver(b"Subject: s\r\nX-Tags: t\r\n\r\nx\r\n")
    for path in ("/livez", "/readyz"):
        assert (target.get(path).status, target.get(path).body) == (200, b"")
    info = target.get("/api/v1/info").json
    assert (info["Version"], info["LatestVersion"], info["Messages"]) == ("v1.30.5", "", 1)
    assert info["Tags"] == {"t": 1}
    assert target.get("/api/v1/webui").json["MessageRelay"]["Enabled"] is False
    metrics = target.get("/metrics").text
    for name in (
        *("messages", "messages_unread", "messages_deleted_total", "smtp_accepted_total"),
        *("smtp_accepted_size_bytes_total", "smtp_rejected_total", "smtp_ignored_total"),
        *("database_size_bytes", "memory_usage_bytes", "uptime_seconds"),
    ):
        assert f"\nmailpit_{name} " in metrics
    assert 'mailpit_tag_messages{tag="t"} 1.0' in metrics


def test_large_answers_are_compressed_for_who_can_read_them(target: Running) -> None:
    target.deliver(b"Subject: s\r\n\r\n" + b"word " * 1000)
    answer = target.ask("GET", "/view/latest.txt", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"


def test_other_paths_and_methods(target: Running) -> None:
    assert (target.get("/api/v1/nothing").status, target.get("/nothing").status) == (404, 404)
    assert target.ask("POST", "/api/v1/messages").status == 405
    assert target.ask("HEAD", "/livez").status == 200
    assert target.get("//api/v1//messages").status == 200


def test_the_store_that_is_full_refuses_and_says_why(tmp_path: Path) -> None:
    from tests.entrypoint.test_target.running import running

    with running(tmp_path / "store.db", keep="400000") as small:
        identity = small.deliver(b"Subject: s\r\n\r\nx\r\n")
        body = {
            "From": {"Email": "a@a.example"},
            "Bcc": ["b@b.example"],
            "Text": "x y z " * 60_000,
        }
        refused = small.ask("POST", "/api/v1/send", body)
        assert refused.status == 400
        assert "452" in refused.json["Error"]
        assert "400000 bytes" in refused.json["Error"]
        assert small.get("/api/v1/messages").json["messages"][0]["ID"] == identity


def test_an_answer_does_not_wait_for_the_clients_acknowledgement(target: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", target.http_port, timeout=30)
    times = []
    for _ in range(20):
        start = time.monotonic()
        connection.request("GET", "/api/v1/messages")
        connection.getresponse().read()
        times.append(time.monotonic() - start)
    connection.close()
    # It comes after 40 ms on Linux.
    assert min(times[1:]) < 0.035


def test_json_of_hostile_mail_is_json(target: Running) -> None:
    raw = b"Subject: \xff\x00\r\nFrom: \xe9 <\xff@x>\r\nDate: \xff\r\n\r\n\xff\x00\r\n"
    identity = target.deliver(raw)
    assert json.dumps(target.get(f"/api/v1/message/{identity}").json)
    assert target.get("/api/v1/search", query="from:x").json["messages_count"] == 1
