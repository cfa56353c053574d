"""The submission program: what it asks in which order, and what it does not start with."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from filters.addresses import AddressFile
from filters.disk_room import QueueRoom
from filters.guard.client import GuardClient
from filters.guard.sending_limit import SendingLimit
from filters.keyring import KeyRing
from filters.recipients import SubmissionRecipients
from filters.signer import Signer
from filters.smtpd import FilterServer
from filters.submission import restrict
from filters.submission_access import LoginAccess, SendingAccess

from .program import Program
from .restrictions import restrictions
from .signing_keys import write_key


def test_restrictions_are_asked_in_the_order_of_the_program(tmp_path: Path) -> None:
    (tmp_path / "addresses.json").write_text('{"domains": [], "owners": {}}')
    addresses = AddressFile(tmp_path / "addresses.json")
    server = FilterServer()
    restrict(
        server,
        logins=LoginAccess(GuardClient(tmp_path / "guard")),
        queue=QueueRoom(tmp_path),
        signer=Signer(KeyRing([]), addresses, required=False),
        recipients=SubmissionRecipients(addresses),
        sending=SendingAccess(SendingLimit(300, 3600), SendingLimit(300, 3600)),
    )
    # A blocked login learns nothing of addresses, and what is refused anyway is not counted.
    assert restrictions(server) == {
        "auth": ["reject_blocked_client"],
        "mail-from": [
            "reject_blocked_login",
            "reject_insufficient_storage",
            "reject_sender_login_mismatch",
            "note_null_sender",
        ],
        "rcpt-to": [
            "reject_other_domains",
            "reject_unlisted_recipient",
            "reject_unrewritable_sender",
            "reject_full_mailbox",
            "reject_over_limit",
        ],
        "commit": ["reject_unrewritable_message", "reject_script_over_limit"],
    }


def test_what_is_not_wanted_is_not_asked() -> None:
    server = FilterServer()
    signer = Signer(KeyRing([]), None, required=False)
    restrict(
        server,
        logins=None,
        queue=None,
        signer=signer,
        recipients=None,
        sending=None,
    )
    assert restrictions(server) == {}


@pytest.mark.parametrize(
    ("arguments", "errors"),
    [
        (
            ["nonsense", "a.example:s:/nowhere/key.pem", "--addresses", "/nowhere/addresses.json"],
            ["DOMAIN:SELECTOR:KEYFILE", "/nowhere/key.pem", "/nowhere/addresses.json"],
        ),
        (["--local-only", "no"], ["no key", "--local-only needs --addresses"]),
        (["--written-to", "/nowhere"], ["no key", "--written-to needs --addresses"]),
    ],
)
def test_it_says_all_at_once_that_keeps_it_from_starting(
    arguments: list[str], errors: list[str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "filters.submission", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 2
    for error in errors:
        assert error in done.stderr


def test_what_it_counts_is_written_at_the_end(tmp_path: Path) -> None:
    login = "alice@example.org"
    addresses = {"domains": ["example.org"], "owners": {login: [login]}}
    (tmp_path / "addresses.json").write_text(json.dumps(addresses))
    write_key(tmp_path / "key")
    arguments = [f"far.test:s:{tmp_path / 'key'}", "--addresses", str(tmp_path / "addresses.json")]
    arguments += ["--spool", str(tmp_path), "--rate-limit", "2", "86400"]
    arguments += ["--unsigned", str(tmp_path / "unsigned.json")]
    with Program("filters.submission", *arguments) as program:
        program.report("link-auth", "pass", login)
        for _ in range(2):
            lines = [f"From: {login}", "", "hello"]
            assert program.send(login, "bob@far.test", lines) == "proceed"
        assert program.ask("mail-from", "bob@example.org").startswith("reject|550 5.7.1")
        assert program.ask("rcpt-to", "nobody@example.org").startswith("reject|550 5.1.1")
        assert program.ask("rcpt-to", "bob@far.test").startswith("reject|451 4.7.1")
    assert program.process.returncode == 0
    assert json.loads((tmp_path / "sent.json").read_text())[login][0] == pytest.approx(2, abs=0.1)
    assert json.loads((tmp_path / "unsigned.json").read_text())["example.org"]["count"] == 2
    assert b"could not be signed" in program.log


def test_what_a_script_sends_is_counted_apart_and_written_at_the_end(tmp_path: Path) -> None:
    account = "alice@example.org"
    addresses = {"domains": ["example.org"], "owners": {account: [account]}}
    (tmp_path / "addresses.json").write_text(json.dumps(addresses))
    write_key(tmp_path / "key")
    arguments = [f"far.test:s:{tmp_path / 'key'}", "--addresses", str(tmp_path / "addresses.json")]
    arguments += ["--spool", str(tmp_path), "--rate-limit", "2", "86400"]
    redirect = [
        f"X-Signpost-Account: {account}",
        "X-Sieve: Pigeonhole Sieve",
        f"X-Sieve-Redirected-From: {account}",
        "From: x@far.test",
        "",
        "hello",
    ]
    with Program("filters.submission", *arguments) as program:
        answers = [program.send(account, "bob@far.test", redirect) for _ in range(3)]
    assert answers[:2] == ["proceed", "proceed"]
    assert answers[2].startswith(f"reject|550 5.7.1 scripts of {account} ")
    counts = json.loads((tmp_path / "sent-by-scripts.json").read_text())
    assert counts[account][0] == pytest.approx(2, abs=0.1)
    assert not (tmp_path / "sent.json").exists()
    assert program.log.count(b"Sieve scripts") == 1


def test_a_login_in_another_spelling_is_its_accounts(tmp_path: Path) -> None:
    """smtpd reports bytes outside of ASCII as vis(3) writes them."""
    login = "alice@xn--bcher-kva.test"
    addresses = {"domains": ["xn--bcher-kva.test"], "owners": {login: [login]}}
    (tmp_path / "addresses.json").write_text(json.dumps(addresses))
    write_key(tmp_path / "key")
    arguments = [f"far.test:s:{tmp_path / 'key'}", "--addresses", str(tmp_path / "addresses.json")]
    with Program("filters.submission", *arguments) as program:
        program.report("link-auth", "pass", r"Alice@b\M-C\M-<cher.test")
        assert program.ask("mail-from", login) == "proceed"
        assert program.ask("mail-from", "bob@far.test").startswith("reject|550 5.7.1")


def test_whom_an_owner_writes_to_is_said_and_whom_a_script_or_receipt_answers_is_not(
    tmp_path: Path,
) -> None:
    login, spammer = "alice@example.org", "spammer@far.test"
    addresses = {"domains": ["example.org"], "owners": {login: [login]}}
    (tmp_path / "addresses.json").write_text(json.dumps(addresses))
    write_key(tmp_path / "key")
    arguments = [f"far.test:s:{tmp_path / 'key'}", "--addresses", str(tmp_path / "addresses.json")]
    arguments += ["--written-to", str(tmp_path / "written-to")]
    vacation = [
        f"X-Signpost-Account: {login}",
        "X-Sieve: Pigeonhole Sieve",
        "Message-ID: <a@b>",
        f"From: {login}",
        f"To: {spammer}",
        "Auto-Submitted: auto-replied (vacation)",
        "",
        "away",
    ]
    receipt = [f"From: {login}", "Content-Type: multipart/report; boundary=b", "", "read"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as taker:
        taker.bind(str(tmp_path / "written-to"))
        taker.settimeout(20)
        with Program("filters.submission", *arguments) as program:
            program.report("link-connect", "", "pass", "local", "local")
            assert program.send(login, spammer, vacation) == "proceed"
            program.report("link-disconnect")
        with Program("filters.submission", *arguments) as program:
            program.report("link-auth", "pass", login)
            assert program.send(login, spammer, receipt) == "proceed"
            assert program.send("", spammer, [f"From: {login}", "", "hello"]) == "proceed"
            lines = [f"From: {login}", "", "hello"]
            assert program.send(login, "bob@far.test", lines) == "proceed"
        assert taker.recv(1000) == b"alice@example.org\0bob@far.test"
        taker.setblocking(False)
        with pytest.raises(BlockingIOError):
            taker.recv(1000)
