"""`signpost junk`: each command on a home of its own, with the real databases and bogofilter."""

from __future__ import annotations

import getpass
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from entrypoint.accounts.store import AccountStore
from entrypoint.cli import signpost
from entrypoint.commands import junk, junk_account
from entrypoint.commands.account_changes import AccountFiles
from entrypoint.junk import training_program
from entrypoint.junk.account_state import open_state
from entrypoint.junk.words import WORDLIST, message_counts
from entrypoint.text import counted

needs_bogofilter = pytest.mark.skipif(shutil.which("bogofilter") is None, reason="no bogofilter")
ROOT = Path(__file__).parents[3]
ALICE = "alice@example.org"

# The command as a program of its own, with its files where a test has them.
PROGRAM = """
import sys
from pathlib import Path
from entrypoint.accounts.store import AccountStore
import getpass
from entrypoint.commands import junk, junk_account, progress_line
from entrypoint.commands.account_changes import AccountFiles
from entrypoint.junk import training_program
training_program._FOLDER, training_program.VMAIL = {root!r}, None
junk_account.VMAIL = getpass.getuser()
junk_account.become = lambda _: None
progress_line._EVERY = 0.1
junk.MAIL = junk_account.MAIL = Path({mail!r})
files = AccountFiles(AccountStore(Path({folder!r}) / "accounts"), Path("/none"))
junk.command(sys.argv[1:], obj=files)
"""


def letter(number: int, *words: str) -> bytes:
    text = " ".join(words or (f"word{number}", "common"))
    return f"From: a@far.example\nSubject: number {number}\n\n{text}\n".encode()


