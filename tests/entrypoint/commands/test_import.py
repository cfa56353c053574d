"""`signpost import`: what it says of options and files, before it asks anybody."""

from __future__ import annotations

import importlib
import io
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from entrypoint.accounts.store import AccountStore
from entrypoint.commands.account_changes import AccountFiles
from entrypoint.mailbox_import.folder_names import Planned
from entrypoint.mailbox_import.imap_sessions import StoppedError
from entrypoint.mailbox_import.mailbox_here import MailboxHere
from entrypoint.mailbox_import.old_server import OldMailbox, OldServer
from entrypoint.mailbox_import.responses import OldFolder
from entrypoint.mailbox_import.transfer import FolderResult, Transfer

command = importlib.import_module("entrypoint.commands.import")
SOURCE = OldMailbox("old.test", 993, "TLS", "alice")


@pytest.mark.parametrize(
    "host",
    ["", ":993", "a..b", "old.test:99999", "old.test:x", "alice@old.test", "imap://old", "::1"],
)
def test_a_host_that_is_none_is_named_with_its_option(host: str) -> None:
    done = CliRunner().invoke(command.command, ["alice@example.org", "--from", host])
    assert done.exit_code == 2
    assert "--from" in done.output
    assert f"{host}: write HOST or HOST:PORT" in done.output


def test_a_file_without_a_certificate_is_named(tmp_path: Path) -> None:
    file = tmp_path / "old.pem"
    file.write_text("no certificate")
    options = ["alice@example.org", "--from", "old.test", "--certificate-file", str(file)]
    done = CliRunner().invoke(command.command, options)
    assert done.exit_code == 2
    assert f"{file}: it has no certificate in PEM" in done.output


def test_an_alias_is_no_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.isupper() and name not in ("PATH", "HOME", "TMPDIR", "PYTEST_CURRENT_TEST"):
            monkeypatch.delenv(name, raising=False)
    environ = {
        "DOMAINS": "example.org",
        "ACCOUNTS": "alice@example.org:a secret of alice",
        "ALIASES": "info@example.org: alice@example.org",
    }
    files = AccountFiles(AccountStore(tmp_path / "accounts"), tmp_path / "run")
    options = ["info@example.org", "--from", "old.test"]
    done = CliRunner().invoke(command.command, options, obj=files, env=environ)
    assert done.exit_code == 2
    assert done.stderr == (
        "error: info@example.org: an alias, of alice@example.org; name an account\n"
    )


@pytest.mark.parametrize("content", [b"", b"one\ntwo\n", b"caf\xe9\n", b"a\0b\n", b"x" * 9000])
@pytest.mark.parametrize("is_file", [True, False])
def test_what_is_no_password_is_not_shown(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: bytes,
    is_file: bool,
) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    lines = io.TextIOWrapper(io.BytesIO(content), "utf-8", "surrogateescape")
    monkeypatch.setattr("sys.stdin", lines)
    if content == b"one\ntwo\n" and not is_file:
        assert command._password(None, SOURCE) == "one"
        return
    with pytest.raises(SystemExit) as ended:
        command._password(path if is_file else None, SOURCE)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.endswith(": there has to be one line, the password there, in UTF-8\n")
    assert (str(path) in said) == is_file


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (KeyboardInterrupt(), "error: interrupted; run the same again to go on\n"),
        (
            StoppedError("the mailbox here is full: x", full=True),
            "error: the mailbox here is full: x; 6 messages missing; run the same again after"
            " `signpost account quota`\n",
        ),
        (
            StoppedError("old.test is lost again and again: is full"),
            "error: old.test is lost again and again: is full; 6 messages missing;"
            " run the same again\n",
        ),
        (OSError("no room"), None),
    ],
)
def test_the_table_is_there_however_it_ends(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ended: BaseException,
    said: str | None,
) -> None:
    monkeypatch.setattr(command, "problems", lambda **_: [])
    old, here = OldServer(SOURCE, "secret"), MailboxHere("alice@example.org")
    transfer = Transfer(old, here, None)  # type: ignore[arg-type]
    folder = OldFolder(b"W" * 3000, "/", frozenset(), subscribed=False)
    transfer.results = [FolderResult(Planned(folder, "W" * 3000, "W"), messages=10, brought=4)]
    transfer.unsure = 2
    with (
        pytest.raises(SystemExit if said else OSError),
        command._ended(old, here, transfer, list_only=False),
    ):
        raise ended
    printed = capsys.readouterr()
    assert f"\n{'W' * 250}  W" in printed.out
    assert printed.out.endswith(
        "4 messages brought (0 MiB)\nup to 2 more may be stored; the next run counts them\n"
    )
    assert printed.err == (said or "")
