"""The filter of test mode, as smtpd has it, and a target that does what a case wants."""

import base64
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from filters.capture.handlers import login_of, without_bcc
from tests.filters.capture.fake_target import FakeTarget
from tests.filters.program import SESSION, Program

RECEIVED = (
    "Received: from far.example (far.example [192.0.2.1])",
    "\tby mail.example.org (OpenSMTPD) with ESMTP id 01234567",
    "\tfor <bob+w1@b.example>;",
    "\tFri, 27 Nov 2026 00:49:40 +0000 (UTC)",
)
MAIL = ("From: x@far.example", "Subject: hi", "", "body")
RAW = b"From: x@far.example\r\nSubject: hi\r\n\r\nbody\r\n"
ZONE = {
    "far.example": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]},
    "_dmarc.far.example": {"TXT": ["v=DMARC1; p=reject"]},
}


@pytest.fixture
def target(tmp_path: Path) -> Iterator[FakeTarget]:
    with FakeTarget(tmp_path / "capture") as target:
        yield target


def program(target: FakeTarget, *options: str) -> Program:
    return Program("filters.capture", str(target.path), "mail.example.org", *options)


def connected(smtpd: Program, session: str = SESSION, port: int = 4711) -> None:
    tell(smtpd, session, "link-connect", "far.example", "pass", f"192.0.2.1:{port}", "192.0.2.9:25")
    tell(smtpd, session, "link-greeting", "mail.example.org")
    tell(smtpd, session, "link-identify", "EHLO", "far.example")


def tell(smtpd: Program, session: str, event: str, *fields: str) -> None:
    text = "|".join(["report|0.7|1.1|smtp-in", event, session, *fields])
    smtpd.socket.sendall(text.encode("utf-8", "surrogateescape") + b"\n")


def ask(smtpd: Program, phase: str, parameter: str = "", session: str = SESSION) -> None:
    request = f"filter|0.7|1.1|smtp-in|{phase}|{session}|{phase}|{parameter}\n"
    smtpd.socket.sendall(request.encode())


def begin(
    smtpd: Program,
    lines: tuple[str, ...] = MAIL,
    session: str = SESSION,
    recipients: tuple[str, ...] = ("bob+w1@b.example",),
    sender: str = "x@far.example",
) -> None:
    """A transaction up to the end of its message."""
    tell(smtpd, session, "tx-begin", "01234567")
    tell(smtpd, session, "tx-mail", "01234567", "ok", sender)
    for recipient in recipients:
        tell(smtpd, session, "tx-rcpt", "01234567", "ok", recipient)
    for line in (*RECEIVED, *lines, "."):
        smtpd.socket.sendall(
            f"filter|0.7|1.1|smtp-in|data-line|{session}|data|".encode()
            + line.encode("utf-8", "surrogateescape")
            + b"\n"
        )


def commit(smtpd: Program, session: str = SESSION) -> str:
    """smtpd's half once the filter has given the message back."""
    smtpd.until(f"filter-dataline|{session}|data|.".encode())
    ask(smtpd, "commit", session=session)
    head = f"filter-result|{session}|commit|".encode()
    while not (line := smtpd.answers.readline()).startswith(head):
        assert line
    tell(smtpd, session, "tx-reset", "01234567")
    return line.removeprefix(head).decode().strip()


def answer(target: FakeTarget, **what: Any) -> tuple[dict[str, Any], bytes]:
    """Take a question, and answer it."""
    header, body = target.receive()
    target.send({**what, "id": header["id"]})
    return header, body


