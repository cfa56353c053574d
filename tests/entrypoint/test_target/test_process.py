"""The whole target process with the real filter at its socket."""

import json
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import dns.rcode
import pytest

from entrypoint.test_target.front import proxy_header
from filters.capture.frames import frame
from filters.credentials import crypt
from tests.entrypoint.test_target.whole_target import ROOT, WholeTarget, whole_target
from tests.filters.program import SESSION, Program

ZONE = {
    "far.example": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]},
    "_dmarc.far.example": {"TXT": ["v=DMARC1; p=reject"]},
    "1.2.0.192.in-addr.arpa": {"PTR": ["far.example"]},
    "late.example": "TIMEOUT",
}
RECEIVED = (
    "Received: from far.example (far.example [192.0.2.1])",
    "\tby mail.example.org (OpenSMTPD) with ESMTP id 01234567;",
    "\tFri, 27 Nov 2026 00:49:40 +0000 (UTC)",
)
FAULT = {"match": {"phase": "helo"}, "script": [{"reply": "451 4.3.0 x"}]}
MAIL = ("From: x@far.example", "Subject: hi", "", "body")


def filter_of(target: WholeTarget, *options: str) -> Program:
    return Program("filters.capture", target.capture, "mail.example.org", *options)


def send(smtpd: Program, to: str = "bob@b.example", *lines: str, **more: str) -> str:
    return smtpd.send(more.get("sender", "x@far.example"), to, (*RECEIVED, *(lines or MAIL)))


def connect(smtpd: Program) -> None:
    smtpd.report("link-connect", "far.example", "pass", "192.0.2.1:4711", "192.0.2.9:25")
    smtpd.report("link-identify", "EHLO", "far.example")


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeTarget]:
    folder = tmp_path_factory.mktemp("target")
    zone = folder / "zone.json"
    zone.write_text(json.dumps(ZONE))
    with whole_target(folder, zone_file=str(zone)) as target:
        yield target


@pytest.fixture(scope="module")
def shared(target: WholeTarget) -> Iterator[Program]:
    """smtpd's end of the filter, connected."""
    assert target.get("/readyz").status == 503
    assert target.log == []
    with filter_of(target) as smtpd:
        target.wait_for("accessible via http://mail.example.org:")
        connect(smtpd)
        yield smtpd


@pytest.fixture
def smtpd(shared: Program, target: WholeTarget) -> Program:
    target.empty()
    target.ask("DELETE", "/api/v1/faults")
    return shared


def fault(target: WholeTarget, phase: str, *script: dict[str, Any], run: str | None = None) -> None:
    body = {"match": {"phase": phase}, "script": list(script), **({"run": run} if run else {})}
    assert target.ask("POST", "/api/v1/faults", body).status == 200


def total(target: WholeTarget, query: str = "") -> int:
    path = "/api/v1/search" if query else "/api/v1/messages"
    found: int = target.get(path, **({"query": query} if query else {})).json["messages_count"]
    return found


def test_ready_is_said_once_all_is(target: WholeTarget, smtpd: Program) -> None:
    assert target.get("/readyz").status == 200
    line = target.wait_for("accessible via")
    assert f"http://mail.example.org:{target.http_port}/ and smtp://mail.example.org:" in line


def test_a_message_is_stored_with_its_verdict_before_the_reply(
    target: WholeTarget, smtpd: Program
) -> None:
    assert send(smtpd, "bob+w1@b.example") == "proceed"
    message = target.get("/api/v1/message/latest").json
    extra = message["Extra"]
    assert extra["Run"] == "w1"
    assert extra["Client"] == {"Address": "192.0.2.1", "Helo": "far.example", "Port": 25}
    assert extra["Verdict"]["SPF"]["Result"] == "pass"
    assert extra["Verdict"]["DMARC"]["Result"] == "pass"
    raw = target.get(f"/api/v1/message/{message['ID']}/raw").body
    assert raw == "".join(f"{line}\r\n" for line in MAIL).encode()


def test_a_zone_that_was_set_holds_for_the_next_message_of_its_run_alone(
    target: WholeTarget, smtpd: Program
) -> None:
    for record, result in (("v=spf1 -all", "fail"), ("v=spf1 +all", "pass"), ("nothing", "none")):
        zone = {"far.example": {"TXT": [record]}}
        assert target.ask("PUT", "/api/v1/dns?run=w1", zone).status == 200
        send(smtpd, "bob+w1@b.example")
        assert target.extra("w1")["Verdict"]["SPF"]["Result"] == result
        send(smtpd, "bob+w2@b.example")
        assert target.extra("w2")["Verdict"]["SPF"]["Result"] == "pass"
    target.ask("DELETE", "/api/v1/dns?run=w1")
    send(smtpd, "bob+w1@b.example")
    assert target.extra("w1")["Verdict"]["SPF"]["Result"] == "pass"


