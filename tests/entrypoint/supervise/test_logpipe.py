"""`entrypoint.supervise.logpipe` as a process: what it ends, and what ends with it."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from entrypoint.supervise import orderly_stop
from entrypoint.supervise.descendants import descendants, processes
from entrypoint.supervise.log_reader import LogReader

# A program with a child of its own; both ignore SIGTERM. The numbers are its first line.
STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child:
    print(os.getpid(), child, flush=True)
time.sleep(600)
"""
RUN = """
import sys
from pathlib import Path
from entrypoint.supervise import logpipe
logpipe.RUN = Path(sys.argv.pop(1))
logpipe.main()
"""


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


LINES = """
import sys
sys.stdout.buffer.write({lines!r})
"""
FORGED = b"error inbound: FORGED 2026-11-25T03:29:27+0000 error smtpd: FORGED"


def events_of(name: str, printed: bytes) -> list[tuple[str, str, str]]:
    """Level, program and message of what a program prints."""
    found: list[tuple[str, str, str]] = []
    reader = LogReader(name, io.BytesIO(printed), found.extend)
    reader.finish()
    return found


def log_of(folder: Path, lines: bytes, *options: str) -> list[bytes]:
    """The log of a program that prints these lines as smtpd."""
    program = LINES.format(lines=lines)
    arguments = [str(folder), *options, "smtpd", sys.executable, "-c", program]
    command = [sys.executable, "-c", RUN, *arguments]
    done = subprocess.run(command, capture_output=True, check=False, timeout=20)
    return done.stderr.split(b"\n")[:-1]


@pytest.mark.parametrize(
    ("name", "begin", "logged"),
    [
        ("smtpd", b"0123456789abcdef mta error reason=", "info smtpd"),
        ("smtpd", b"inbound: warning: x ", "warning inbound"),
        ("smtpd", b"warn: submission: debug: ", "debug submission"),
        ("smtpd", b"extra-inbound-1: ", "warning extra-inbound-1"),
        ("dovecot", b"imap(a@b.c)<7><x>: Error: ", "error dovecot"),
        ("dovecot", b"imap(a@b.c)<7><x>: Debug: ", "debug dovecot"),
        ("logins", b"info: ", "info logins"),
    ],
)
@pytest.mark.parametrize("filling", [b"x", b"\xff", "ä".encode(), b"\0"])
@pytest.mark.parametrize("lengths", [[8191], [8192], [8193], [8192, 8192], [64_000]])
def test_what_does_not_fit_a_line_stays_its_programs(
    name: str, begin: bytes, logged: str, filling: bytes, lengths: list[int]
) -> None:
    text = begin
    for length in lengths:  # the next piece begins where it would be a line of another program
        text += (filling * length)[: length - len(text) % 8192] + FORGED
    events = events_of(name, text + b"\n" + begin + b"next\n")
    assert {f"{level} {program}" for level, program, _ in events} == {logged}
    # Each piece after the first is marked as such, and what follows is an event of its own.
    marked = [message.startswith("(continued) ") for _, _, message in events]
    assert marked == [False, *[True] * (len(events) - 2), False]
    assert events[-1][2].endswith("next")
    assert "".join(message for *_, message in events).count("FORGED") >= len(lengths)


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_that_goes_on_is_written_so(form: str, tmp_path: Path) -> None:
    line = b"inbound: warning: " + b"x" * 9000 + b"\r\x1b[31m\xff\xc2\x9b\x85" + FORGED + b"\n"
    first, second, end = log_of(tmp_path, line, "--format", form)
    for each in (first, second):
        assert each.isascii() or form == "text"
        assert not re.search(rb"[\x00-\x1f\x7f]|\xc2[\x80-\x9f]", each)
    if form == "json":
        events = [json.loads(each) for each in (first, second)]
        assert [(each["level"], each["program"]) for each in events] == [("warning", "inbound")] * 2
        assert events[1]["message"].startswith("(continued) x")
    else:
        assert b" warning inbound: x" in first
        assert b" warning inbound: (continued) x" in second
    assert b"exited with status 0" in end


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            b'command="FOO" result="500 5.5.1 Invalid command"',
            'result="500 5.5.1 Invalid command" command="FOO"',
        ),
        (
            b'command="HELO x" result="250 Ok" result="501 5.5.4 Invalid domain name"',
            r'result="501 5.5.4 Invalid domain name" command="HELO x\" result=\"250 Ok"',
        ),
        (
            # vis(3) has written two backslashes for one.
            b'command="A\\\\" result="250" result="500 no"',
            r'result="500 no" command="A\\\" result=\"250"',
        ),
        (
            b'command="' + b"\\M^?" * 500 + b'" result="500 no"',
            'result="500 no" command="' + r"\M^?" * 150 + '"...',
        ),
        (
            b'command="' + b"A" * 599 + b'\\\\" result="250" result="500 no"',
            'result="500 no" command="' + "A" * 599 + '"...',
        ),
    ],
)
def test_what_a_client_said_stands_behind_what_smtpd_answered(line: bytes, message: str) -> None:
    begin = "0123456789abcdef smtp failed-command"
    (found,) = events_of("smtpd", f"{begin} ".encode() + line + b"\n")
    assert found == ("info", "smtpd", f"{begin} {message}")


