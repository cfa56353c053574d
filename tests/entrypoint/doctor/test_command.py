"""`signpost doctor` as a person and a program see it, and the one that looks by itself."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from entrypoint import render
from entrypoint.commands.doctor import _PAINT
from entrypoint.completion import preview
from entrypoint.config import environ
from entrypoint.config.settings import HostFacts, Settings
from entrypoint.doctor.finding import EXIT_STATUS, STATUSES
from entrypoint.doctor.watch import LastFindings, look

ROOT = Path(__file__).parents[3]
COMMAND = (sys.executable, "-m", "entrypoint.cli", "doctor")


def run(*options: str, terminal: bool, **environment: str) -> tuple[int, str]:
    """Exit status and output of a demo's doctor; with a terminal, that is what it writes to."""
    environ = {"PATH": os.environ["PATH"], "TERM": "xterm", **environment}
    ours, theirs = pty.openpty() if terminal else os.pipe()
    process = subprocess.Popen([*COMMAND, *options], cwd=ROOT, env=environ, stdout=theirs)
    os.close(theirs)
    said = b""
    while True:
        try:
            chunk = os.read(ours, 4096)
        except OSError:  # a terminal's other side has gone
            break
        if not chunk:
            break
        said += chunk
    os.close(ours)
    return process.wait(), said.decode().replace("\r\n", "\n")


class TestOutput:
    def test_a_terminal_has_colour(self) -> None:
        status, said = run(terminal=True)
        assert "  \x1b[36mskipped\x1b[0m  demo" in said
        assert "  \x1b[32mok\x1b[0m       clock" in said
        # No smtpd runs here.
        assert "  \x1b[31m\x1b[1mfail\x1b[0m     queue" in said
        assert status == 2

    @pytest.mark.parametrize(
        ("options", "terminal", "environment"),
        [
            ((), False, {}),
            ((), True, {"NO_COLOR": "1"}),
            ((), True, {"NO_COLOR": "whatever"}),
            (("--no-color",), True, {}),
            (("--json",), True, {}),
        ],
    )
    def test_nothing_else_has(
        self, options: tuple[str, ...], terminal: bool, environment: dict[str, str]
    ) -> None:
        status, said = run(*options, terminal=terminal, **environment)
        assert "\x1b" not in said
        assert "demo" in said
        assert status == 2

    def test_an_empty_no_color_is_none(self) -> None:
        assert "\x1b[32m" in run(terminal=True, NO_COLOR="")[1]

    def test_what_is_skipped_is_no_failure(self) -> None:
        assert list(EXIT_STATUS.items()) == [("ok", 0), ("skipped", 0), ("warn", 1), ("fail", 2)]
        assert tuple(EXIT_STATUS) == STATUSES == tuple(_PAINT)

    def test_json(self) -> None:
        _, said = run("--json", terminal=False)
        findings = json.loads(said)
        assert all(
            list(each) == ["check", "domain", "status", "detail", "cure"] for each in findings
        )
        assert findings[0] == {
            "check": "demo",
            "domain": None,
            "status": "skipped",
            "detail": "this is a demo that nobody outside sends mail to: only what is local is "
            "checked",
            "cure": "set DOMAINS and ACCOUNTS for a server of your own",
        }
        assert {each["check"] for each in findings[1:]} == {"port", "clock", "disk", "queue"}


def finding(status: str, detail: str, check: str = "mx", domain: str | None = "a.example") -> Any:
    cure = "" if status == "ok" else "mend it"
    return {"check": check, "domain": domain, "status": status, "detail": detail, "cure": cure}


