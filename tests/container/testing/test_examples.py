"""What docs/testing.md offers: its calls of the API, in its order; its examples, as a newcomer runs
them; and the pytest plugin's own tests, with the plugin installed as from an index.
"""

from __future__ import annotations

import re
import shlex
import socket
import urllib.request
from pathlib import Path

import pytest
from pytest_signpost.mailbox import Mailbox, new_run
from pytest_signpost.server import Server

from tests.container.harness.signpost import IMAGE, ROOT

from .suites import PLUGIN, addresses, copied, run_node, run_pytest, with_packages

EXAMPLES = ROOT / "docs/testing"
PAGE = (ROOT / "docs/testing.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
MESSAGE = (
    "From: orders@shop.example\r\nTo: alice@run-1.example\r\nSubject: Welcome\r\n\r\n"
    "Confirm at https://shop.example/confirm, or with the code 482913.\r\n"
)
ENVELOPE = ["EHLO c.example", "MAIL FROM:<a@a.example>", "RCPT TO:<b@b.example>", "DATA"]


def call(words: list[str], server: Server) -> bytes:
    """As curl would."""
    assert words.pop(0) == "curl"
    method, data, url = "", None, ""
    while words:
        word = words.pop(0)
        if word == "-X":
            method = words.pop(0)
        elif word == "-d":
            data = words.pop(0).encode()
        else:
            url = word
    assert url.startswith("http://localhost:8025/")
    request = urllib.request.Request(
        url.replace("http://localhost:8025", server.url), data, method=method or "GET"
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200
        read: bytes = answer.read()
    return read


def test_each_call_does_what_is_said(target: Server) -> None:
    with target.smtp.connect() as smtp:
        smtp.sendmail("orders@shop.example", ["alice@run-1.example"], MESSAGE)
    said = []
    for block in BLOCKS:
        lines = shlex.shlex(block, posix=True, punctuation_chars="\n")
        lines.whitespace, lines.whitespace_split = " \t", True
        command: list[str] = []
        for word in [*lines, "\n"]:
            if word.strip("\n"):
                command.append(word)
            elif command:
                shown = " ".join(command)
                said.append((shown, call(command, target)))
                command = []
    assert len(said) == 14
    together = b"\n".join(answer for _, answer in said)
    assert b"https://shop.example/confirm" in together
    assert b'"Codes":["482913"]' in together
    found = [answer for shown, answer in said if "run=run-1.example&timeout" in shown]
    assert b'"messages_count":1' in found[0]
    faults = [answer for shown, answer in said if shown.endswith("faults?run=run-1.example")]
    assert b"451 4.7.1 try again later" in faults[0]
    zones = [answer for shown, answer in said if shown.endswith("dns?run=run-1.example")]
    assert b"v=DMARC1; p=reject" in zones[0]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (["EHLO c.example", "MAIL FROM:<\u00fcser@a.example>"], 553),
        (["EHLO c.example", "MAIL FROM:<a@a.example> SMTPUTF8"], 503),
        (["EHLO c.example", "MAIL FROM:<a..b@a.example>"], 553),
        (["EHLO no name"], 501),
        (["EHLO c.example", "MAIL FROM:<a@a.example> RET=HDRS"], 503),
        ([*ENVELOPE, "A: b\r\n\r\n" + 65_000 * "x" + "\r\n."], 250),
        ([*ENVELOPE, "A: b\r\n\r\n" + 66_000 * "x" + "\r\n."], 500),
        ([*ENVELOPE, "neither\r\n."], 550),
        ([*ENVELOPE, "\r\na text\r\n."], 250),
        ([*ENVELOPE, "A: b\n.\nc\r\n."], 521),
        ([*ENVELOPE, 98 * "Received: a\r\n" + "\r\n."], 250),
        ([*ENVELOPE, 99 * "Received: a\r\n" + "\r\n."], 554),
    ],
)
def test_smtp_refuses_what_the_page_says(target: Server, said: list[str], code: int) -> None:
    where = (target.smtp.host, target.smtp.port)
    with socket.create_connection(where, 30) as link, link.makefile("rb") as lines:
        assert lines.readline().startswith(b"220 ")
        for line in said:
            link.sendall(line.encode() + b"\r\n")
            while (reply := lines.readline())[3:4] == b"-":
                pass
    assert int(reply[:3]) == code


def test_what_the_plugins_page_shows_is_taken(target: Server) -> None:
    page = (PLUGIN / "README.md").read_text()
    blocks = re.findall(r"```python\n(signpost\..*?)```", page, re.DOTALL)
    assert len(blocks) == 2
    zone = blocks[0].split("\nshop.")[0]
    for statement in [zone, *blocks[1].splitlines()]:
        mailbox = Mailbox(target, new_run("page"))
        exec(statement, {"signpost": mailbox})
        mailbox.close()
    assert target.api.json("GET", "/api/v1/faults")["faults"] == []


def test_python(target: Server, plugin: str, tmp_path: Path) -> None:
    folder = copied(EXAMPLES / "python", tmp_path)
    where = {"PYTHONPATH": plugin, **addresses(target)}
    out = run_pytest(folder, "-n", "2", plugins=["xdist", "signpost"], **where)
    passed = re.search(r"^(\d+) passed in", out, re.MULTILINE)
    assert passed
    assert int(passed[1]) >= 20
    # Nothing is left behind for the next one.
    assert target.api.json("GET", "/api/v1/messages")["total"] == 0
    assert target.api.json("GET", "/api/v1/faults")["faults"] == []
    assert target.api.json("GET", "/api/v1/dns")["runs"] == []


def test_javascript(target: Server, tmp_path: Path) -> None:
    folder = with_packages(copied(EXAMPLES / "javascript", tmp_path / "shop"))
    out = run_node(folder, **addresses(target))
    assert "# pass 7\n" in out
    assert target.api.json("GET", "/api/v1/messages")["total"] == 0


def test_the_plugins_own_suite(target: Server, plugin: str, tmp_path: Path) -> None:
    folder = copied(PLUGIN / "tests", tmp_path)
    where = {"PYTHONPATH": plugin, "TARGET_IMAGE": IMAGE, **addresses(target)}
    run_pytest(folder, "-n", "2", plugins=["xdist", "signpost"], **where)
    assert target.api.json("GET", "/api/v1/messages")["total"] == 0
