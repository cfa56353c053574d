"""`signpost queue`, with a program in smtpctl's place: what is listed, and what is no success."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from entrypoint import smtpctl
from entrypoint.commands import queue

EVPID = "1d3c4a5b6e7f8091"


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script that stands for smtpctl; its arguments are those of smtpctl."""
    script = tmp_path / "smtpctl"
    for function in ("run", "output", "show_queue"):
        defaults = dict(getattr(smtpctl, function).__kwdefaults__ or {})
        if "command" in defaults:
            defaults["command"] = ("/bin/sh", str(script))
            monkeypatch.setattr(getattr(smtpctl, function), "__kwdefaults__", defaults)
    monkeypatch.setattr(smtpctl.show_queue, "__defaults__", (("/bin/sh", str(script)),))
    return script


def typed(*words: str) -> Result:
    return CliRunner().invoke(queue.command, words)


def test_the_age_is_that_of_the_envelope(says: Path) -> None:
    created = int(time.time()) - 3 * 3600 - 5
    says.write_text(
        f"echo '{EVPID}|inet4|mta|auth|alice@example.org|x@far.test|x@far.test"
        f"|{created}|{created + 345600}|{created + 3}|1|pending|397|Network error'\n"
    )
    assert typed("list").output == (
        f"{EVPID} 3h00m pending <alice@example.org> -> <x@far.test> Network error\n"
    )