def test_faults_hit_their_run_and_end(target: WholeTarget, smtpd: Program) -> None:
    fault(target, "rcpt-to", {"reply": "451 4.7.1 twice", "times": 2}, run="w1")
    assert smtpd.ask("rcpt-to", "bob+w2@b.example") == "proceed"
    assert smtpd.ask("rcpt-to", "bob+w1@b.example") == "reject|451 4.7.1 twice"
    assert smtpd.ask("rcpt-to", "bob+w1@b.example") == "reject|451 4.7.1 twice"
    assert send(smtpd, "bob+w1@b.example") == "proceed"


def test_a_message_that_a_fault_refuses_is_not_stored_and_one_that_is_cut_off_behind_is(
    target: WholeTarget, smtpd: Program
) -> None:
    before = metric(target, "mailpit_smtp_rejected_total")
    fault(target, "message", {"reply": "552 5.2.2 full"})
    assert send(smtpd) == "reject|552 5.2.2 full"
    assert total(target) == 0
    assert metric(target, "mailpit_smtp_rejected_total") == before + 1
    target.ask("DELETE", "/api/v1/faults")
    fault(target, "accepted", {"disconnect": True})
    assert send(smtpd).startswith("reject|421 ")
    assert total(target) == 1


def test_a_notification_follows_to_the_sender_and_to_nobody_for_the_null_sender(
    target: WholeTarget, smtpd: Program
) -> None:
    fault(target, "message", {"dsn": "5.1.1", "times": 2}, run="w1")
    assert send(smtpd, "bob+w1@b.example", sender="") == "proceed"
    assert send(smtpd, "bob+w1@b.example", "X-Test-Run: w1", "Subject: late", "", "") == "proceed"
    wait = target.get("/api/v1/wait", query="subject:notification", timeout="10s")
    assert wait.status == 200
    found = target.get("/api/v1/search", query="subject:notification").json["messages"]
    assert [each["Extra"]["Envelope"] for each in found] == [{"From": "", "To": ["x@far.example"]}]
    assert found[0]["Extra"]["Run"] == "w1"
    raw = target.get(f"/api/v1/message/{found[0]['ID']}/raw").text
    assert "Final-Recipient: rfc822; bob+w1@b.example\r\nAction: failed\r\nStatus: 5.1.1" in raw
    assert "\r\nSubject: late\r\n" in raw


def test_a_notification_names_the_recipients_that_match_alone(
    target: WholeTarget, smtpd: Program
) -> None:
    match = {"phase": "message", "recipient": "B*@b.example"}
    body = {"match": match, "script": [{"dsn": "5.1.1"}]}
    assert target.ask("POST", "/api/v1/faults", body).status == 200
    smtpd.report("tx-begin", "01234567")
    smtpd.report("tx-mail", "01234567", "ok", "x@far.example")
    for recipient in ("ann@b.example", "bob@b.example", "ben@b.example"):
        smtpd.report("tx-rcpt", "01234567", "ok", recipient)
    for line in (*RECEIVED, *MAIL, "."):
        request = f"filter|0.7|1.1|smtp-in|data-line|{SESSION}|data|{line}\n"
        smtpd.socket.sendall(request.encode())
    smtpd.until(b"|data|.")
    assert smtpd.ask("commit") == "proceed"
    smtpd.report("tx-reset", "01234567")
    assert target.get("/api/v1/wait", query="subject:notification", timeout="10s").status == 200
    (found,) = target.get("/api/v1/search", query="subject:notification").json["messages"]
    raw = target.get(f"/api/v1/message/{found['ID']}/raw").text
    named = [line for line in raw.splitlines() if line.startswith("Final-Recipient:")]
    assert named == [f"Final-Recipient: rfc822; {name}@b.example" for name in ("bob", "ben")]
    assert "ann@" not in raw


def test_chaos_is_a_fault(target: WholeTarget, smtpd: Program) -> None:
    trigger = {"Sender": {"ErrorCode": 452, "Probability": 100}}
    assert target.ask("PUT", "/api/v1/chaos", trigger).status == 200
    assert smtpd.ask("mail-from", "x@far.example").startswith("reject|452 ")
    target.ask("PUT", "/api/v1/chaos", {})
    assert smtpd.ask("mail-from", "x@far.example") == "proceed"