class TestChanges:
    """The first look, then another: what is logged of it."""

    @pytest.mark.parametrize(
        ("before", "now", "said"),
        [
            ([finding("ok", "x")], [finding("ok", "y")], []),
            ([finding("fail", "x")], [finding("fail", "x")], []),
            ([finding("fail", "4 of 7")], [finding("fail", "5 of 7")], []),
            (
                [finding("ok", "x")],
                [finding("fail", "gone")],
                [("error", "mx of a.example: gone; mend it")],
            ),
            (
                [finding("fail", "gone")],
                [finding("fail", "wrong")],
                [("error", "mx of a.example: wrong; mend it")],
            ),
            (
                [finding("fail", "gone")],
                [finding("warn", "gone")],
                [("warning", "mx of a.example: gone; mend it")],
            ),
            (
                [finding("fail", "gone")],
                [finding("ok", "there")],
                [("info", "mx of a.example: recovered: there")],
            ),
            ([finding("fail", "gone")], [], [("info", "mx of a.example: no longer checked")]),
            ([finding("ok", "there")], [], []),
            ([finding("ok", "there")], [finding("skipped", "no address")], []),
            ([finding("skipped", "no address")], [finding("ok", "there")], []),
            ([finding("skipped", "no address")], [], []),
            (
                [finding("fail", "gone")],
                [finding("skipped", "no address")],
                [("info", "mx of a.example: skipped: no address; mend it")],
            ),
            (
                [finding("skipped", "no address")],
                [finding("warn", "gone")],
                [("warning", "mx of a.example: gone; mend it")],
            ),
            (
                [],
                [finding("warn", "full", "disk", None)],
                [("warning", "disk: full; mend it")],
            ),
            (
                [finding("ok", "25", "port", None), finding("ok", "465", "port", None)],
                [finding("ok", "25", "port", None), finding("fail", "465 silent", "port", None)],
                [("error", "port: 465 silent; mend it")],
            ),
        ],
    )
    def test_only_they_are_told(
        self, before: list[Any], now: list[Any], said: list[tuple[str, str]]
    ) -> None:
        changes = LastFindings()
        list(changes.since_last(before))
        assert list(changes.since_last(now)) == said
        assert list(changes.since_last(now)) == []

    def test_the_first_look_tells_what_is_not_well(self) -> None:
        found = [
            finding("ok", "x"),
            finding("fail", "y", "ptr", None),
            finding("warn", "z", "dkim"),
        ]
        assert list(LastFindings().since_last(found)) == [
            ("error", "ptr: y; mend it"),
            ("warning", "dkim of a.example: z; mend it"),
            ("info", "1 of 3 checks are ok"),
        ]

    def test_what_was_skipped_is_none_of_the_checks(self) -> None:
        found = [finding("ok", "x"), finding("skipped", "y", "outbound", None)]
        assert list(LastFindings().since_last(found)) == [
            ("info", "1 of 1 checks are ok, 1 skipped"),
        ]


class TestLook:
    def test_what_a_command_prints(self) -> None:
        assert look([sys.executable, "-c", "print('[1, 2]')"]) == [1, 2]

    @pytest.mark.parametrize(
        ("program", "why"),
        [
            ("import sys; sys.exit('broken')", "broken"),
            ("import sys; sys.exit(3)", "exit status 3"),
            ("print('x')", "Expecting value"),
            ("print('{}')", "no list"),
        ],
    )
    def test_what_does_not(self, program: str, why: str) -> None:
        with pytest.raises((OSError, ValueError), match=why):
            look([sys.executable, "-c", program])


class TestRendered:
    ENVIRON = {  # noqa: RUF012
        "DOMAINS": "example.org",
        "ACCOUNTS": "alice@example.org:wonderland",
        "RELAY_HOST": "smtp.example.net",
        "RELAY_USER": "me",
        "RELAY_PASSWORD": "looking-glass",
        "SRS_SECRET": "through-the-looking-glass",
    }

    def files(self, **more: str) -> dict[str, str]:
        settings = preview(environ.load({**self.ENVIRON, **more}, host=HostFacts(ipv6=True)))
        return {file.path.name: file.content for file in render.render(settings)}

    def test_off(self) -> None:
        files = self.files()
        assert "settings.json" not in files
        assert "doctor" not in files["supervisord.conf"]

    def test_on(self) -> None:
        files = self.files(DOCTOR_EVERY="1h", LOG_FORMAT="json")
        assert (
            "[program:doctor]\n"
            "command = python -m entrypoint.doctor.watch --every 3600 --format json --level info "
            "/run/signpost/settings.json\n"
        ) in files["supervisord.conf"]

    def test_its_settings_are_ours_without_secrets(self) -> None:
        content = self.files(DOCTOR_EVERY="1h")["settings.json"]
        for secret in ("wonderland", "looking-glass", "$"):
            assert secret not in content
        read = Settings.model_validate_json(content)
        assert read.domains == ("example.org",)
        assert (read.relay_host, read.relay_port, read.doctor_every) == (
            "smtp.example.net",
            587,
            3600,
        )
