"""The calls that docs/testing.md shows, in its order."""

from __future__ import annotations

import re
import shlex
import urllib.request

from pytest_signpost.server import Server

from tests.container.harness.signpost import ROOT

PAGE = (ROOT / "docs/testing.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
MESSAGE = (
    "From: orders@shop.example\r\nTo: alice@run-1.example\r\nSubject: Welcome\r\n\r\n"
    "Confirm at https://shop.example/confirm, or with the code 482913.\r\n"
)


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