class Junk:
    """The command, with settings and homes in a folder of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.mail = folder / "mail"
        self.mail.mkdir()
        self.home = self.mail / "example.org/alice"
        self.files = AccountFiles(AccountStore(folder / "accounts"), folder / "run")
        self.environ = {
            "DOMAINS": "example.org",
            "ACCOUNTS": f"{ALICE}:a secret of alice, bob@example.org:another of bob",
            "ALIASES": "info@example.org: alice@example.org, bob@example.org",
            "JUNK_FILTER": "yes",
        }
        monkeypatch.setattr(junk_account, "VMAIL", getpass.getuser())
        monkeypatch.setattr(junk_account, "become", lambda _: None)
        for module in (junk, junk_account):
            monkeypatch.setattr(module, "MAIL", self.mail)
        monkeypatch.setattr(training_program, "VMAIL", None)
        monkeypatch.setattr(training_program, "_FOLDER", str(ROOT))

    def __call__(self, line: str, *more: str, stdin: bytes = b"", status: int = 0) -> Result:
        done = CliRunner().invoke(
            signpost,
            ["junk", *line.split(), *more],
            input=stdin,
            obj=self.files,
            env={**self.environ},
        )
        assert done.exit_code == status, (done.output, done.exception)
        return done


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Junk:
    for name in list(os.environ):
        if name.isupper() and name not in ("PATH", "HOME", "TMPDIR", "PYTEST_CURRENT_TEST"):
            monkeypatch.delenv(name, raising=False)
    return Junk(tmp_path, monkeypatch)


def counts(command: Junk) -> tuple[int, int]:
    return tuple(message_counts(command.home))  # type: ignore[return-value]


# -- which account ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        *("status {}", "train {} spam -", "allow {} a.example", "block {} a.example"),
        *("unlist {} a.example", "threshold {}", "threshold {} 6", "forget {} --yes"),
        "explain {} -",
    ],
)
@pytest.mark.parametrize(
    ("account", "why"),
    [
        (
            "carol@example.org",
            "no such account; `signpost account list` shows those there are, "
            "`signpost account add carol@example.org` adds it",
        ),
        ("info@example.org", "an alias, of alice@example.org and bob@example.org; name an account"),
        ("alice+lists@example.org", "a sub-address; the account is alice@example.org"),
    ],
)
def test_only_an_account_will_do(command: Junk, line: str, account: str, why: str) -> None:
    done = command(line.format(account), stdin=letter(1), status=2)
    assert done.stderr == f"error: {account}: {why}\n"
    assert not list(command.mail.iterdir())


def test_a_mistyped_class_is_answered_with_both(command: Junk) -> None:
    done = command(f"train {ALICE} sapm -", stdin=letter(1), status=2)
    assert "'sapm' is not one of 'spam', 'ham'" in done.stderr


# -- train -----------------------------------------------------------------------------------


@needs_bogofilter
def test_what_is_learned_once_is_not_learned_twice(command: Junk, tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.eml").write_bytes(letter(number))
    files = [str(tmp_path / f"{number}.eml") for number in range(3)]
    done = command(f"train {ALICE} spam", *files)
    assert done.stdout.splitlines() == [
        "3 messages learned as spam, 0 known before, 0 left out",
        f"{ALICE}: 3 spam and 0 ham learned; no verdict by words before 47 spam and 100 ham more",
    ]
    assert done.stderr == ""
    assert command(f"train {ALICE} spam", *files).stdout.startswith(
        "0 messages learned as spam, 3 "
    )
    assert counts(command) == (3, 0)
    done = command(f"train {ALICE} ham -", stdin=letter(1))
    assert "1 message learned as ham" in done.stdout
    assert counts(command) == (2, 1)
    assert (command.home.stat().st_mode & 0o777, command.home.parent.stat().st_mode & 0o777) == (
        0o700,
        0o700,
    )


@needs_bogofilter
def test_what_is_no_mail_is_named_and_the_rest_is_learned(command: Junk, tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"no\x1b[2J{number}").write_bytes(b"no mail")
    (tmp_path / "yes.eml").write_bytes(letter(1))
    done = command(f"train {ALICE} ham {tmp_path} {tmp_path}/none", status=2)
    # The folder of the command's own is there, too.
    assert done.stdout.startswith("1 message learned as ham, 0 known before, 32 left out\n")
    errors = done.stderr.splitlines()
    assert len(errors) == 21
    assert errors[0].startswith(f"error: {tmp_path}/no\\x1b[2J0: no mail, for it begins with ")
    assert errors[-1] == "error: 12 more left out"
    assert "\x1b" not in done.output


@needs_bogofilter
def test_a_database_that_is_broken_ends_it_and_forget_is_the_cure(command: Junk) -> None:
    box = b"".join(b"From x\n" + letter(number) + b"\n" for number in range(8))
    command(f"train {ALICE} spam -", stdin=box)
    (command.home / "junk" / WORDLIST).write_bytes(b"broken" * 10_000)
    cure = "restore it from a backup, or begin afresh with `signpost junk forget`"
    for line in (f"train {ALICE} spam -", f"status {ALICE}", f"explain {ALICE} -"):
        done = command(line, stdin=box if "train" in line else letter(1), status=1)
        assert "0 spam" not in done.stdout
        assert cure in done.stderr.splitlines()[-1]
    done = command("status --json", status=1)
    assert [json.loads(done.stdout)[0][name] for name in ("spam", "words_count")] == [None, False]
    done = command(f"train {ALICE} ham -", stdin=box, status=1)
    errors = done.stderr.splitlines()
    assert errors[-1].startswith("error: nothing more can be learned: ")
    assert "wordlist.db" in errors[-1]
    assert len(errors) == 4
    assert re.search(r"\? +\? +broken", command("status", status=1).stdout)
    command(f"forget {ALICE} --yes")
    assert command(f"train {ALICE} ham -", stdin=box).stdout.startswith("8 messages learned")


@needs_bogofilter
def test_two_trainings_at_once_and_the_learner(command: Junk) -> None:
    """Each takes the lock for one lesson; together they learn each message once."""
    box = b"".join(b"From x\n" + letter(number) + b"\n" for number in range(20))
    program = PROGRAM.format(root=str(ROOT), mail=str(command.mail), folder="/none")
    both = [
        subprocess.Popen(
            [sys.executable, "-c", program, "train", ALICE, "spam", "-"],
            cwd=ROOT,
            env={**command.environ, "PATH": os.environ["PATH"]},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    for each in both:
        assert each.stdin is not None
        each.stdin.write(box)
        each.stdin.close()
    said = []
    for each in both:
        assert each.stdout is not None
        with each.stdout:
            said.append(each.stdout.read().decode())
        assert each.wait(30) == 0
    found = [re.findall(r"\d+", each.splitlines()[0]) for each in said]
    assert [sum(map(int, each)) for each in zip(*found, strict=True)] == [20, 20, 0]
    assert counts(command) == (20, 0)


@needs_bogofilter
def test_a_training_ends_with_its_account(command: Junk) -> None:
    """Messages may come slowly, and another person may have the address by then."""
    command(f"threshold {ALICE} 6")
    home = command.home
    with training_program.TrainingProgram(home, "spam") as program:
        assert program.learned(letter(1))
        shutil.rmtree(home)
        home.mkdir()
        with pytest.raises(
            training_program.TrainingError, match="alice: it was removed since this began"
        ):
            program.learned(letter(2))
    assert not list(home.iterdir())


@needs_bogofilter
def test_what_was_learned_before_ctrl_c_stays(command: Junk, tmp_path: Path) -> None:
    """On a terminal, whose Ctrl+C goes to every program there."""
    folder = tmp_path / "old"
    folder.mkdir()
    # The first second, after which it says how far it is, is not enough for so many.
    most = 300
    for number in range(most):
        (folder / f"{number}.eml").write_bytes(letter(number))
    program = PROGRAM.format(root=str(ROOT), mail=str(command.mail), folder=str(tmp_path))
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        arguments = ["train", ALICE, "ham", str(folder)]
        environ = {**command.environ, "PATH": os.environ["PATH"]}
        os.execve(sys.executable, [sys.executable, "-c", program, *arguments], environ)
    said = b""
    while b"a second" not in said:
        said += os.read(terminal, 1000)
    os.write(terminal, b"\x03")
    try:
        while part := os.read(terminal, 1000):
            said += part
    except OSError:
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    assert b"error: interrupted; what was learned stays, and the same command goes on" in said
    _, ham = counts(command)
    assert 0 < ham < most
    assert f"{counted(ham, 'message')} learned as ham".encode() in said
    with open_state(command.home) as state:
        assert (state.counts().ham, state.pending()) == (ham, None)
    assert (
        f"{counted(most - ham, 'message')} learned as ham, {ham} known"
        in command(f"train {ALICE} ham {folder}").stdout
    )


def test_where_no_server_has_ever_started(command: Junk) -> None:
    command.mail.rmdir()
    done = command(f"train {ALICE} spam -", stdin=letter(1), status=1)
    assert "start a server with this volume first" in done.stderr


@needs_bogofilter
def test_a_filter_that_is_off_can_be_trained_and_says_so(command: Junk) -> None:
    for change in ({"JUNK_FILTER": "no"}, {"JUNK_FILTER": "no", "ENABLE_IMAP": "no"}):
        command.environ |= change
        done = command(f"train {ALICE} spam -", stdin=letter(len(change)))
        assert "1 message learned" in done.stdout
        assert done.stderr.startswith("warning: JUNK_FILTER=no: nothing is judged")
    assert "warning: JUNK_FILTER=no" in command("status").stderr


# -- explain ---------------------------------------------------------------------------------


@needs_bogofilter
def test_a_message_is_explained_and_nothing_of_it_reaches_the_terminal(
    command: Junk, tmp_path: Path
) -> None:
    command(f"train {ALICE} spam -", stdin=letter(1, "cialis\x1b[31mred", "cheap"))
    path = tmp_path / "one.eml"
    path.write_bytes(b"X-Signpost-Junk: yes score=7.3 threshold=5.0 (words 0.998)\n" + letter(1))
    done = command(f"explain {ALICE} {path}")
    assert "at its delivery: yes score=7.3 threshold=5.0 (words 0.998)" in done.stdout
    assert "no verdict before 50 spam and 100 ham are learned; there are 1 and 0" in done.stdout
    assert done.stdout == command(f"explain {ALICE} -", stdin=path.read_bytes()).stdout
    hostile = letter(1, "cialis\x1b[31mred", "\x9b2Jcheap", "\u202ex")
    assert not re.search(
        r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", command(f"explain {ALICE} -", stdin=hostile).stdout
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "standard input: it is empty"),
        (b"no mail", "standard input: no mail, for it begins with no header field"),
        (
            b"From x\n" + letter(1) + b"\nFrom x\n" + letter(2),
            "standard input: there is more than one message in it; give one",
        ),
    ],
)
def test_only_a_message_is_explained(command: Junk, content: bytes, why: str) -> None:
    done = command(f"explain {ALICE} -", stdin=content, status=2)
    assert done.stderr.startswith(f"error: {why}")
    assert not list(command.mail.iterdir())


# -- rules -----------------------------------------------------------------------------------


def test_rules_are_set_replaced_and_taken_back(command: Junk) -> None:
    said = command(f"allow {ALICE} Boss@Example.NET @bücher.example").stdout.splitlines()
    assert said == [
        "mail from boss@example.net never goes to Junk by its words, if it passes DMARC",
        "mail from xn--bcher-kva.example and the domains below it never goes to Junk by its words,"
        " if it passes DMARC",
    ]
    command(f"block {ALICE} boss@example.net shop.example")
    with open_state(command.home) as state:
        assert state.sender_rules() == [
            ("boss@example.net", "block"),
            ("shop.example", "block"),
            ("xn--bcher-kva.example", "allow"),
        ]
        assert state.sender_rule("x@sub.shop.example") == "block"
    assert (
        "block: shop.example\nallow: xn--bcher-kva.example\n" in command(f"status {ALICE}").stdout
    )
    done = command(f"unlist {ALICE} bücher.example nobody@shop.example", status=1)
    assert done.stdout == "mail from xn--bcher-kva.example is judged as all mail is\n"
    assert done.stderr == (
        f"error: nobody@shop.example: there is no such rule; `signpost junk status {ALICE}`"
        " shows those there are\n"
    )
    assert len(json.loads(command("status --json").stdout)[0]["rules"]) == 2


@pytest.mark.parametrize("verb", ["allow", "block", "unlist"])
def test_what_is_no_sender_is_refused_all_at_once(command: Junk, verb: str) -> None:
    done = command(f"{verb} {ALICE}", "good.example", "bad", "a b@example.net", "\x1b@x", status=2)
    errors = done.stderr.splitlines()
    assert [line.split(":")[1].strip() for line in errors] == [
        '"bad"',
        '"a b@example.net"',
        '"\\x1b@x"',
    ]
    assert not list(command.mail.iterdir())


@pytest.mark.parametrize("verb", ["allow", "block", "unlist"])
@pytest.mark.parametrize("sender", ["*@shop.example", "*.shop.example", "news*@shop.example"])
def test_a_wildcard_would_match_nobody(command: Junk, verb: str, sender: str) -> None:
    done = command(f"{verb} {ALICE} {sender}", status=2)
    assert done.stderr == (
        f'error: "{sender}": there are no wildcards; a domain, such as example.org, stands for all'
        " its addresses and the domains below it\n"
    )
    assert not list(command.mail.iterdir())


@pytest.mark.parametrize("sender", ["O'Brien@shop.example", "a/b=c|d`e@shop.example"])
def test_whoever_may_write_may_have_a_rule(command: Junk, sender: str) -> None:
    """RFC 5322 §3.2.3 has more characters than an address that stands in smtpd's files."""
    command(f"block {ALICE}", sender)
    with open_state(command.home) as state:
        assert state.sender_rules() == [(sender.lower(), "block")]
    command(f"unlist {ALICE}", sender)


