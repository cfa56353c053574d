"""`entrypoint.supervise.logpipe` as a process that writes the journal, and pseudonyms."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from entrypoint import pseudonyms
from entrypoint.journal.files import journal_files

RUN = """
import functools, sys
from pathlib import Path
from entrypoint import pseudonyms
from entrypoint.supervise import logpipe
folder = Path(sys.argv.pop(1))
logpipe.RUN = folder
logpipe.JournalWriter = functools.partial(logpipe.JournalWriter, folder=folder / "journal")
found = pseudonyms.Pseudonyms.of_this_start(folder / "pseudonyms")
logpipe.Pseudonyms.of_this_start = lambda: found
logpipe.main()
"""
# The same, where nothing is written before the program's end.
HELD = """
import threading
from entrypoint.supervise import logpipe
class Held(logpipe.JournalWriter):
    ended = threading.Event()
    def _append(self, lines):
        self.ended.wait(10)
        super()._append(lines)
    def finish(self):
        self.ended.set()
        super().finish()
logpipe.JournalWriter = Held
"""
LINES = """
609b76e3c486345d smtp connected address=192.0.2.1 host=mx.far.example
609b76e3c486345d smtp message msgid=d43fc6ac size=928 nrcpt=1 proto=ESMTP
609b76e3c486345d smtp envelope evpid=d43fc6ac39b11638 from=<wendy@far.example> to=<oscar@x.example>
Table "virtuals" successfully updated
warn: wendy@far.example is the last
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "journal").mkdir()
    return tmp_path


def logged(folder: Path, *options: str, run: str = RUN, printed: str = repr(LINES.strip())) -> str:
    """The log of a program that prints these lines as smtpd, and fails."""
    program = f"import sys; print({printed}, flush=True); sys.exit(3)"
    arguments = [str(folder), *options, "smtpd", sys.executable, "-c", program]
    done = subprocess.run(
        [sys.executable, "-c", run, *arguments], capture_output=True, check=False, timeout=20
    )
    assert done.returncode == 3, done.stderr
    return done.stderr.decode()


def journal(folder: Path) -> list[dict[str, str]]:
    whole = b"".join(path.read_bytes() for path in journal_files(folder / "journal"))
    return [json.loads(line) for line in whole.splitlines()]


@pytest.mark.parametrize("options", [(), ("--format", "json"), ("--level", "error")])
def test_the_journal_has_the_events_whatever_the_log_has(
    folder: Path, options: tuple[str, ...]
) -> None:
    logged(folder, "--journal", "3", *options)
    assert [each["event"] for each in journal(folder)] == ["connect", "accept", "recipient"]


def test_what_was_said_last_is_in_the_journal(folder: Path) -> None:
    logged(folder, "--journal", "3", run=HELD + RUN)
    assert len(journal(folder)) == 3


def test_without_it_the_log_is_the_same(folder: Path) -> None:
    with_it = logged(folder, "--journal", "3")
    without = logged(folder)
    assert [line.split(" ", 1)[1] for line in with_it.splitlines()] == [
        line.split(" ", 1)[1] for line in without.splitlines()
    ]


def test_a_folder_that_is_gone_is_said_and_the_log_goes_on(folder: Path) -> None:
    (folder / "journal").rmdir()
    log = logged(folder, "--journal", "3")
    assert "warning smtpd: the journal of `signpost trace` gets a gap" in log
    assert "msgid=d43fc6ac" in log


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_address_is_in_log_or_journal(folder: Path, form: str) -> None:
    pseudonyms.use("akey", "+", folder / "pseudonyms")
    log = logged(folder, "--journal", "3", "--format", form)
    whole = log + json.dumps(journal(folder))
    assert "wendy" not in whole
    assert "oscar" not in whole
    # The cause of its end among it, which is the last that it said.
    assert log.count("@far.example") >= 3
    (recipient,) = [each for each in journal(folder) if each["event"] == "recipient"]
    assert recipient["to"].startswith("user-")
    assert recipient["evpid"] == "d43fc6ac39b11638"


@pytest.mark.parametrize("begin", ["warn: x ", "warn: \u20ac ", "609b76e3c486345d smtp x="])
def test_no_part_of_an_address_is_left_where_a_long_line_is_cut(folder: Path, begin: str) -> None:
    pseudonyms.use("akey", "+", folder / "pseudonyms")
    # The 8192nd byte is each of the address's once.
    line = (
        f"(({begin!r} * 9000).encode()[:8192 - cut].decode(errors='ignore') + ' wendy@far.example')"
    )
    log = logged(folder, printed=f"'\\n'.join({line} for cut in range(22))")
    assert log.count("(continued) ...") >= 15
    for part in ("wend", "wen", "endy", "ndy"):
        assert part not in log


def test_a_json_line_has_its_fields_and_its_own_members(folder: Path) -> None:
    events = [json.loads(line) for line in logged(folder, "--format", "json").splitlines()]
    (accepted,) = [each for each in events if each.get("event") == "accept"]
    assert accepted["msgid"] == "d43fc6ac"
    assert accepted["message"].endswith("proto=ESMTP")
    assert (accepted["level"], accepted["program"]) == ("info", "smtpd")
    (table,) = [each for each in events if "virtuals" in each["message"]]
    assert set(table) == {"time", "level", "program", "message"}
