"""`filters.logins` where the asker knows the client: Dovecot's PAM does, smtpd's does not."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from filters.crypt_hash import crypt
from filters.guard.block_store import BlockStore
from filters.guard.guard_server import GuardServer
from filters.guard.login_guard import NETWORK_LIMIT, PAIR_LIMIT, LoginGuard
from filters.last_good import LastGood
from filters.login_book import LoginBook
from filters.logins import RIGHT, WRONG, LoginServer

ROOT = Path(__file__).parents[2]
ATTACKER, HOME, GATEWAY = b"198.51.100.7", b"2001:db8::1", b"172.18.0.1"
ALICE, SECRET = b"alice@example.org", b"her secret"


def write_book(path: Path) -> None:
    made = crypt(SECRET, b"$5$rounds=1000$saltsalt$")
    assert made is not None
    hashes = [{"name": "", "hash": made.decode()}]
    path.write_text(json.dumps({"logins": {ALICE.decode(): {"hashes": hashes}}}))


@pytest.fixture
def logins(tmp_path: Path) -> LoginServer:
    path = tmp_path / "logins.json"
    write_book(path)
    guard = GuardServer(LoginGuard([GATEWAY.decode()]), None)
    return LoginServer(LastGood(path, LoginBook.from_json), guard=guard)


def ask(logins: LoginServer, *parts: bytes) -> bytes:
    return logins.answer(b"\0".join(parts))


def test_a_blocked_pair_gets_wrong_whatever_it_says(logins: LoginServer) -> None:
    for number in range(PAIR_LIMIT):
        assert ask(logins, ALICE, b"guess %d" % number, ATTACKER) == WRONG
    assert ask(logins, ALICE, SECRET, ATTACKER) == WRONG
    assert ask(logins, ALICE.upper(), SECRET, ATTACKER) == WRONG
    assert ask(logins, ALICE, SECRET, HOME) == RIGHT
    assert ask(logins, ALICE, SECRET) == RIGHT  # by smtpd, whose filter has looked


def test_the_same_wrong_password_counts_once(logins: LoginServer) -> None:
    for _ in range(NETWORK_LIMIT):
        assert ask(logins, ALICE, b"an old one", ATTACKER) == WRONG
    assert ask(logins, ALICE, SECRET, ATTACKER) == RIGHT


def test_what_is_asked_without_an_address_counts_for_nobody(logins: LoginServer) -> None:
    for number in range(NETWORK_LIMIT):
        assert ask(logins, ALICE, b"guess %d" % number) == WRONG
        assert ask(logins, ALICE, b"guess %d" % number, GATEWAY) == WRONG
    assert ask(logins, ALICE, SECRET) == RIGHT
    assert ask(logins, ALICE, SECRET, GATEWAY) == RIGHT


@pytest.mark.parametrize("last", [b"", b"x", b"1.2.3", b"\xff", b"1.2.3.4\0", b"9" * 100])
def test_what_is_no_address_is_no_right_password_either(logins: LoginServer, last: bytes) -> None:
    assert ask(logins, ALICE, SECRET, last) == WRONG


class TestTheProgram:
    @pytest.fixture
    def folder(self) -> Iterator[Path]:
        with TemporaryDirectory(prefix="logins-") as folder:
            yield Path(folder)

    @pytest.fixture
    def program(self, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
        write_book(folder / "logins.json")
        process = self.start(folder)
        yield process
        process.terminate()
        process.communicate(timeout=30)

    def start(self, folder: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "filters.logins", str(folder / "logins.json")]
        command += ["--socket", str(folder / "socket"), "--guard", str(folder / "guard")]
        command += ["--guard-state", str(folder / "blocked.sqlite")]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)
        assert process.stderr is not None
        assert process.stderr.readline() == b"info: 1 logins\n"
        return process

    def ask(self, folder: Path, password: bytes, address: bytes, wanted: str) -> bool:
        command = [str(ROOT / "filters/pam/ask-logins"), str(folder / "socket"), wanted]
        environ = {"PAM_USER": ALICE.decode(), "PAM_RHOST": address.decode(), "PATH": os.defpath}
        done = subprocess.run(command, input=password, env=environ, check=False, timeout=30)
        return done.returncode == 0

    def test_takes_the_address_from_pam_and_keeps_a_block_over_its_end(
        self, folder: Path, program: subprocess.Popen[bytes]
    ) -> None:
        assert self.ask(folder, SECRET, ATTACKER, "right")
        assert self.ask(folder, SECRET, b"some.host.test", "right")
        # It is trusted there now, so it is another's turn to be attacked from there.
        for number in range(PAIR_LIMIT):
            assert self.ask(folder, b"guess %d" % number, HOME, "wrong")
        assert self.ask(folder, SECRET, HOME, "wrong")
        kept = LoginGuard()
        while not kept.blocks(time.time()):  # it is written in a thread
            BlockStore(folder / "blocked.sqlite").load(kept)
        program.kill()
        program.communicate(timeout=30)
        again = self.start(folder)
        try:
            assert self.ask(folder, SECRET, HOME, "wrong")
            assert self.ask(folder, SECRET, ATTACKER, "right")
        finally:
            again.terminate()
            again.communicate(timeout=30)
            assert again.returncode == 0

    def test_ends_when_it_is_told_though_a_filter_is_connected(
        self, folder: Path, program: subprocess.Popen[bytes]
    ) -> None:
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(str(folder / "guard"))
            link.sendall(b'["list"]\n')
            assert link.recv(100) == b"[]\n"
            program.terminate()
            program.communicate(timeout=30)
            assert program.returncode == 0
