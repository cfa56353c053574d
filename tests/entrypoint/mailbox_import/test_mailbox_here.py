"""Dovecot's imap program as it answers what it does not take, and what it is known by."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from entrypoint.mailbox_import.mailbox_here import (
    HereLostError,
    MailboxHere,
    NewMessage,
    NotTakenError,
    digest,
)

# Speaks as much as is asked of it; `{answer}` is the one to APPEND.
PROGRAM = """#!{python}
import re, sys
read, say = sys.stdin.buffer, lambda text: print(text, end="\\r\\n", flush=True)
CAPABILITY = "CAPABILITY IMAP4rev1 LITERAL+ MULTIAPPEND"
say("* PREAUTH [" + CAPABILITY + "] hello")
for line in read:
    tag, verb = line.decode().split()[:2]
    while literal := re.search(rb"{{(\\d+)[+]}}\\r\\n$", line):
        read.read(int(literal[1]))
        line = read.readline()
    if verb == "CAPABILITY":
        say("* " + CAPABILITY)
    say(tag + (" {answer}" if verb == "APPEND" else " OK done"))
"""


@pytest.mark.parametrize("answer", ["BAD Invalid internal date.", "NO [LIMIT] too large"])
def test_a_message_that_it_refuses_is_not_taken(tmp_path: Path, answer: str) -> None:
    program = tmp_path / "imap"
    program.write_text(PROGRAM.format(python=sys.executable, answer=answer))
    program.chmod(0o755)
    here = MailboxHere("alice@example.org", str(program))
    here.open()
    try:
        for _ in range(2):
            with pytest.raises(NotTakenError, match=r"Invalid internal date|too large"):
                here.store("INBOX", [NewMessage(b"x\r\n", (), None)] * 2)
            if answer.startswith("BAD"):
                with pytest.raises(HereLostError, match="does not run"):
                    here.position("INBOX")
                here.open()
    finally:
        here.close()


def test_what_it_logs_is_said(tmp_path: Path) -> None:
    program = tmp_path / "imap"
    program.write_text(
        "#!/bin/sh\necho 'imap: Info: x' >&2\nprintf 'imap: Fatal: no \\033 user\\n' >&2\n"
    )
    program.chmod(0o755)
    with pytest.raises(HereLostError, match=r"does not open it: .*: no \\x1b user$"):
        MailboxHere("alice@example.org", str(program)).open()


@pytest.mark.parametrize("stored", [b"a\r\nb\r\n", b"a\nb\n", b"a\r\r\nb\n", b"a\r\r\r\nb\r\n"])
def test_line_ends_do_not_make_another_message(stored: bytes) -> None:
    assert digest(stored) == digest(b"a\r\nb\r\n")


def test_what_is_known_apart() -> None:
    contents = (b"a\r\nb", b"a\r\nb\r\n", b"a\rb", b"ab", b"a\r\n\r\nb", b"a\nb\r")
    assert len({digest(each) for each in contents}) == len(contents)
