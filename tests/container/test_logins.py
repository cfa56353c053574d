"""Several passwords a login under the real OpenSMTPD 7.6: PAM asks `filters.logins`.

Two of the tests record why: what smtpd does to the passwords that it gives to a table process,
and what waits while PAM is asked.
"""

from __future__ import annotations

import base64
import json
import select
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from entrypoint.config.passwords import hash_password
from filters.credentials import crypt

from .harness import pam_module
from .harness.bare_smtpd import CONFIGURATION, USER, BareSmtpd, Client
from .harness.shell import run, wait_until
from .harness.signpost import ROOT

OWN, PHONE = "Own: pass|wörd", "abcd-efgh-ijkl-mnop"
SOCKET_FOLDER = "/run/signpost/logins"
BOOK, LAST_USED = "/tmp/logins.json", "/tmp/last-used.json"

# Asks with what stands on standard input; prints the answer, or nothing where there is none.
ASK = """
import socket, sys
with socket.socket(socket.AF_UNIX) as link:
    try:
        link.connect(sys.argv[1])
        link.sendall(sys.stdin.buffer.read())
        link.shutdown(socket.SHUT_WR)
        print(link.makefile().read(), end="")
    except OSError:
        pass
"""


def book(**passwords: str) -> bytes:
    hashes = [
        {"name": "" if name == "own" else name, "hash": hashed}
        for name, hashed in passwords.items()
    ]
    return json.dumps({"logins": {USER: {"hashes": hashes}}}).encode()


def fast_hash(plain: str) -> str:
    made = crypt(plain.encode(), b"$5$rounds=1000$saltsalt$")
    assert made is not None
    return made.decode()


class PamSmtpd(BareSmtpd):
    """A server whose `auth` asks PAM, and `filters.logins` beside it."""

    def configuration(self) -> str:
        text = super().configuration()
        assert "auth <logins>" in text
        return text.replace("auth <logins>", "auth")

    def more_mounts(self) -> dict[Path, str]:
        pam_module.build()
        module = pam_module.copy_to(Path(self._folder.name))
        return {ROOT / "filters/pam/smtpd": "/etc/pam.d/smtpd", **module}

    def write_book(self, content: bytes) -> None:
        self._inside("sh", "-c", f"cat >{BOOK}.new && mv {BOOK}.new {BOOK}", stdin=content)

    def start_logins(self) -> None:
        command = f"python3 -m filters.logins {BOOK} --socket {SOCKET_FOLDER}/socket"
        self._inside("sh", "-c", f"exec {command} --last-used {LAST_USED}", detach=True)
        wait_until(lambda: self.signal_logins("0"), "filters.logins")
        wait_until(lambda: self.ask() is not None, "its socket")

    def signal_logins(self, name: str) -> bool:
        script = (
            "for p in /proc/[0-9]*; do "
            "tr '\\0' ' ' <$p/cmdline | grep -q '^python3 -m filters.logins' || continue; "
            f"kill -{name} ${{p#/proc/}} && echo found; done"
        )
        return b"found" in self._inside("sh", "-c", script)

    def ask(self) -> str | None:
        """What the program says to the password of the phone; None where it does not answer."""
        question = f"{USER}\0{PHONE}".encode()
        answer = self._inside("python3", "-c", ASK, f"{SOCKET_FOLDER}/socket", stdin=question)
        return answer.decode() or None

    def last_used(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = json.loads(self._inside("cat", LAST_USED))
        return found

    def prepare(self) -> None:
        self._inside("install", "-d", "-m", "0755", "-o", "nobody", SOCKET_FOLDER)

    def _inside(self, *command: str, stdin: bytes = b"", detach: bool = False) -> bytes:
        # The program runs as one who may not read what is root's.
        user = ("-u", "nobody") if detach else ()
        how = ("--detach",) if detach else ("-i",)
        return run("docker", "exec", *how, *user, self.container, *command, stdin=stdin)


def b64(text: str) -> bytes:
    return base64.b64encode(text.encode())


def plain(client: Client, login: str, password: str) -> int:
    return client.say(b"AUTH PLAIN " + b64(f"\0{login}\0{password}")).code


def plain_in_two_steps(client: Client, login: str, password: str) -> int:
    assert client.say(b"AUTH PLAIN").code == 334
    return client.say(b64(f"\0{login}\0{password}")).code


def login_method(client: Client, login: str, password: str) -> int:
    assert client.say(b"AUTH LOGIN").code == 334
    assert client.say(b64(login)).code == 334
    return client.say(b64(password)).code


def log_in(smtpd: PamSmtpd) -> int:
    with smtpd.connect("tls") as client:
        return plain(client, USER, PHONE)


Method = Callable[[Client, str, str], int]
METHODS = [plain, plain_in_two_steps, login_method]


class TableSmtpd(BareSmtpd):
    """A server whose `auth` asks a table process, which PAM stands in for."""

    def configuration(self) -> str:
        inline = 'table logins { "'
        lines = CONFIGURATION.format(program=self.program, user=USER, hash="").splitlines()
        kept = ["table logins probe" if line.startswith(inline) else line for line in lines]
        return "\n".join([*kept, ""])

    def more_mounts(self) -> dict[Path, str]:
        program = ROOT / "tests/container/filters/logging_table.py"
        return {program: "/usr/libexec/opensmtpd/table-probe"}


def test_smtpd_gives_passwords_to_a_table_process_in_lower_case_and_line_feeds_raw() -> None:
    """A record of smtpd's own behaviour. Where this fails, Debian has repaired it."""
    BareSmtpd.build("trixie")
    with TableSmtpd("trixie", "echo.py") as table, table.connect("tls") as client:
        assert plain(client, USER, "PassWord") == 535
        assert f"asked for b'{USER}:password'" in table.logs()
        assert plain(client, f"{USER}\nx", "xx") == 535
        assert f"asked for b'{USER}'" in table.logs()


@pytest.fixture(scope="module")
def smtpd() -> Iterator[PamSmtpd]:
    BareSmtpd.build("trixie")
    with PamSmtpd("trixie", "describe.py") as smtpd:
        smtpd.prepare()
        smtpd.write_book(book(own=hash_password(OWN), phone=fast_hash(PHONE)))
        smtpd.start_logins()
        yield smtpd


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("login", [USER, USER.upper()])
@pytest.mark.parametrize("password", [OWN, PHONE])
def test_each_password_logs_in(smtpd: PamSmtpd, method: Method, login: str, password: str) -> None:
    with smtpd.connect("tls") as client:
        assert method(client, login, password) == 235
        assert client.say(b"NOOP").code == 250


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("login", "password"),
    [
        (USER, OWN.lower()),
        (USER, PHONE.upper()),
        (USER, "x" * 600),
        (USER, f"{PHONE}\n"),
        ("nobody", PHONE),
        (f"{USER}\nroot", PHONE),
        ("root", "ÿÿ"),
    ],
)
def test_any_other_password_is_refused_and_the_session_goes_on(
    smtpd: PamSmtpd, method: Method, login: str, password: str
) -> None:
    with smtpd.connect("tls") as client:
        assert method(client, login, password) == 535
        assert plain(client, USER, PHONE) == 235