def test_the_message_is_handed_over_with_all_that_is_known_before_it_is_passed(
    target: FakeTarget,
) -> None:
    with program(target) as smtpd:
        target.accept({"zone": "", "names": ZONE})
        connected(smtpd)
        tell(smtpd, SESSION, "link-tls", "TLSv1.3:TLS_AES_256_GCM_SHA384:256")
        tell(smtpd, SESSION, "link-auth", "pass", "me@x.example")
        begin(smtpd, recipients=("ann@a.example", "bob+w1@b.example"))
        header, body = target.receive()
        # smtpd has nothing back before the answer.
        smtpd.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            smtpd.socket.recv(1, socket.MSG_PEEK)
        smtpd.socket.settimeout(20)
        target.send({"id": header["id"], "stored": "x"})
        assert commit(smtpd) == "proceed"
    raw, head = body[: header["message"]], body[header["message"] :]
    assert raw == RAW
    assert header["below"]
    assert head.startswith(b"Authentication-Results: mail.example.org;")
    assert head.endswith("".join(f"{line}\r\n" for line in RECEIVED).encode())
    assert (header["client"], header["port"], header["listener"]) == ("192.0.2.1", 4711, 25)
    assert header["tls"] == ["TLSv1.3", "TLS_AES_256_GCM_SHA384"]
    assert header["login"] == "me@x.example"
    assert header["helo"] == "far.example"
    assert header["sender"] == "x@far.example"
    assert header["recipients"] == ["ann@a.example", "bob+w1@b.example"]
    assert header["run"] == "w1"
    assert header["runs"] == ["w1", "a.example", "b.example"]
    verdict = header["verdict"]
    assert verdict["SPF"]["Result"] == "pass"
    assert verdict["SPF"]["Reason"] == "matched ip4:192.0.2.1"
    assert verdict["DMARC"]["Result"] == "pass"
    assert {"Name": "far.example", "Type": "TXT", "Result": "NOERROR"}.items() <= next(
        each.items() for each in verdict["DNS"] if each["Name"] == "far.example"
    )
    # Production would know nothing of the login.
    assert "auth=pass" not in verdict["AuthenticationResults"]
    assert b"auth=pass" not in head


def test_each_run_has_its_own_dns_and_a_change_holds_for_the_next_message(
    target: FakeTarget,
) -> None:
    results = {}
    with program(target) as smtpd:
        target.accept({"zone": "", "names": ZONE}, {"zone": "w2", "names": {"far.example": {}}})
        connected(smtpd)
        for name, to in (("all", "bob@b.example"), ("w2", "bob+w2@b.example")):
            begin(smtpd, recipients=(to,))
            header, _ = answer(target)
            results[name] = header["verdict"]["SPF"]["Result"]
            assert commit(smtpd) == "proceed"
        target.state({"zone": "w2", "names": {"far.example": {"TXT": "TIMEOUT"}}})
        begin(smtpd, ("X-Test-Run: W2", *MAIL))
        header, _ = answer(target)
        results["changed"] = header["verdict"]["SPF"]["Result"]
        assert header["run"] == "w2"
        assert commit(smtpd) == "proceed"
        target.state({"zone": "w2", "names": None})
        begin(smtpd, recipients=("bob+w2@b.example",))
        header, _ = answer(target)
        results["gone"] = header["verdict"]["SPF"]["Result"]
        commit(smtpd)
    assert results == {"all": "pass", "w2": "none", "changed": "temperror", "gone": "pass"}


@pytest.mark.parametrize(
    ("policy", "enforce", "disposition", "stored", "verdict"),
    [
        ("reject", "no", "reject", True, "proceed"),
        ("quarantine", "no", "quarantine", True, "proceed"),
        ("none", "no", "none", True, "proceed"),
        ("reject", "yes", "reject", False, "reject|550 5.7.26 refused by the DMARC policy"),
        ("quarantine", "yes", "quarantine", True, "proceed"),
        ("reject", "quarantine", "quarantine", True, "proceed"),
    ],
)
def test_what_production_would_do_is_told_and_done_only_if_it_is_enforced(
    target: FakeTarget, policy: str, enforce: str, disposition: str, stored: bool, verdict: str
) -> None:
    zone = {**ZONE, "far.example": {"TXT": ["v=spf1 -all"]}}
    zone["_dmarc.far.example"] = {"TXT": [f"v=DMARC1; p={policy}"]}
    with program(target, "--dmarc-enforce", enforce) as smtpd:
        target.accept({"zone": "", "names": zone})
        connected(smtpd)
        begin(smtpd)
        header, body = target.receive()
        if stored:
            target.send({"id": header["id"]})
            assert header["verdict"]["Disposition"] == disposition
            assert header["verdict"]["Enforced"] is (enforce != "no")
            assert header["junk"] is (disposition == "quarantine")
            assert (b"X-Spam: yes\r\n" in body) is header["junk"]
        else:
            assert header["refused"].startswith(verdict.removeprefix("reject|"))
        assert commit(smtpd).startswith(verdict)