def test_what_is_unlisted_may_have_another_rule(command: Junk) -> None:
    command(f"block {ALICE} shop.example a@news.shop.example news.shop.example")
    done = command(f"unlist {ALICE} a@news.shop.example")
    assert (
        done.stdout == "mail from a@news.shop.example goes by the rule `block news.shop.example`\n"
    )
    done = command(f"unlist {ALICE} news.shop.example")
    assert done.stdout == "mail from news.shop.example goes by the rule `block shop.example`\n"
    done = command(f"unlist {ALICE} shop.example")
    assert done.stdout == "mail from shop.example is judged as all mail is\n"
    command(f"allow {ALICE} shop.example a@shop.example")
    done = command(f"unlist {ALICE} a@shop.example shop.example")
    assert done.stdout.count("is judged as all mail is") == 2


def test_the_list_of_commands_is_not_cut_short(command: Junk) -> None:
    assert "..." not in command("--help").stdout.partition("Commands:")[2]


def test_a_threshold(command: Junk) -> None:
    assert command(f"threshold {ALICE}").stdout == "5 (default)\n"
    assert command(f"threshold {ALICE} 7.5").stdout == f"mail to {ALICE} is junk from 7.5 on\n"
    assert command(f"threshold {ALICE}").stdout == "7.5\n"
    for wrong in ("nan", "inf", "0", "-1", "1e9", "five", ""):
        for more in (("--", wrong), (wrong,)):  # `-1` is no option
            done = command(f"threshold {ALICE}", *more, status=2)
            assert "a score is a number from 0.1 to 100" in done.stderr
    assert command(f"threshold {ALICE} default").stdout.endswith("from 5 (default) on\n")
    assert command(f"threshold {ALICE}").stdout == "5 (default)\n"