def test_the_filters_learn_the_login_and_the_book_the_time(smtpd: PamSmtpd) -> None:
    raw = b"Subject: with the phone\r\n\r\nhello\r\n"
    with smtpd.connect("tls") as client:
        assert plain(client, USER, PHONE) == 235
        assert client.mail(raw).code == 250
    assert b"\nX-User: " + USER.encode() + b"\n" in smtpd.wait_for_mail(b"with the phone")
    wait_until(lambda: "phone" in smtpd.last_used()[USER], "the last use")


def test_a_revoked_password_ends_at_once_and_the_others_stay(smtpd: PamSmtpd) -> None:
    with smtpd.connect("tls") as client:
        assert plain(client, USER, PHONE) == 235
    smtpd.write_book(book(own=hash_password(OWN)))
    with smtpd.connect("tls") as client:
        assert plain(client, USER, PHONE) == 535
        assert plain(client, USER, OWN) == 235
    smtpd.write_book(book(own=hash_password(OWN), phone=fast_hash(PHONE)))
    with smtpd.connect("tls") as client:
        assert plain(client, USER, PHONE) == 235


def test_while_nobody_answers_logins_fail_for_the_moment_and_smtpd_lives(smtpd: PamSmtpd) -> None:
    assert smtpd.signal_logins("KILL")
    with smtpd.connect("tls") as client:
        assert plain(client, USER, PHONE) == 421
    smtpd.start_logins()
    with smtpd.connect("tls") as client:
        assert plain(client, USER, PHONE) == 235


def test_while_pam_waits_smtpd_keeps_accepting_mail(smtpd: PamSmtpd) -> None:
    """A record of smtpd's own behaviour: PAM holds up its parent, and not the filters' lines.

    A recipient here waits, since the parent looks for a .forward; one who has one does not.
    """
    raw = b"Subject: meanwhile\r\n\r\nhello\r\n.\r\n"
    with smtpd.connect("tls") as stuck, smtpd.connect() as other:
        other.begin()
        assert smtpd.signal_logins("STOP")
        try:
            stuck.send(b"AUTH PLAIN " + b64(f"\0{USER}\0{PHONE}") + b"\r\n")
            other.send(raw)
            assert other.reply().code == 250
            with smtpd.connect() as third:
                assert third.say(b"MAIL FROM:<out@side.test>").code == 250
            assert not select.select([stuck.socket], [], [], 0)[0]
            assert stuck.reply().code == 421
            # It is not asked again for some seconds: nobody waits.
            begun = time.monotonic()
            for _ in range(10):
                with smtpd.connect("tls") as another:
                    assert plain(another, USER, PHONE) == 421
            assert time.monotonic() - begun < 2
        finally:
            smtpd.signal_logins("CONT")
    wait_until(lambda: log_in(smtpd) == 235, "logins to work again", 6)
    smtpd.wait_for_mail(b"meanwhile")