@pytest.mark.parametrize("of_front", [True, False])
@pytest.mark.parametrize(
    ("enforce", "reply"), [("no", "proceed"), ("yes", "reject|550 5.7.26 refused by the DMARC")]
)
def test_a_login_spares_no_message_its_domains_policy(
    target: FakeTarget, of_front: bool, enforce: str, reply: str
) -> None:
    zone = {**ZONE, "far.example": {"TXT": ["v=spf1 -all"]}}
    known = {"login": "me@x.example", "tls": "", "cipher": ""}
    with program(target, "--dmarc-enforce", enforce) as smtpd:
        target.accept({"zone": "", "names": zone}, {"front": 25 if of_front else 0})
        connected(smtpd)
        if of_front:
            target.state({"client": ["192.0.2.1", 4711], "known": known})
        else:
            tell(smtpd, SESSION, "link-auth", "pass", "me@x.example")
        for _ in range(2):  # the login is still known behind the first
            begin(smtpd)
            header, _ = target.receive()
            if enforce == "no":
                assert header["login"] == "me@x.example"
                assert header["verdict"]["Disposition"] == "reject"
                target.send({"id": header["id"]})
            assert commit(smtpd).startswith(reply)


def test_who_is_gone_defers_mail_and_what_comes_after_its_return_is_stored(
    target: FakeTarget,
) -> None:
    with program(target) as smtpd:
        target.accept()
        connected(smtpd)
        begin(smtpd)
        target.receive()
        target.end()
        assert commit(smtpd) == (
            "reject|451 4.3.0 the process that stores messages does not answer, please try again"
            " later"
        )
        begin(smtpd)
        assert commit(smtpd).startswith("reject|451 4.3.0 ")
        begin(smtpd)
        target.listen()
        target.accept({"zone": "", "names": ZONE})
        header, body = answer(target)
        assert body.startswith(RAW)
        assert header["verdict"]["SPF"]["Result"] == "pass"
        assert commit(smtpd) == "proceed"


def test_who_returns_says_anew_how_things_are(target: FakeTarget) -> None:
    known = {"login": "me@x.example", "tls": "", "cipher": ""}
    with program(target) as smtpd:
        target.accept(
            {"zone": "w1", "names": ZONE},
            {"faults": True},
            {"client": ["192.0.2.1", 4711], "known": known, "front": 25},
        )
        connected(smtpd)
        target.end()
        target.listen()
        target.accept()
        assert smtpd.ask("mail-from", "x@far.example") == "proceed"
        begin(smtpd)
        header, _ = answer(target)
        assert header["verdict"]["SPF"]["Result"] == "none"
        assert header["login"] == ""
        assert commit(smtpd) == "proceed"


def test_before_the_target_is_there_commands_pass_and_nothing_ends(target: FakeTarget) -> None:
    target.end()
    with program(target) as smtpd:
        connected(smtpd)
        assert smtpd.ask("mail-from", "x@far.example") == "proceed"
        begin(smtpd)
        assert commit(smtpd).startswith("reject|451 4.3.0 ")


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\xff" * 4_096,
        b"\0\0\0\x02\0\0\0\0[]",
        b"\0\0\0\x02\0\0\0\0{}",
        b"\0\0\0\x09\0\0\0\0not json!",
        b'\0\0\0\x24\0\0\0\0{"state": 1, "zone": "", "names": 5}',
    ],
)
def test_nonsense_ends_the_connection_and_not_the_filter(
    target: FakeTarget, nonsense: bytes
) -> None:
    with program(target) as smtpd:
        target.accept()
        target.send_bytes(nonsense)
        assert target.connection
        assert target.connection.recv(1) == b""
        target.connection.close()
        target.accept({"zone": "", "names": ZONE})
        connected(smtpd)
        begin(smtpd)
        answer(target)
        assert commit(smtpd) == "proceed"


