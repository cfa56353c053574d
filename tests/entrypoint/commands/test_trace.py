"""`signpost trace`: where it looks, and how an id may be written."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from entrypoint import pseudonyms
from entrypoint.commands import trace
from entrypoint.journal.writer import JournalWriter
from entrypoint.pseudonyms import Pseudonyms
from entrypoint.trace import lines

LINES = (
    "session=609b76e3c486345d msgid=d43fc6ac client=192.0.2.1 author=far.example spf=pass "
    'disposition=none from="wendy@far.example" message-id="<one.wendy@far.example>"',
    "609b76e3c486345d smtp message msgid=d43fc6ac size=928 nrcpt=1 proto=ESMTP",
    "609b76e3c486345d smtp envelope evpid=d43fc6ac39b11638 from=<wendy@far.example> "
    "to=<oscar@x.example>",
)
STAMP = "2026-11-27T05:00:00+0000 info "
LOG = f"{STAMP}inbound: {LINES[0]}\n" + "".join(f"{STAMP}smtpd: {line}\n" for line in LINES[1:])
IDS = (
    *("d43fc6ac", "D43FC6AC", "d43fc6ac39b11638", "609b76e3c486345d"),
    *("<one.wendy@far.example>", "one.wendy@far.example", "wendy@far.example", "Oscar@X.example"),
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(trace, "JOURNAL", tmp_path)
    monkeypatch.setattr(trace, "FILE", tmp_path / "pseudonyms")
    monkeypatch.setattr(trace, "KEY", tmp_path / "key")
    return tmp_path


def journal(folder: Path, names: Pseudonyms | None = None) -> None:
    writer = JournalWriter(1, folder)
    for program, line in zip(("inbound", "smtpd", "smtpd"), LINES, strict=True):
        writer.take([("info", program, names.text(line) if names else line)])
    writer.finish()


def test_a_log_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "_MOST_OF_A_STREAM", 100)
    done = CliRunner().invoke(trace.command, ["--log", "d43fc6ac"], input=LOG)
    assert done.exit_code == 1
    assert isinstance(done.exception, OSError)
    assert "--since" in str(done.exception)


@pytest.mark.parametrize("identity", IDS)
def test_each_way_to_name_a_message(folder: Path, identity: str) -> None:
    journal(folder)
    done = CliRunner().invoke(trace.command, [identity])
    assert done.exit_code == 0
    assert "message d43fc6ac  <one.wendy@far.example>" in done.output
    assert done.output == CliRunner().invoke(trace.command, ["d43fc6ac"]).output


@pytest.mark.parametrize("identity", IDS)
@pytest.mark.parametrize("left", ["pseudonyms", "key"])
def test_with_pseudonyms_each_is_given_as_it_is(folder: Path, identity: str, left: str) -> None:
    """The key alone is enough, for a log of another time."""
    names = Pseudonyms(b"akey")
    journal(folder, names)
    if left == "key":
        (folder / "key").write_text("akey\n")
    else:
        pseudonyms.use("akey", "+", folder / "pseudonyms")
    done = CliRunner().invoke(trace.command, [identity])
    assert done.exit_code == 0
    assert "message d43fc6ac  <id-" in done.output
    assert "wendy" not in done.output


@pytest.mark.parametrize("identity", IDS)
def test_a_log_needs_no_journal(identity: str) -> None:
    done = CliRunner().invoke(trace.command, ["--log", identity], input=LOG)
    assert done.exit_code == 0
    assert "=> <oscar@x.example>: accepted, and nothing since" in done.output


def test_what_is_not_there(folder: Path) -> None:
    done = CliRunner().invoke(trace.command, ["d43fc6ac"])
    assert (done.exit_code, done.output) == (
        1,
        "error: there is no journal; set TRACE_DAYS, or give a log with --log\n",
    )
    journal(folder)
    done = CliRunner().invoke(trace.command, ["00000000"])
    assert (done.exit_code, done.output) == (1, "error: the journal has nothing of this id\n")
    done = CliRunner().invoke(trace.command, ["--log", "00000000"], input=LOG)
    assert (done.exit_code, done.output) == (1, "error: the log has nothing of this id\n")
