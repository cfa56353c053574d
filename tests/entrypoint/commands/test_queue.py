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


UNKNOWN = "error: nothing waits with the id {}; `signpost queue list` shows what does\n"


@pytest.mark.parametrize("identifier", [EVPID, EVPID[:8]])
def test_an_id_that_nothing_has_is_an_error(says: Path, identifier: str) -> None:
    """smtpctl says so with exit status 0."""
    for action, printed in (("remove", "removed"), ("flush", "scheduled")):
        says.write_text(f"echo 0 envelopes {printed}")
        done = typed(action, identifier)
        assert (done.exit_code, done.output) == (1, UNKNOWN.format(identifier))
    says.write_text("echo 'smtpctl: /queue/x: No such file or directory' >&2; exit 1")
    for options in ((), ("--raw",)):
        done = typed("show", identifier, *options)
        assert (done.exit_code, done.output) == (1, UNKNOWN.format(identifier))


@pytest.mark.parametrize("number", ["1 envelope", "3 envelopes"])
def test_what_was_done_is_said(says: Path, number: str) -> None:
    says.write_text(f'test "$*" = "remove {EVPID}" && echo "{number} removed"')
    assert typed("remove", EVPID).output == f"{number} removed\n"
    says.write_text(f'test "$*" = "schedule all" && echo "{number} scheduled"')
    assert typed("flush").output == f"{number} scheduled\n"


@pytest.mark.parametrize("action", ["flush", "remove"])
def test_all_of_an_empty_queue_is_no_error(says: Path, action: str) -> None:
    says.write_text("echo 0 envelopes done")
    done = typed(action, "all")
    assert (done.exit_code, done.output) == (0, "nothing in the queue waits for another attempt\n")


@pytest.mark.parametrize(
    "identifier",
    ["x", "all2", "1d3c4a5b6e7f809", "1d3c4a5b6e7f80911", "1d3c4a5z", "1d3c4a5b|", "١٢٣٤٥٦٧٨"],
)
def test_what_is_no_id_is_not_handed_on(says: Path, identifier: str) -> None:
    says.write_text(f"touch {says.parent}/asked")
    for action in ("remove", "flush", "show"):
        done = typed(action, identifier)
        assert done.exit_code == 2
        assert "8 or 16 hexadecimal digits" in done.output
    assert typed("show", "all").exit_code == 2
    assert not (says.parent / "asked").exists()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            'echo "smtpctl: smtpd doesn\'t seem to be running" >&2; exit 1',
            "error: smtpd does not run in this container; `docker compose up` starts it\n",
        ),
        (
            "exit 3",
            "error: the queue cannot be read: exit status 3\n",
        ),
    ],
)
def test_no_server_is_said_in_words(says: Path, script: str, said: str) -> None:
    says.write_text(script)
    for words in (("list",), ("flush",), ("remove", EVPID), ("show", EVPID)):
        done = typed(*words)
        assert (done.exit_code, done.output) == (1, said)


def test_no_spool_yet(says: Path) -> None:
    says.write_text("echo 'smtpctl: /var/spool/smtpd: No such file or directory' >&2; exit 1")
    done = typed("list")
    assert (done.exit_code, done.output) == (
        1,
        "error: smtpd does not run in this container; `docker compose up` starts it\n",
    )