def test_a_message_that_waits_holds_no_other_up(target: FakeTarget) -> None:
    other = "fedcba9876543210"
    with program(target) as smtpd:
        target.accept()
        connected(smtpd)
        connected(smtpd, other, 4712)
        begin(smtpd)
        first, _ = target.receive()
        for _ in range(3):
            begin(smtpd, session=other)
            header, _ = answer(target)
            assert header["port"] == 4712
            assert commit(smtpd, other) == "proceed"
        target.send({"id": first["id"]})
        assert commit(smtpd) == "proceed"


def test_a_client_of_the_front_is_who_the_front_says(target: FakeTarget) -> None:
    known = {"login": "me@x.example", "tls": "TLSv1.2", "cipher": "AES128-SHA"}
    with program(target) as smtpd:
        target.accept({"front": 25})
        target.state({"client": ["192.0.2.1", 4711], "known": known})
        connected(smtpd)
        begin(smtpd)
        header, _ = answer(target)
        assert commit(smtpd) == "proceed"
        assert (header["login"], header["tls"]) == ("me@x.example", ["TLSv1.2", "AES128-SHA"])
        target.state({"client": ["192.0.2.1", 4711], "known": None})
        begin(smtpd)
        header, _ = answer(target)
        assert header["tls"] is None
        assert commit(smtpd) == "proceed"


def test_who_comes_to_another_port_from_the_same_is_somebody_else(target: FakeTarget) -> None:
    known = {"login": "me@x.example", "tls": "TLSv1.2", "cipher": "AES128-SHA"}
    with program(target) as smtpd:
        target.accept({"front": 10025}, {"client": ["192.0.2.1", 4711], "known": known})
        connected(smtpd)
        begin(smtpd)
        header, _ = answer(target)
        assert (header["login"], header["tls"]) == ("", None)
        assert commit(smtpd) == "proceed"


COMMANDS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("helo", "far.example", {"command": "helo"}),
    ("ehlo", "far.example", {"command": "helo"}),
    ("mail-from", "x+s1@far.example", {"sender": "x+s1@far.example", "runs": ["s1"]}),
    (
        "rcpt-to",
        "bob+w1@b.example",
        {"recipients": ["bob+w1@b.example"], "runs": ["w1", "b.example"]},
    ),
    ("data", "", {"command": "data"}),
    (
        "auth",
        "PLAIN " + base64.b64encode(b"\0me@x.example\0secret").decode(),
        {"command": "auth", "login": "me@x.example"},
    ),
)
STEPS: tuple[tuple[dict[str, Any], str], ...] = (
    ({}, "proceed"),
    ({"reply": "451 4.3.0 not now"}, "reject|451 4.3.0 not now"),
    ({"reply": "421 4.3.0 go"}, "disconnect|421 4.3.0 go"),
    ({"disconnect": True}, "disconnect|421 4.3.2 the connection ends here, as the test wants it"),
    ({"delay": 0.01, "reply": None, "disconnect": False}, "proceed"),
)


def test_while_there_are_faults_each_command_is_asked_about(target: FakeTarget) -> None:
    with program(target) as smtpd:
        target.accept()
        connected(smtpd)
        for phase, parameter, expected in COMMANDS:
            assert smtpd.ask(phase, parameter) == "proceed"
            target.state({"faults": True})
            for step, verdict in STEPS:
                ask(smtpd, phase, parameter)
                header, _ = answer(target, **step)
                assert expected.items() <= header.items()
                assert header["client"] == "192.0.2.1"
                assert "secret" not in str(header)
                head = f"filter-result|{SESSION}|{phase}|"
                assert smtpd.until(verdict.encode()).decode() == head + verdict
            target.state({"faults": False})
            assert smtpd.ask(phase, parameter) == "proceed"
    assert b"secret" not in smtpd.log


