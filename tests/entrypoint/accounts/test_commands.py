"""The commands, where no server runs: what they keep, print and refuse."""

from __future__ import annotations

import errno
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import click
import pytest
from click.testing import CliRunner, Result

from entrypoint.accounts import changes
from entrypoint.accounts.store import AccountStore
from entrypoint.accounts.stored import Stored
from entrypoint.commands import account, alias, app_password
from entrypoint.commands.account_changes import AccountFiles
from entrypoint.config import environ
from entrypoint.config.problems import ConfigurationError
from entrypoint.maintenance.control_socket import SOCKET, Outcome
from filters.credentials import matches

from ...refusing_disk import names_in, refusing
from ..maintenance.answering import answering

ENVIRONMENT = {
    "DOMAINS": "example.org",
    "ACCOUNTS": "alice@example.org:wonderland",
    "ALIASES": "info@example.org: alice@example.org",
}
GROUPS = {"account": account.command, "alias": alias.command, "app-password": app_password.command}
GENERATED = re.compile(r"([a-hjkmnp-z]{4}-){3}[a-hjkmnp-z]{4}")


@dataclass
class Shell:
    files: AccountFiles
    environment: dict[str, str] = field(default_factory=lambda: dict(ENVIRONMENT))

    def attempt(self, line: str, stdin: str = "") -> Result:
        group, *words = line.split()
        return CliRunner().invoke(
            GROUPS[group], words, input=stdin, obj=self.files, env=self.environment
        )

    def do(self, line: str, stdin: str = "") -> str:
        """What a command that must succeed prints on standard output."""
        done = self.attempt(line, stdin)
        assert done.exit_code == 0, done.output
        return done.stdout

    def refusal(self, line: str, stdin: str = "") -> str:
        """Why a command is refused; nothing is changed."""
        before = self.stored()
        done = self.attempt(line, stdin)
        assert done.exit_code == 1, done.output
        assert self.stored() == before
        assert done.stdout == ""
        return done.stderr

    def stored(self) -> Stored:
        return self.files.store.load()

    def hash_of(self, address: str) -> bytes:
        return self.stored().accounts[address].hash.encode()


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    store = AccountStore(tmp_path / "accounts", root=tmp_path.owner())
    return Shell(AccountFiles(store, run=tmp_path / "run"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
@pytest.mark.parametrize(
    "line",
    [
        "account add dave@example.org --generate",
        "account passwd carol@example.org --generate",
        "account quota carol@example.org 1G",
        "account remove carol@example.org",
        "app-password add alice@example.org phone",
        "app-password revoke carol@example.org phone",
        "alias add more@example.org carol@example.org",
        "alias remove bob@example.org",
    ],
)
def test_a_disk_that_takes_nothing_changes_nothing(shell: Shell, line: str, number: int) -> None:
    """And no password is printed of something that was not kept."""
    shell.do("account add carol@example.org --generate")
    shell.do("app-password add carol@example.org phone")
    shell.do("alias add bob@example.org alice@example.org")
    with refusing(shell.files.store.folder, number):
        said = shell.refusal(line)
    assert said.startswith(f"error: {shell.files.store.path}: ")
    assert said.endswith("; nothing is changed\n")
    assert names_in(shell.files.store.folder) == [".lock", "accounts.json"]


@pytest.mark.parametrize("stdin", ["new secret", "new secret\n", "new secret\r\nnew secret\r\n"])
def test_the_password_is_the_first_line_of_standard_input(shell: Shell, stdin: str) -> None:
    assert shell.do("account add dave@example.org", stdin) == ""
    assert matches(b"new secret", shell.hash_of("dave@example.org"))


@pytest.mark.parametrize(
    ("stdin", "words"),
    [
        ("rabbit\nhole\n", "the two passwords on standard input differ"),
        ("rabbit\nrabbit\nrabbit\n", "more than a password and its repetition"),
        ("", "no password on standard input; give a terminal"),
        ("\n", "no password on standard input"),
        (" rabbit\n", "white space before or after a password; take it out"),
        ("$6$short\n", "a malformed hash"),
        (f"$2b$14$abcdefghijklmnopqrstuu{'a' * 31}\n", "a hash that takes 999 ms to check"),
        ("{SHA}rabbit\n", "smtpd cannot check a hash with a {SCHEME} before it"),
        ("x" * 512, "a password has at most 511 bytes"),
        ("x" * 10_000, "more than a password"),
    ],
)
def test_what_is_no_password_is_refused_and_not_shown(shell: Shell, stdin: str, words: str) -> None:
    said = shell.refusal("account add dave@example.org", stdin)
    assert words in said
    assert not stdin.strip() or stdin.splitlines()[0] not in said


def test_a_hash_is_taken_in_a_password_s_place(shell: Shell) -> None:
    shell.do("account add dave@example.org", "a secret")
    hashed = shell.hash_of("dave@example.org")
    shell.do("account add eve@example.org", hashed.decode())
    assert shell.hash_of("eve@example.org") == hashed


def test_a_password_is_typed_twice_on_a_terminal_and_not_seen() -> None:
    code = "from entrypoint.commands.account import asked_hash; print(asked_hash())"
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=child,
        stdout=child,
        stderr=child,
        start_new_session=True,  # so that this terminal is asked, and not that of the tests
    )
    os.close(child)
    said = b""
    for prompt in (b"Password: ", b"The same again: "):
        while not said.endswith(prompt):
            said += os.read(parent, 4096)
        os.write(parent, b"a secret\n")
    while not (made := re.search(rb"\$6\$[^\r\n]+(?=\r)", said)):
        said += os.read(parent, 4096)
    os.close(parent)
    assert process.wait() == 0
    assert matches(b"a secret", made[0])
    assert b"a secret" not in said


def test_a_generated_password_is_alone_on_standard_output(shell: Shell) -> None:
    first = shell.do("account add dave@example.org --generate").strip()
    assert GENERATED.fullmatch(first)
    assert matches(first.encode(), shell.hash_of("dave@example.org"))
    second = shell.do("account passwd dave@example.org --generate").strip()
    assert first != second
    assert matches(second.encode(), shell.hash_of("dave@example.org"))


@pytest.mark.parametrize(("plain", "warned"), [("x", True), ("1234567", True), ("12345678", False)])
def test_a_short_password_is_warned_of_and_taken(shell: Shell, plain: str, warned: bool) -> None:
    warning = "warning: the password has fewer than eight characters and is soon guessed; "
    for line in ("account add dave@example.org", "account passwd dave@example.org"):
        done = shell.attempt(line, plain)
        assert done.exit_code == 0
        assert (warning in done.stderr) == warned
        assert matches(plain.encode(), shell.hash_of("dave@example.org"))


def test_quotas(shell: Shell) -> None:
    def quota() -> int | None:
        return shell.stored().accounts["dave@example.org"].quota

    shell.do("account add Dave@Example.org --quota 5G", "a secret")
    assert quota() == 5 * 1024**3
    for written, meant in (("none", 0), ("default", None), ("2T", 2 * 1024**4)):
        shell.do(f"account quota dave@example.org {written}")
        assert quota() == meant
    for line in ("account quota dave@example.org 5X", "account add e@example.org --quota 5X"):
        done = shell.attempt(line)
        assert done.exit_code == 2
        assert '"5X": the quota is not a size; write it like 5G, or none' in done.output
    listed = json.loads(shell.do("account list --json"))
    assert [(row["address"], row["kept"], row["quota"]) for row in listed] == [
        ("alice@example.org", "ACCOUNTS", None),
        ("dave@example.org", "here", 2 * 1024**4),
    ]
    assert re.search(r"(?m)^dave@example.org +here +2T +0 +never$", shell.do("account list"))


def test_the_default_quota_is_shown_for_who_has_none_of_their_own(shell: Shell) -> None:
    shell.environment |= {
        "DEFAULT_QUOTA": "1G",
        "ACCOUNTS": "alice@example.org:wonderland\nbob@example.org:builder:quota=none",
    }
    rows = json.loads(shell.do("account list --json"))
    assert [row["quota"] for row in rows] == [1024**3, None]


def test_accounts_and_aliases_of_the_environment_are_not_changed_here(shell: Shell) -> None:
    for line in (
        "account add alice@example.org",
        "account passwd alice@example.org",
        "account quota alice@example.org 1G",
        "account remove alice@example.org",
    ):
        said = shell.refusal(line, "a secret")
        assert (
            said
            == "error: alice@example.org: ACCOUNTS has this address, and wins; change it there\n"
        )
    for line in (
        "alias add info@example.org x@far.example",
        "alias remove info@example.org",
        "account add info@example.org",
    ):
        said = shell.refusal(line, "a secret")
        assert (
            said == "error: info@example.org: ALIASES has this address, and wins; change it there\n"
        )


def test_the_rules_are_those_of_the_environment(shell: Shell) -> None:
    said = shell.refusal("account add dave@far.example", "a secret")
    assert "an account outside DOMAINS; add its domain to DOMAINS, or correct it" in said
    assert "delimiter +" in shell.refusal("account add dave+x@example.org", "a secret")
    done = shell.attempt("account add ../x@example.org", "a secret")
    assert done.exit_code == 2
    assert "a local part may not hold / or .." in done.stderr


def test_an_account_that_is_there_or_not(shell: Shell) -> None:
    shell.do("account add dave@example.org", "a secret")
    assert "a duplicate account" in shell.refusal("account add dave@example.org", "another")
    shell.do("account remove dave@example.org")
    for line in ("remove dave@example.org", "passwd dave@example.org", "quota dave@example.org 1G"):
        assert "no such account" in shell.refusal(f"account {line}", "a secret")


def test_aliases_gain_and_lose_targets(shell: Shell) -> None:
    def targets() -> tuple[str, ...]:
        return shell.stored().aliases.get("team@example.org", ())

    shell.do("alias add Team@example.org alice@example.org x@far.example")
    shell.do("alias add team@example.org y@far.example y@far.example")
    assert targets() == ("alice@example.org", "x@far.example", "y@far.example")
    assert "a duplicate target" in shell.refusal("alias add team@example.org x@far.example")
    shell.do("alias remove team@example.org x@far.example alice@example.org")
    assert targets() == ("y@far.example",)
    assert "no such target" in shell.refusal("alias remove team@example.org x@far.example")
    listed = {row["address"]: row for row in json.loads(shell.do("alias list --json"))}
    assert listed["team@example.org"] == {
        "address": "team@example.org",
        "kept": "here",
        "targets": ["y@far.example"],
    }
    assert listed["info@example.org"]["kept"] == "ALIASES"
    assert listed["abuse@example.org"]["kept"] == "implied"
    shell.do("alias remove team@example.org")
    assert not shell.stored().aliases
    assert "no such alias" in shell.refusal("alias remove team@example.org")


def test_a_catch_all_is_an_alias(shell: Shell) -> None:
    shell.do("alias add @example.org alice@example.org")
    assert shell.stored().aliases == {"@example.org": ("alice@example.org",)}


def test_an_alias_domain_is_an_alias(shell: Shell) -> None:
    shell.environment["DOMAINS"] = "example.org, example.net, example.com"
    shell.do("alias add @Example.COM @example.org")
    assert shell.stored().aliases == {"@example.com": ("@example.org",)}
    assert "an alias domain has one target" in shell.refusal("alias add @example.com x@far.example")
    assert "alias loop" in shell.refusal("alias add @example.org @example.com")
    assert "not in DOMAINS" in shell.refusal("alias add @example.net @far.example")
    assert "a whole domain" in shell.refusal("alias add a@example.org @example.com")
    listed = {row["address"]: row for row in json.loads(shell.do("alias list --json"))}
    assert listed["@example.com"]["targets"] == ["@example.org"]
    assert "abuse@example.com" not in listed
    shell.do("alias remove @example.com")
    assert not shell.stored().aliases


@pytest.mark.parametrize("account", ["alice@example.org", "dave@example.org"])
def test_an_account_of_either_kind_has_its_mail_copied(shell: Shell, account: str) -> None:
    if account != "alice@example.org":
        shell.do(f"account add {account}", "a secret")
    said = shell.refusal(f"alias add {account} copy@far.example")
    assert "an alias that is an account too" in said
    assert f"have {account} among its targets" in said
    shell.do(f"alias add {account} {account} copy@far.example")
    assert "an account too" in shell.refusal(f"alias remove {account} {account}")
    if account != "alice@example.org":
        assert "add it as an account" in shell.refusal(f"account remove {account}")
    shell.do(f"alias remove {account}")


def test_an_account_may_be_added_whose_copies_the_environment_has(shell: Shell) -> None:
    written = "dave@example.org: dave@example.org, copy@far.example\n"
    shell.environment["ALIASES"] = written
    shell.do("account add dave@example.org", "a secret")
    said = shell.refusal("account remove dave@example.org")
    assert "dave@example.org of ALIASES points here" in said
    assert "copy@far.example" in shell.do("alias list")
    shell.environment["ALIASES"] = written.replace("dave@example.org,", "alice@example.org,")
    assert "ALIASES has this address" in shell.refusal("account quota dave@example.org 1G")


def test_nothing_is_left_that_reaches_nobody_or_loops(shell: Shell) -> None:
    assert "nobody takes mail" in shell.refusal("alias add a@example.org b@example.org")
    shell.do("account add b@example.org", "a secret")
    shell.do("alias add a@example.org b@example.org")
    said = shell.refusal("account remove b@example.org")
    assert "a@example.org: an alias without a recipient" in said
    shell.do("alias add c@example.org a@example.org")
    shell.do("alias remove c@example.org")
    shell.do("alias add b2@example.org a@example.org")
    assert "alias loop" in shell.refusal("alias add a@example.org b2@example.org")


def test_what_an_alias_of_the_environment_leads_to_can_be_added_and_not_removed(
    shell: Shell,
) -> None:
    shell.environment["ALIASES"] = "info@example.org: dave@example.org, alice@example.org\n"
    said = shell.attempt("account add eve@example.org", "a secret").exception
    assert isinstance(said, ConfigurationError)
    assert said.errors == [
        "ALIASES: line 1: an alias without a recipient: nobody takes mail for its target; "
        '"dave@example.org"; add that account, or correct the target'
    ]
    assert shell.stored() == Stored()
    shell.do("account add dave@example.org", "a secret")
    shell.do("account add eve@example.org", "a secret")
    assert shell.refusal("account remove dave@example.org") == (
        "error: dave@example.org: info@example.org of ALIASES points here; change that first; "
        "until then signpost account passwd locks the account\n"
    )
    shell.do("account remove eve@example.org")
    shell.environment["POSTMASTER_ADDRESS"] = "dave@example.org"
    assert "info@example.org of ALIASES and POSTMASTER_ADDRESS point here" in shell.refusal(
        "account remove dave@example.org"
    )
    del shell.environment["POSTMASTER_ADDRESS"], shell.environment["ALIASES"]
    shell.do("account remove dave@example.org")


def test_an_alias_that_one_of_the_environment_leads_to_stays(shell: Shell) -> None:
    shell.do("alias add team@example.org alice@example.org x@far.example")
    shell.environment["POSTMASTER_ADDRESS"] = "team@example.org"
    said = shell.refusal("alias remove team@example.org")
    assert "team@example.org: POSTMASTER_ADDRESS points here; change that first" in said
    shell.do("alias remove team@example.org x@far.example")


def test_a_catch_all_can_take_over_what_leads_to_an_account(shell: Shell) -> None:
    shell.do("account add dave@example.org", "a secret")
    shell.environment["ALIASES"] = "info@example.org: dave@example.org\n"
    shell.do("alias add @example.org alice@example.org")
    shell.do("account remove dave@example.org")


def test_a_quota_without_effect_is_told(shell: Shell) -> None:
    shell.environment["ENABLE_IMAP"] = "no"
    told = "warning: {}: its quota has no effect with ENABLE_IMAP=no; set ENABLE_IMAP=yes, or"
    done = shell.attempt("account add dave@example.org --quota 5G", "a secret")
    assert told.format("dave@example.org") in done.stderr
    done = shell.attempt("account quota dave@example.org none")
    assert "quota has no effect" not in done.stderr
    done = shell.attempt("account quota dave@example.org 1G")
    assert told.format("dave@example.org") in done.stderr
    shell.environment["ENABLE_IMAP"] = "yes"
    assert "effect" not in shell.attempt("account quota dave@example.org 2G").stderr


def test_app_passwords_of_any_account(shell: Shell) -> None:
    shell.do("account add dave@example.org", "a secret")
    for address in ("alice@example.org", "dave@example.org"):
        plain = shell.do(f"app-password add {address} phone").strip()
        assert GENERATED.fullmatch(plain)
        (kept,) = shell.stored().app_passwords[address]
        assert kept.hash.startswith("$5$rounds=1000$")
        assert matches(plain.encode(), kept.hash.encode())
        assert "a duplicate app password" in shell.refusal(f"app-password add {address} phone")
        (row,) = json.loads(shell.do(f"app-password list {address} --json"))
        assert (row["name"], row["last_used"]) == ("phone", None)
        assert re.search(
            r"(?m)^phone +\d{4}-\d\d-\d\d +never$", shell.do(f"app-password list {address}")
        )
    shell.do("app-password revoke alice@example.org phone")
    assert set(shell.stored().app_passwords) == {"dave@example.org"}
    assert "no such app password" in shell.refusal("app-password revoke alice@example.org phone")
    shell.do("account remove dave@example.org")
    assert not shell.stored().app_passwords


def test_app_passwords_need_an_account_and_a_name(shell: Shell) -> None:
    assert "dave@example.org: no such account; signpost account list" in shell.refusal(
        "app-password add dave@example.org phone"
    )
    assert "no such account" in shell.refusal("app-password list dave@example.org")
    assert "quotes" in shell.refusal("app-password add alice@example.org it's")
    assert "40" in shell.refusal(f"app-password add alice@example.org {'x' * 41}")


def test_no_account_gets_more_app_passwords_than_can_be_checked(shell: Shell) -> None:
    for number in range(31):
        shell.do(f"app-password add alice@example.org n{number}")
    assert "more than 31" in shell.refusal("app-password add alice@example.org n31")


def test_what_no_longer_fits_is_told_and_hinders_nothing(shell: Shell) -> None:
    shell.environment["DOMAINS"] = "example.org example.net"
    shell.do("account add dave@example.net", "a secret")
    shell.environment["DOMAINS"] = "example.org"
    done = shell.attempt("account add eve@example.org", "a secret")
    assert done.exit_code == 0, done.output
    assert "passed over: dave@example.net: an account outside DOMAINS" in done.stderr
    shell.do("account remove dave@example.net")
    assert set(shell.stored().accounts) == {"eve@example.org"}


def test_mail_is_deleted_only_when_that_is_said_twice(shell: Shell) -> None:
    shell.do("account add dave@example.org", "a secret")
    said = shell.refusal("account remove dave@example.org --delete-mail")
    assert "add --yes" in said
    done = shell.attempt("account remove dave@example.org")
    assert "its mail is kept in" in done.stderr


def test_without_a_server_that_is_said(shell: Shell) -> None:
    done = shell.attempt("account add dave@example.org", "a secret")
    assert "no server runs in this container" in done.stderr


class TestWithAServer:
    """A server that runs has the environment of its start, and answers on its control socket."""

    @pytest.fixture
    def running(self, shell: Shell) -> Shell:
        shell.files.run.mkdir()
        (shell.files.run / "environment.json").write_text(json.dumps(ENVIRONMENT))
        return shell

    def during(self, shell: Shell, line: str, outcome: Outcome, stdin: str = "") -> Result:
        """What a command does that is answered so; what is written is there when it asks."""
        asked: list[Stored] = []

        async def apply() -> Outcome:
            asked.append(shell.stored())
            return outcome

        with answering(shell.files.run / SOCKET.name, {"apply": apply}):
            done = shell.attempt(line, stdin)
        assert asked == [shell.stored()]
        return done

    def test_what_the_server_says_is_said(self, running: Shell) -> None:
        outcome = Outcome(lines=(("warning", "odd"), ("info", "8 open sessions ended")))
        done = self.during(running, "account add dave@example.org", outcome, "a secret")
        assert done.exit_code == 0
        assert done.stderr == (
            "warning: odd\ninfo: 8 open sessions ended\ndave@example.org is added\n"
        )

    @pytest.mark.parametrize(
        "line", ["account add dave@example.org --generate", "app-password add alice@example.org x"]
    )
    def test_what_is_written_and_not_live_is_an_error(self, running: Shell, line: str) -> None:
        outcome = Outcome(False, ("smtpd does not answer", "live: passwords"))
        done = self.during(running, line, outcome)
        assert done.exit_code == 1
        assert done.stderr == (
            "error: smtpd does not answer\nerror: live: passwords\n"
            "error: it is written, and not live yet; the server tries again by itself\n"
        )
        # It is written: whoever is to have the password needs it.
        assert GENERATED.fullmatch(done.stdout.strip())
        assert running.stored() != Stored()

    def test_a_refusal_asks_nobody(self, running: Shell) -> None:
        assert "no such account" in running.refusal("account remove dave@example.org")

    def test_the_environment_is_that_of_the_server(self, running: Shell) -> None:
        running.environment["ACCOUNTS"] = "!"
        done = self.during(running, "account add dave@example.org", Outcome(), "a secret")
        assert done.exit_code == 0


def test_the_environment_is_read_once_and_the_whole_merged_once(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = {"load": 0, "merged": 0}

    def counted(module: ModuleType, name: str) -> None:
        original = getattr(module, name)

        def wrapped(*given: object, **named: object) -> object:
            counts[name] += 1
            return original(*given, **named)

        monkeypatch.setattr(module, name, wrapped)

    counted(environ, "load")
    counted(changes, "merged")
    for line in (
        "account add dave@example.org",
        "account passwd dave@example.org",
        "account quota dave@example.org 1G",
        "alias add team@example.org dave@example.org",
        "app-password add dave@example.org phone",
    ):
        shell.do(line, "a secret")
        assert counts == {"load": 1, "merged": 1}, line
        counts.update(load=0, merged=0)


def test_a_broken_configuration_changes_nothing(shell: Shell) -> None:
    shell.environment["DOMAINS"] = "!"
    done = shell.attempt("account add dave@example.org", "a secret")
    assert isinstance(done.exception, ConfigurationError)
    assert shell.stored() == Stored()


def commands(group: click.Command) -> Sequence[click.Command]:
    assert isinstance(group, click.Group)
    return list(group.commands.values())


@pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS)
def test_no_command_takes_a_password_as_an_argument(group: click.Command) -> None:
    names = {each.name for command in commands(group) for each in command.params}
    assert names <= {
        *("machine", "address", "quota", "generate", "size", "delete_mail", "yes", "targets"),
        "name",
    }
