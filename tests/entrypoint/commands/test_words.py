"""What commands answer to a slip: the near command, words for an error, and nothing raw."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from entrypoint import login_guard
from entrypoint.cli import COMMANDS, signpost
from entrypoint.commands import keys
from entrypoint.config.passwords import well_formed
from entrypoint.dkim_keys.model import DomainKeys, Key, Observation
from entrypoint.doctor.finding import Finding, Status, table
from filters.credentials import matches


def typed(line: str, stdin: str = "") -> Result:
    return CliRunner().invoke(signpost, line.split(), input=stdin)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_slip_in_any_command_is_answered_with_it(command: str) -> None:
    for slip in (command[:-1] + "x" + command[-1], command[1] + command[0] + command[2:]):
        done = typed(slip)
        assert done.exit_code == 2
        assert f"No such command '{slip}'" in done.stderr
        assert f"'{command}'" in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("line", "near"),
    [
        ("acount list", "account"),
        ("accounts", "account"),
        ("app_password", "app-password"),
        ("account lst", "list"),
        ("account psswd", "passwd"),
        ("alias ad", "add"),
        ("app-password revok", "revoke"),
        ("blocked lifts", "lift"),
        ("keys chek", "check"),
        ("queue flsh", "flush"),
        ("nothing-like-it", ""),
        ("alias x", ""),
    ],
)
def test_subcommands_too(line: str, near: str) -> None:
    done = typed(line)
    assert done.exit_code == 2
    assert "No such command" in done.stderr
    assert (f"'{near}'" in done.stderr) if near else ("Did you mean" not in done.stderr)


class TestHash:
    """`signpost hash`."""

    @pytest.mark.parametrize("stdin", ["a long passphrase", "foo #bar\n", "pa$word\npa$word\n"])
    def test_it_is_a_hash_of_the_password(self, stdin: str) -> None:
        done = typed("hash", stdin)
        assert done.exit_code == 0
        hashed = done.stdout.removesuffix("\n")
        assert well_formed(hashed)
        assert matches(stdin.splitlines()[0].encode(), hashed.encode())
        assert "write each $ as $$" in done.stderr

    @pytest.mark.parametrize(
        ("stdin", "why"),
        [
            ("", "no password on standard input"),
            ("one\ntwo\n", "differ"),
            (" x", "white space"),
            ("y" * 512, "at most 511 bytes"),
        ],
    )
    def test_what_is_no_password(self, stdin: str, why: str) -> None:
        done = typed("hash", stdin)
        assert (done.exit_code, done.stdout) == (1, "")
        assert why in done.stderr
        assert "--generate" not in done.stderr


@pytest.mark.parametrize("content", ["", "\n", " \r\n\r\n"])
def test_verify_without_a_message(content: str, tmp_path: Path) -> None:
    done = typed("verify -", content)
    assert done.exit_code == 2
    assert "standard input is empty: there is no message in it" in done.stderr
    file = tmp_path / "message.eml"
    file.write_text(content)
    done = typed(f"verify {file}")
    assert done.exit_code == 2
    assert f"{file} is empty: there is no message in it" in done.stderr


def test_who_is_blocked_where_no_server_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = partial(login_guard.ask, path=tmp_path / "socket")
    monkeypatch.setattr(login_guard, "ask", ask)
    monkeypatch.setattr(login_guard, "acting_as", lambda _: nullcontext())
    for line in ("blocked", "blocked list --json", "blocked lift all"):
        done = typed(line)
        assert (done.exit_code, done.stdout) == (1, "")
        assert done.stderr == (
            "error: the server does not run in this container; start it with `docker compose up`\n"
        )


@pytest.mark.parametrize(
    ("statuses", "line"),
    [
        (["ok"], "1 ok, 0 warnings, 0 failures"),
        (["skipped", "ok", "skipped"], "1 ok, 2 skipped, 0 warnings, 0 failures"),
        (["warn", "fail"], "0 ok, 1 warning, 1 failure"),
        (["warn", "warn", "fail", "fail"], "0 ok, 2 warnings, 2 failures"),
    ],
)
def test_the_doctor_counts_in_words(statuses: list[Status], line: str) -> None:
    findings = [Finding("port", None, status, "x") for status in statuses]
    assert list(table("mail.example.org", findings))[-1].before == line


@pytest.mark.parametrize(
    ("dns", "said"),
    [
        (None, "whether DNS serves it is not known"),
        (Observation("unknown", "SERVFAIL"), "whether DNS serves it is not known (SERVFAIL)"),
        (Observation("missing", "no server has it"), "NOT IN DNS: no server has it"),
        (Observation("served"), "DNS serves it"),
    ],
)
def test_what_dns_says_of_a_key(dns: Observation | None, said: str) -> None:
    key = Key("mail", "rsa", "signing", created=0, since=0, dns=dns)
    (_, line) = keys.as_text({"a.example": DomainKeys(keys=(key,))}, ["a.example"])
    assert line == f"  mail  rsa      signs since 1970-01-01; {said}"