# -- status and forget -------------------------------------------------------------------------


def test_the_status_of_all_makes_nothing(command: Junk) -> None:
    lines = command("status").stdout.splitlines()
    assert lines[0].split()[0] == "ACCOUNT"
    assert [line.split()[0] for line in lines[1:]] == [ALICE, "bob@example.org"]
    assert not list(command.mail.iterdir())


def test_a_state_that_is_broken_is_named(command: Junk) -> None:
    command(f"block {ALICE} a.example")
    for path in (command.home / "junk").iterdir():
        path.unlink()
    (command.home / "junk/state.sqlite").write_bytes(b"broken" * 1000)
    done = command("status", status=1)
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == [ALICE, "bob@example.org"]
    assert done.stderr.startswith(f"error: {ALICE}: {command.home}/junk/state.sqlite: ")
    done = command(f"allow {ALICE} a.example", status=1)
    assert "signpost junk forget" in done.stderr
    command(f"forget {ALICE} --yes")
    command(f"allow {ALICE} a.example")


def test_forget_asks_and_removes_all(command: Junk) -> None:
    assert "nothing was learned" in command(f"forget {ALICE} --yes").stdout
    command(f"block {ALICE} a.example")
    done = command(f"forget {ALICE}", stdin=b"y\n", status=1)
    assert done.stderr == "error: it asks on a terminal; without one, add --yes\n"
    assert (command.home / "junk/state.sqlite").exists()
    assert "all that was learned is removed" in command(f"forget {ALICE} --yes").stdout
    assert "a.example" not in command(f"status {ALICE}").stdout
    assert "nothing was learned" in command(f"forget {ALICE} --yes").stdout


def test_no_error_writes_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        junk_account.end(["bogofilter ended with 3: \x1b[2J\x9b"], 1)
    assert capsys.readouterr().err == "error: bogofilter ended with 3: \\x1b[2J\\x9b\n"