def ask_name(target: WholeTarget, name: str, rdtype: str) -> dns.message.Message:
    port = json.loads((target.folder / "target.json").read_text())["name_server"].rpartition(":")[2]
    query = dns.message.make_query(name, rdtype)
    return dns.query.udp(query, "127.0.0.1", timeout=5, port=int(port))


def test_the_name_server_knows_the_zones_and_keeps_nobody_waiting(
    target: WholeTarget, smtpd: Program
) -> None:
    assert "far.example." in str(ask_name(target, "1.2.0.192.in-addr.arpa", "PTR").answer)
    started = time.monotonic()
    assert ask_name(target, "late.example", "A").rcode() == dns.rcode.SERVFAIL
    assert time.monotonic() - started < 1
    assert ask_name(target, "nobody.example", "A").rcode() == dns.rcode.NXDOMAIN
    target.ask("PUT", "/api/v1/dns?run=w1", {"run.example": {"A": ["192.0.2.7"]}})
    assert "192.0.2.7" in str(ask_name(target, "run.example", "A").answer)
    target.ask("DELETE", "/api/v1/dns?run=w1")
    assert ask_name(target, "run.example", "A").rcode() == dns.rcode.NXDOMAIN


def test_the_socket_is_for_its_group_alone(target: WholeTarget) -> None:
    assert stat.S_IMODE(Path(target.capture).stat().st_mode) == 0o660


def log_in(target: WholeTarget, question: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as asker:
        asker.settimeout(5)
        asker.connect(target.logins)
        asker.sendall(question)
        asker.shutdown(socket.SHUT_WR)
        return asker.recv(64)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (b"me@x.example\0secret", b"right\n"),
        (b"me@x.example\0secret\x00192.0.2.1", b"right\n"),
        (b"\xff\0\xff", b"right\n"),
        (b"\0secret", b"wrong\n"),
        (b"", b"wrong\n"),
        (b"x" * 2_100, b"wrong\n"),
    ],
)
def test_any_login_is_right(target: WholeTarget, question: bytes, answer: bytes) -> None:
    assert log_in(target, question) == answer


def test_only_the_accounts_logins_are_right(tmp_path: Path) -> None:
    hashed = (crypt(b"secret", b"$5$rounds=1000$saltsalt$") or b"").decode()
    logins = tmp_path / "logins.json"
    logins.write_text(
        json.dumps({"logins": {"me@x.example": {"hashes": [{"name": "", "hash": hashed}]}}})
    )
    with whole_target(tmp_path, logins=str(logins)) as target:
        for question, answer in (
            (b"ME@x.example\0secret", b"right\n"),
            (b"me@x.example\0secret\x00192.0.2.1", b"right\n"),
            (b"me@x.example\0wrong", b"wrong\n"),
            (b"you@x.example\0secret", b"wrong\n"),
            (b"me@x.example\0", b"wrong\n"),
        ):
            assert log_in(target, question) == answer


def test_a_full_store_says_so_and_takes_mail_again_when_there_is_room(tmp_path: Path) -> None:
    with whole_target(tmp_path, keep_bytes=400_000) as target, filter_of(target) as smtpd:
        target.wait_for("accessible via")
        connect(smtpd)
        large = ("Subject: large", "", *(["z" * 70] * 800))
        replies = [send(smtpd, "bob@b.example", *large) for _ in range(8)]
        assert replies[0] == "proceed"
        assert replies[-1].startswith("reject|452 4.3.1 the stored messages take 4000")
        assert total(target) == replies.count("proceed")


def test_a_kill_loses_nothing_that_was_passed_and_the_next_process_goes_on(tmp_path: Path) -> None:
    with whole_target(tmp_path) as first, filter_of(first) as smtpd:
        first.wait_for("accessible via")
        connect(smtpd)
        assert send(smtpd, "bob@b.example", "Subject: one", "", "") == "proceed"
        first.process.kill()
        first.process.wait()
        assert send(smtpd).startswith("reject|451 4.3.0 ")
        with whole_target(tmp_path) as second:
            second.wait_for("accessible via")
            fault(second, "mail-from", {"reply": "451 4.3.0 x"})
            assert smtpd.ask("mail-from", "x@far.example") == "reject|451 4.3.0 x"
            assert send(smtpd, "bob@b.example", "Subject: two", "", "") == "proceed"
            items = second.get("/api/v1/messages").json["messages"]
            assert [item["Subject"] for item in items] == ["two", "one"]