SECRET = "AGFsaWNlQGV4YW1wbGUub3JnAHRvcHNlY3JldHB3"


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (f"AUTH PLAIN {SECRET}", "AUTH PLAIN (...)"),
        (f"auth  plain  {SECRET}", "auth plain (...)"),
        (f"AUTH LOGIN {SECRET}", "AUTH LOGIN (...)"),
        (rf"AUTH\t{SECRET}", "AUTH (...)"),
        (f"AUTH {SECRET}", "AUTH (...)"),
        (f"AUTH PLAIN{SECRET}", "AUTH (...)"),
        (f"AUTH PLAIN ={SECRET}", "AUTH PLAIN (...)"),
        (f"AUTH XOAUTH2 {SECRET}", "AUTH XOAUTH2 (...)"),
        (f"AUTH SCRAM-SHA-256-PLUS {SECRET}", "AUTH SCRAM-SHA-256-PLUS (...)"),
        # What a client sends who takes no notice of the answer to AUTH LOGIN.
        (SECRET, "(...)"),
        ("dG9wc2VjcmV0cHc=", "(...)"),
        ("cMOkc3M=", "(...)"),
        ("cORzcw==", "(...)"),
        # smtpd's own.
        ("AUTH PLAIN (...)", "AUTH PLAIN (...)"),
        ("AUTH LOGIN (password)", "AUTH LOGIN (password)"),
        ("AUTH LOGIN", "AUTH LOGIN"),
        ("AUTH", "AUTH"),
        ("AUTH  PLAIN ", "AUTH  PLAIN "),
        ("AUTHOR", "AUTHOR"),
        ("STAT", "STAT"),
        ("RCPT TO:<auth@example.org>", "RCPT TO:<auth@example.org>"),
        ("", ""),
    ],
)
def test_no_password_is_shown(command: str, shown: str) -> None:
    begin = "0123456789abcdef smtp failed-command"
    line = f'{begin} command="{command}" result="503 5.5.1 Invalid command"\n'
    ((_, _, message),) = events_of("smtpd", line.encode())
    assert message == f'{begin} result="503 5.5.1 Invalid command" command="{shown}"'


@pytest.mark.parametrize("name", ["logins", "web", "dovecot"])
def test_only_smtpd_has_filters(name: str) -> None:
    ((_, program, _),) = events_of(name, b"inbound: error: FORGED\n")
    assert program == name


def test_the_cause_of_an_end_is_short(tmp_path: Path) -> None:
    log_of(tmp_path, b"inbound: error: " + b"x" * 8000 + b"\n")
    assert len((tmp_path / "smtpd.cause").read_text()) < 1200


def alive(*pids: int) -> bool:
    return bool({process.pid for process in processes()} & set(pids))


class Logpipe:
    def __init__(self, folder: Path, program: str) -> None:
        self.cause = folder / "stubborn.cause"
        command = [sys.executable, "-c", RUN, str(folder), "stubborn", sys.executable, "-c"]
        self.process = subprocess.Popen([*command, program], stderr=subprocess.PIPE)

    def line(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.readline().decode().partition("stubborn: ")[2].strip()


@pytest.fixture
def stubborn(tmp_path: Path) -> tuple[Logpipe, int, int]:
    logpipe = Logpipe(tmp_path, STUBBORN)
    program, child = map(int, logpipe.line().split())
    return logpipe, program, child


def test_a_stop_ends_whatever_does_not_end(stubborn: tuple[Logpipe, int, int]) -> None:
    logpipe, *pids = stubborn
    os.kill(pids[1], signal.SIGSTOP)
    with logpipe.process as process:
        process.terminate()
        assert process.wait(10) == 0
    assert not alive(*pids)
    assert not logpipe.cause.exists()


def test_a_child_does_not_outlive_its_program(stubborn: tuple[Logpipe, int, int]) -> None:
    logpipe, program, child = stubborn
    os.kill(program, signal.SIGKILL)
    with logpipe.process as process:
        assert process.wait(10) == 1
    assert not alive(child)
    assert logpipe.cause.read_text().startswith("killed by signal 9; the last it said: ")


def test_a_program_does_not_outlive_its_logpipe(stubborn: tuple[Logpipe, int, int]) -> None:
    logpipe, program, child = stubborn
    with logpipe.process as process:
        process.kill()
        wait_until(lambda: not alive(program))
        os.kill(child, signal.SIGKILL)


def test_an_exit_status_is_passed_on(tmp_path: Path) -> None:
    with Logpipe(tmp_path, "import sys; print('why'); sys.exit(7)").process as process:
        assert process.wait(10) == 7
    assert (tmp_path / "stubborn.cause").read_text() == (
        "exited with status 7; the last it said: why\n"
    )


def test_descendants_are_children_and_theirs(stubborn: tuple[Logpipe, int, int]) -> None:
    logpipe, program, child = stubborn
    with logpipe.process as process:
        found = {each.pid for each in descendants(process.pid)}
        process.terminate()
        process.wait(10)
    assert found == {program, child}


def test_smtpd_is_asked_for_no_more_than_docker_waits() -> None:
    assert orderly_stop.DELIVERIES_WITHIN < orderly_stop.MESSAGES_WITHIN <= 5


def test_a_module_ends_with_its_standard_input(tmp_path: Path) -> None:
    (tmp_path / "sleeper.py").write_text("import sys, time; print(sys.argv); time.sleep(600)")
    command = [sys.executable, "-u", "-m", "entrypoint.supervise.until_eof", "sleeper", "-x"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline().strip().endswith(b"sleeper.py', '-x']")
        process.stdin.close()
        assert process.wait(10) == -signal.SIGTERM