def test_a_refusal_of_the_target_is_the_reply_at_commit(target: FakeTarget) -> None:
    with program(target) as smtpd:
        target.accept()
        connected(smtpd)
        for what, reply in (
            ({"reply": "452 4.3.1 no room"}, "reject|452 4.3.1 no room"),
            ({"disconnect": True}, "reject|421 4.3.2 the connection ends here"),
        ):
            begin(smtpd)
            answer(target, **what)
            assert commit(smtpd).startswith(reply)


@pytest.mark.parametrize(
    ("lines", "reply"),
    [
        (("no header at all", "", "body"), "reject|550 5.7.1 "),
        (("Subject: x", "", "y" * 65_500), "reject|554 5.6.0 "),
        (("Subject: x", "", *(["y" * 1_000] * 70)), "reject|554 5.3.4 "),
        (("Subject: x", "\rReceived: y", "", ""), "reject|550 5.6.0 "),
        (tuple(["Received: x"] * 100), "reject|554 5.4.6 "),
    ],
)
def test_what_production_refuses_is_refused_counted_and_not_handed_over(
    target: FakeTarget, lines: tuple[str, ...], reply: str
) -> None:
    with program(target, "--max-message-size", "70000") as smtpd:
        target.accept()
        connected(smtpd)
        begin(smtpd, lines)
        header, _ = target.receive()
        assert header["refused"].startswith(reply.removeprefix("reject|"))
        assert commit(smtpd).startswith(reply)


@pytest.mark.parametrize(
    "lines",
    [
        ("X-Test-Run: " + "a" * 60_000, *("X-Test-Run: " + "b" * 60_000,) * 16, "", "x"),
        ("Subject: a\rb", "", "bare\rCR", "\udcff\udc80", "..dots", ".."),
        ("From: \udcff <\udc80@x>", "", "\x85\x1c\x0b|"),
        ("", ""),
    ],
)
def test_hostile_bytes_are_stored_as_they_came(target: FakeTarget, lines: tuple[str, ...]) -> None:
    with program(target) as smtpd:
        target.accept()
        connected(smtpd)
        begin(smtpd, lines, recipients=("\udcff+\udcfe@b.example",), sender="\udcff@far.example")
        header, body = answer(target)
        assert commit(smtpd) == "proceed"
    sent = [line.removeprefix(".") for line in lines]
    expected = "".join(f"{line}\r\n" for line in sent).encode("utf-8", "surrogateescape")
    assert body[: header["message"]] == expected
    assert header["recipients"] == ["\\xff+\\xfe@b.example"]


def test_a_large_message_comes_whole(target: FakeTarget, tmp_path: Path) -> None:
    lines = ("Subject: large", "", *(["z" * 990] * 3_000))
    with program(target, "--spool", str(tmp_path)) as smtpd:
        target.accept()
        connected(smtpd)
        begin(smtpd, lines)
        header, body = answer(target)
        assert commit(smtpd) == "proceed"
    assert body[: header["message"]] == "".join(f"{line}\r\n" for line in lines).encode()


@pytest.mark.parametrize(
    ("argument", "login"),
    [
        ("PLAIN " + base64.b64encode(b"\0me\0pw").decode(), "me"),
        ("plain " + base64.b64encode(b"as\0me\0pw").decode(), "me"),
        ("LOGIN " + base64.b64encode(b"me").decode(), "me"),
        ("LOGIN", ""),
        ("PLAIN", ""),
        ("PLAIN =", ""),
        ("PLAIN " + base64.b64encode(b"\xff\0\xff\0pw").decode(), ""),
        ("", ""),
    ],
)
def test_the_login_of_an_initial_response(argument: str, login: str) -> None:
    assert login_of(argument) == login


def test_bcc_is_taken_away_as_smtpd_does_it() -> None:
    message = b"Subject: x\r\nBcc: a\r\n b\r\nBCC : c\r\nbcc: d\r\n\r\nBcc: body\r\n"
    assert without_bcc(message) == b"Subject: x\r\nBCC : c\r\n\r\nBcc: body\r\n"
