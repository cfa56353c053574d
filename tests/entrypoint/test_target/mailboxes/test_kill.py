"""The process is killed while it delivers: each copy is there, and once."""

import os
import signal
import smtplib
from collections import Counter
from pathlib import Path

import pytest

from tests.entrypoint.test_target.running import Running, running

RECIPIENTS = ("bob@b.example", "carol+tag@c.example")


@pytest.mark.parametrize("copies", [1, 60, 150])
def test_a_kill_loses_and_doubles_no_copy(tmp_path: Path, copies: int) -> None:
    root = tmp_path / "mail"
    root.mkdir()
    answered: list[int] = []
    with pytest.raises(AssertionError):  # it does not end by itself
        _send_until_killed(tmp_path / "store.db", root, copies, answered)
    with running(tmp_path / "store.db", mail=str(root)) as server:
        _wait_until_delivered(server)
        items = server.get("/api/v1/messages", limit=1_000).json["messages"]
        assert len(items) == len(answered)
        expected = Counter(item["ID"] for item in items for _ in RECIPIENTS)
        assert Counter(path.name.split(".")[2] for path in _files(root)) == expected
        assert not [*root.glob("*/*/Maildir/tmp/*")]
        server.empty()
        server.process.terminate()
        server.process.wait()


def _send_until_killed(database: Path, root: Path, copies: int, answered: list[int]) -> None:
    with (
        running(database, mail=str(root)) as server,
        smtplib.SMTP("127.0.0.1", server.smtp_port, timeout=30) as smtp,
    ):
        while len(_files(root)) < copies:
            smtp.sendmail("a@a.example", RECIPIENTS, b"Subject: a\r\n\r\nx\r\n")
            answered.append(1)
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
        smtp.close()


def _files(root: Path) -> list[Path]:
    return [*root.glob("*/*/Maildir/new/*")]


def _wait_until_delivered(server: Running) -> None:
    while "signpost_mailbox_backlog 0.0" not in server.get("/metrics").text:
        assert server.process.poll() is None
