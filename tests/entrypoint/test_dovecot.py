"""What Dovecot is given: its configuration, its accounts, and who else learns of its ports."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from entrypoint import files, paths, render
from entrypoint.config.ports import from_text, port_numbers, rendered_ports, served_ports, to_text
from entrypoint.supervise import dovecot_log

from .test_render import GOLDEN, settings_of

SHOWN = ("dovecot/dovecot.conf", "dovecot/users", "dovecot/spellings", "ports")


@pytest.mark.parametrize("case", ["demo", "mailboxes"])
def test_golden(case: str) -> None:
    settings = settings_of(GOLDEN / case)
    files = {str(f.path.relative_to(paths.RUN)): f for f in render.render_masked(settings)}
    for name in SHOWN:
        golden = GOLDEN / case / Path(name).name
        if os.environ.get("SIGNPOST_GOLDEN") == "write":
            golden.write_text(files[name].content)
        assert files[name].content == golden.read_text(), name


def test_without_imap_there_is_nothing_of_dovecot() -> None:
    files = render.render(settings_of(GOLDEN / "no-mailboxes"))
    assert not [file.path for file in files if "dovecot" in f"{file.path} {file.content}"]


def test_who_is_new_is_known_to_dovecot_before_smtpd_takes_mail() -> None:
    names = [file.path.name for file in render.render(settings_of(GOLDEN / "mailboxes"))]
    assert names.index("users") < names.index("virtuals")
    assert names.index("users") < names.index("addresses.json")


def test_who_delivers_knows_the_accounts_and_no_alias() -> None:
    """`deliver` bounces what is for nobody in this list, with IMAP or without."""
    for case in ("mailboxes", "no-mailboxes"):
        settings = settings_of(GOLDEN / case)
        (file,) = (each for each in render.render(settings) if each.path.name == "mailboxes")
        assert file.mode == 0o644
        assert file.content.split() == [account.address for account in settings.accounts]
        assert file.content.endswith("\n")


def test_each_rewritten_file_has_another_second_than_the_one_before(tmp_path: Path) -> None:
    """Dovecot sees a change by whole seconds and the size; otherwise this one would be lost."""
    path, seen = tmp_path / "users", set()
    user, group = tmp_path.owner(), tmp_path.group()
    for content in (b"one", b"two", b"six"):
        files.write_file(path, content, user, group, 0o600)
        seen.add(int(path.stat().st_mtime))
    assert len(seen) == 3
    os.utime(path, (1, 1))
    before = int(time.time())
    files.write_file(path, b"ten", user, group, 0o600)
    assert int(path.stat().st_mtime) >= before


# -- ports -------------------------------------------------------------------------------------


def test_the_ports_are_those_that_are_served() -> None:
    assert port_numbers(served_ports(imap=False, pop3=False)) == "25, 465 and 587"
    assert port_numbers(served_ports(imap=True, pop3=False)) == "25, 465, 587, 143, 993 and 4190"
    assert (
        port_numbers(served_ports(imap=True, pop3=True)) == "25, 465, 587, 143, 993, 4190 and 995"
    )


def test_the_rendered_ports_are_read_back(tmp_path: Path) -> None:
    ports = served_ports(imap=True, pop3=True)
    assert from_text(to_text(ports)) == ports
    path = tmp_path / "ports"
    assert rendered_ports(path) == served_ports(imap=False, pop3=False)
    path.write_text(to_text(ports))
    assert rendered_ports(path) == ports


@pytest.mark.parametrize("text", ["25\n", "x smtp\n", "25 gopher\n"])
def test_a_line_that_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        from_text(text)


# -- its log -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "level", "message"),
    [
        (
            "imap-login: Info: Logged in: login=<a@b.c>, method=PLAIN",
            "info",
            "imap-login: Logged in: login=<a@b.c>, method=PLAIN",
        ),
        (
            "lmtp(a@b.c)<7><x+/y>: Error: sieve: failed: Info: no",
            "error",
            "lmtp(a@b.c)<7><x+/y>: sieve: failed: Info: no",
        ),
        ("master: Warning: Killed", "warning", "master: Killed"),
        ("master: Fatal: no", "error", "master: no"),
        ("imap(a@b.c)<7><x>: Panic: no", "error", "imap(a@b.c)<7><x>: no"),
        ("auth: Debug: x", "debug", "auth: x"),
        ("doveconf: what is this", "warning", "doveconf: what is this"),
        ("lmtp: Error: ", "debug", "lmtp: "),
        ("lmtp(7): Info: Connect from local", "debug", "lmtp(7): Connect from local"),
        (
            "lmtp(7): Info: Disconnect from local: Client has quit",
            "info",
            "lmtp(7): Disconnect from local: Client has quit",
        ),
        (
            "imap-login: Info: Login aborted: Logged out (no auth attempts in 0 secs) "
            "(no_auth_attempts): client=127.0.0.1, TLS, session=<x>, login=<>",
            "debug",
            "imap-login: Login aborted: Logged out (no auth attempts in 0 secs) "
            "(no_auth_attempts): client=127.0.0.1, TLS, session=<x>, login=<>",
        ),
        (
            "imap-login: Info: Login aborted: Logged out (no auth attempts in 0 secs) "
            "(no_auth_attempts): client=192.0.2.1, TLS, session=<x>, login=<>",
            "info",
            "imap-login: Login aborted: Logged out (no auth attempts in 0 secs) "
            "(no_auth_attempts): client=192.0.2.1, TLS, session=<x>, login=<>",
        ),
        (
            "imap-login: Info: Login aborted: Logged out (auth failed, 1 attempts in 2 secs) "
            "(auth_failed): method=PLAIN, client=127.0.0.1, TLS, session=<x>, login=<a@b.c>",
            "info",
            "imap-login: Login aborted: Logged out (auth failed, 1 attempts in 2 secs) "
            "(auth_failed): method=PLAIN, client=127.0.0.1, TLS, session=<x>, login=<a@b.c>",
        ),
    ],
)
def test_a_line_of_its_log(line: str, level: str, message: str) -> None:
    assert dovecot_log.classify(line) == (level, message)


@pytest.mark.parametrize(
    "login",
    [
        "(no_auth_attempts): client=127.0.0.1,",
        " (no_auth_attempts): login=<>, client=127.0.0.1,",
        ">, (no_auth_attempts): client=127.0.0.1, TLS, session=<x>, login=<",
        "imap-login: Login aborted: Logged out (no_auth_attempts): client=::1,",
    ],
)
@pytest.mark.parametrize(
    "elements", ["client=192.0.2.1, TLS, login=<{}>", "login=<{}>, client=192.0.2.1"]
)
def test_no_login_hides_its_own_line(login: str, elements: str) -> None:
    text = "imap-login: Login aborted: Logged out (auth failed, 1 attempts in 2 secs)"
    line = f"{text} (auth_failed): {elements.format(login)}".replace(": ", ": Info: ", 1)
    assert dovecot_log.classify(line)[0] == "info"
