"""`signpost verify`: the facts it takes, what it prints, and a batch that nothing ends."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrypoint.commands.verify import command
from entrypoint.verify.question import Facts, facts, wire_form
from filters.mailauth.message import Message

CASES = Path(__file__).parents[2] / "filters" / "mailauth" / "cases"
SIGNED = CASES / "01-dkim-pass-rsa"
NOW = 1700000000
ZONE = {
    "example.org": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]},
    "_dmarc.example.org": {"TXT": ["v=DMARC1; p=reject"]},
}
PLAIN = (
    b"Received: from mail.example.org (mail.example.org [192.0.2.1])\n"
    b"\tby mx.example.net with ESMTPS id 1; Tue, 14 Nov 2023 22:13:20 +0000\n"
    b"Return-Path: <alice@example.org>\n"
    b"From: Alice <alice@example.org>\nSubject: hello\n\nHello\n"
)


def verify(*arguments: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(command, arguments, input=stdin)


def judged(*arguments: str, stdin: bytes = b"") -> dict[str, Any]:
    outcome = verify(*arguments, "--json", stdin=stdin)
    assert outcome.exit_code == 0, outcome.output
    found: dict[str, Any] = json.loads(outcome.stdout)
    return found


@pytest.fixture
def zone(tmp_path: Path) -> str:
    path = tmp_path / "zone.json"
    path.write_text(json.dumps(ZONE))
    return str(path)


def line(**request: Any) -> bytes:
    if isinstance(request.get("message"), bytes):
        request["message"] = base64.b64encode(request["message"]).decode()
    return json.dumps(request).encode() + b"\n"


def batch(lines: bytes) -> list[dict[str, Any]]:
    outcome = verify("--batch", stdin=lines)
    assert outcome.exit_code == 0, outcome.output
    return [json.loads(answer) for answer in outcome.stdout.splitlines()]


class TestReceived:
    @pytest.mark.parametrize(
        ("field", "expected"),
        [
            # OpenSMTPD
            (
                "from h.example (rdns.example [192.0.2.1])\r\n\tby mx (OpenSMTPD) with ESMTPS id 1",
                Facts("192.0.2.1", "h.example"),
            ),
            # Postfix
            (
                "from h.example (unknown [IPv6:2001:db8::1])\r\n (using TLSv1.3) by mx with ESMTP",
                Facts("2001:db8::1", "h.example"),
            ),
            # Exim
            (
                "from rdns.example ([192.0.2.1] helo=h.example)\r\n\tby mx.example with esmtp"
                "\r\n\t(envelope-from <a@b.example>) id 1",
                Facts("192.0.2.1", "h.example", "a@b.example"),
            ),
            # sendmail
            (
                "from h.example (rdns.example [192.0.2.1]) by mx (8.17.1/8.17.1) with ESMTP id 1",
                Facts("192.0.2.1", "h.example"),
            ),
            # Microsoft writes the address in parentheses only; nothing is guessed.
            ("from A.PROD.OUTLOOK.COM (2603:10a6::1) by B.PROD", Facts(None, "A.PROD.OUTLOOK.COM")),
            ("by mx.example (Postfix, from userid 0) id 1", Facts()),
            ("from h.example ([999.0.2.1]) by mx", Facts(None, "h.example")),
            ("from h.example by mx ([192.0.2.9])", Facts(None, "h.example")),
            ("", Facts()),
        ],
    )
    def test_the_topmost_field(self, field: str, expected: Facts) -> None:
        older = "Received: from other.example ([192.0.2.77]) by h.example\r\n"
        text = f"Received: {field}\r\n{older}From: a@b.example\r\n\r\n"
        assert facts(Message(text.encode())) == expected

    @given(st.binary(max_size=300))
    def test_any_bytes_are_read_or_left_out(self, value: bytes) -> None:
        facts(Message(b"Received: from " + value + b"\r\nReturn-Path: " + value + b"\r\n\r\n"))


class TestOneMessage:
    def test_the_facts_come_from_the_message(self, zone: str) -> None:
        found = judged("--zone", zone, "-", stdin=PLAIN)
        assert found["spf"]["result"] == "pass"
        assert found["spf"]["domain"] == "example.org"
        assert found["dmarc"]["result"] == "pass"
        assert found["dmarc"]["disposition"] == "none"
        assert found["author_domain"] == "example.org"

    def test_what_is_said_counts_instead(self, zone: str) -> None:
        options = ("--ip", "198.51.100.7", "--helo", "h.example", "--mail-from", "<b@example.org>")
        found = judged("--zone", zone, *options, "-", stdin=PLAIN)
        assert found["spf"]["result"] == "fail"
        assert found["dmarc"] == {
            "result": "fail",
            "author_domain": "example.org",
            "organizational_domain": "example.org",
            "policy": "reject",
            "disposition": "reject",
            "reason": "SPF fail for example.org, no DKIM signature",
        }

    @pytest.mark.parametrize("form", ["json", "yaml"])
    def test_a_signature_and_its_zone_as_a_file(self, tmp_path: Path, form: str) -> None:
        published = yaml.safe_load((SIGNED / "zone.yaml").read_text())
        path = tmp_path / f"zone.{form}"
        path.write_text(json.dumps(published) if form == "json" else yaml.safe_dump(published))
        message = str(SIGNED / "message.eml")
        found = judged("--zone", str(path), "--now", str(NOW), "--authserv-id", "mx.a", message)
        (signature,) = found["dkim"]
        assert signature.keys() == {
            "result", "domain", "selector", "identity", "algorithm", "reason",
        }  # fmt: skip
        assert signature["result"] == "pass"
        assert found["authentication_results"].startswith("Authentication-Results: mx.a;")
        assert "dkim=pass" in found["authentication_results"]
        assert found["arc"] == {"result": "none", "instances": 0, "sealer": None, "reason": ""}

    def test_a_person_reads_every_result_and_its_reason(self, zone: str) -> None:
        outcome = verify("--zone", zone, "--ip", "198.51.100.7", "-", stdin=PLAIN)
        assert outcome.exit_code == 0
        for part in (
            "author    example.org",
            "client    198.51.100.7",
            "DMARC     fail; policy reject; SPF none, no DKIM signature",
            "we would  reject it (550 5.7.26)",
            "Authentication-Results: localhost;",
        ):
            assert part in outcome.stdout

    def test_no_hostile_byte_reaches_a_terminal(self, zone: str) -> None:
        hostile = PLAIN.replace(b"mail.example.org (", b"\x1b]0;owned\x07 (")
        assert "\x1b" not in verify("--zone", zone, "-", stdin=hostile).stdout

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            (["--ip", "192.0.2.300", "-"], "not an IP address"),
            ([], "name a MESSAGE file"),
            (["--batch", "-"], "--batch takes"),
        ],
    )
    def test_what_cannot_be_asked(self, arguments: list[str], error: str) -> None:
        outcome = verify(*arguments, stdin=PLAIN)
        assert outcome.exit_code == 2
        assert error in outcome.output

    @pytest.mark.parametrize("content", ["{", "- a", "a: b", '{"a": {"A": "x"}}', "a: &b [*b]"])
    def test_a_zone_that_is_none(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "zone"
        path.write_text(content)
        outcome = verify("--zone", str(path), "-", stdin=PLAIN)
        assert outcome.exit_code == 2
        assert "zone" in outcome.output

    @pytest.mark.parametrize(
        ("given", "taken"),
        [
            (b"A: b\n\nc\n", b"A: b\r\n\r\nc\r\n"),
            (b"A: b\n\nc\r\nd", b"A: b\r\n\r\nc\r\nd"),
            (b"A: b\r\n\r\nc\nd\r\n", b"A: b\r\n\r\nc\nd\r\n"),
            (b"A: b\n\nc\rd\n", b"A: b\r\n\r\nc\rd\r\n"),
            (b"\nbody", b"\r\nbody"),
            (b"", b""),
        ],
    )
    def test_a_files_line_ends(self, given: bytes, taken: bytes) -> None:
        assert wire_form(given) == taken


class TestBatch:
    def test_every_line_has_its_verdict_in_order(self) -> None:
        requests = [
            line(id=number, message=PLAIN, ip="192.0.2.1", mail_from="a@example.org", zone=ZONE)
            for number in range(40)
        ]
        answers = batch(b"".join(requests))
        assert [answer["id"] for answer in answers] == list(range(40))
        assert {answer["spf"]["result"] for answer in answers} == {"pass"}

    @pytest.mark.parametrize(
        ("request_line", "error"),
        [
            (b"nonsense\n", "no JSON"),
            (b"[1]\n", "no JSON object"),
            (b'{"id": NaN, "message": ""}\n', "no JSON"),
            (b"[" * 100_000 + b"\n", ""),
            (b"\xff\xfe\n", "no JSON"),
            (line(id=1), "message"),
            (line(id=1, message="%%%"), "Base64"),
            (line(id=1, message=7), "message"),
            (line(id=1, message=PLAIN, ip="nowhere"), "ip"),
            (line(id=1, message=PLAIN, helo=7), "helo"),
            (line(id=1, message=PLAIN, now="today"), "now"),
            (line(id=1, message=PLAIN, now=1e300), "now"),
            (line(id=1, message=PLAIN, zone="example.org"), "zone"),
            (line(id=1, message=PLAIN, zone={"a": {"SRV": []}}), "zone"),
            (line(id=1, message=PLAIN, zone={"a": {"MX": [[10]]}}), "zone"),
        ],
    )
    def test_a_bad_line_spoils_no_other(self, request_line: bytes, error: str) -> None:
        good = line(id="good", message=PLAIN, zone=ZONE)
        before, bad, after = batch(good + request_line + good)
        assert before["id"] == after["id"] == "good"
        assert before["spf"]["result"] == after["spf"]["result"] == "pass"
        assert error in bad["error"]

    def test_any_id_comes_back(self) -> None:
        for identity in (None, 0, "x\n\u2028", ["a", {"b": 1.5}], True):
            (answer,) = batch(line(id=identity, message=PLAIN, zone={}))
            assert answer["id"] == identity

    def test_the_zone_of_a_line_is_its_own(self) -> None:
        known, empty = batch(line(message=PLAIN, zone=ZONE) + line(message=PLAIN, zone={}))
        assert known["spf"]["result"] == "pass"
        assert empty["spf"]["result"] == "none"
        assert known["id"] is None

    def test_the_last_line_needs_no_end(self) -> None:
        (answer,) = batch(line(message=PLAIN, zone=ZONE).rstrip())
        assert answer["dmarc"]["result"] == "pass"

    def test_a_timeout_in_a_zone_fails_at_once(self) -> None:
        (answer,) = batch(line(message=PLAIN, zone={**ZONE, "example.org": "TIMEOUT"}))
        assert answer["spf"]["result"] == "temperror"
        assert answer["dmarc"]["result"] == "temperror"
        assert answer["dmarc"]["disposition"] == "defer"

    @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
    @given(st.binary(max_size=200))
    def test_any_message_has_a_verdict(self, message: bytes) -> None:
        (answer,) = batch(line(id=1, message=message, zone={}))
        assert "error" not in answer

    def test_a_verdict_comes_before_the_next_question(self) -> None:
        """A program may ask, read, and ask again."""
        with subprocess.Popen(
            [sys.executable, "-m", "entrypoint.cli", "verify", "--batch"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as asked:
            assert asked.stdin is not None
            assert asked.stdout is not None
            for number in range(3):
                asked.stdin.write(line(id=number, message=PLAIN, zone=ZONE))
                asked.stdin.flush()
                assert json.loads(asked.stdout.readline())["id"] == number
            asked.stdin.close()
            assert asked.wait(20) == 0