def test_an_answer_means_that_the_filter_has_it(tmp_path: Path) -> None:
    with whole_target(tmp_path) as target, socket.socket(socket.AF_UNIX) as end:
        end.settimeout(20)
        end.connect(target.capture)
        with end.makefile("rb") as file, ThreadPoolExecutor(1) as asking:

            def hear() -> dict[str, Any]:
                json_length, body_length = struct.unpack(">II", file.read(8))
                header: dict[str, Any] = json.loads(file.read(json_length))
                assert body_length == 0
                return header

            def holds(statement: dict[str, Any]) -> None:
                end.sendall(frame({"state": statement["state"]}))

            while not (said := hear()).get("complete"):
                holds(said)
            holds(said)
            for method, path, body, key in (
                ("PUT", "/api/v1/dns?run=w1", ZONE, "zone"),
                ("DELETE", "/api/v1/dns?run=w1", None, "zone"),
                ("POST", "/api/v1/faults", FAULT, "faults"),
                ("DELETE", "/api/v1/faults", None, "faults"),
            ):
                asked = asking.submit(target.ask, method, path, body)
                said = hear()
                assert key in said
                with pytest.raises(TimeoutError):
                    asked.result(0.2)
                holds(said)
                assert asked.result(20).status == 200


@pytest.mark.parametrize("needed", [{"smtp_login_required": True}, {"smtp_tls": "required"}])
def test_what_http_sends_comes_to_smtpd_itself(tmp_path: Path, needed: dict[str, Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as smtpd:
        smtpd.settimeout(20)
        place = smtpd.getsockname()
        with (
            whole_target(tmp_path, backend=place, **needed) as target,
            ThreadPoolExecutor(1) as asking,
        ):
            mail = {
                "From": {"Email": "a@b.example"},
                "To": [{"Email": "c@d.example"}],
                "Subject": "x",
                "Text": "y",
            }
            asked = asking.submit(target.ask, "POST", "/api/v1/send", mail)
            link, client = smtpd.accept()
            with link:
                link.settimeout(20)
                header = link.recv(28, socket.MSG_WAITALL)
                link.sendall(b"554 5.3.2 not now\r\n")
            answer = asked.result(20)
    assert header == proxy_header(client, place)
    assert (answer.status, "554 5.3.2 not now" in answer.text) == (400, True)


def test_it_ends_in_time_with_a_client_that_waits_and_a_message_under_way(tmp_path: Path) -> None:
    with whole_target(tmp_path) as target, filter_of(target) as smtpd:
        target.wait_for("accessible via")
        connect(smtpd)
        waiting = socket.create_connection(("127.0.0.1", target.http_port))
        waiting.sendall(
            b"GET /api/v1/wait?query=never&timeout=60s HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        idle = socket.create_connection(("127.0.0.1", target.smtp_port))
        fault(target, "message", {"delay": 30})
        smtpd.report("tx-begin", "01234567")
        smtpd.report("tx-mail", "01234567", "ok", "x@far.example")
        smtpd.report("tx-rcpt", "01234567", "ok", "bob@b.example")
        for line in (*RECEIVED, *MAIL, "."):
            request = f"filter|0.7|1.1|smtp-in|data-line|{SESSION}|data|{line}\n"
            smtpd.socket.sendall(request.encode())
        deadline = time.monotonic() + 10
        while (
            not target.get("/api/v1/faults").json["faults"][0]["hits"]
            and time.monotonic() < deadline
        ):
            pass
        started = time.monotonic()
        target.process.send_signal(signal.SIGTERM)
        assert target.process.wait(10) == 0
        assert time.monotonic() - started < 3
        waiting.close()
        idle.close()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"hostname": 5}, "hostname: "),
        ({"unknown": 1}, "unknown: "),
        ({"zone_file": "/nowhere/zone.json"}, "/nowhere/zone.json"),
        ({"logins": "/nowhere/logins.json"}, "/nowhere/logins.json"),
        ({"database": "/nowhere/messages.sqlite"}, "unable to open database file"),
        ({"http_address": "192.0.2.1"}, "of 192.0.2.1: "),
        ({"name_server": "192.0.2.1:53"}, "the name server cannot listen at 192.0.2.1:53: "),
    ],
)
def test_what_it_cannot_do_it_says_and_ends(
    tmp_path: Path, settings: dict[str, Any], words: str
) -> None:
    with whole_target(tmp_path, **settings) as target:
        assert target.process.wait(20) == 2
        target.wait_for(words)


def metric(target: WholeTarget, name: str) -> float:
    for line in target.get("/metrics").text.splitlines():
        if line.startswith(name):
            return float(line.rpartition(" ")[2])
    raise AssertionError(name)


def test_a_production_filter_loads_nothing_of_it() -> None:
    code = (
        "import sys, filters.inbound, filters.submission, filters.logins\n"
        "print([m for m in sys.modules if m.startswith(('filters.capture', 'entrypoint',"
        " 'starlette', 'uvicorn'))])"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "[]"
