"""`filters.logins` where the asker knows the client: Dovecot's PAM does, smtpd's does not."""

from __future__ import annotations

import asyncio
import json
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from filters.credentials import LoginBook, crypt
from filters.guard.block_store import BlockStore
from filters.guard.login_guard import NETWORK_LIMIT, PAIR_LIMIT, LoginGuard
from filters.guard.open_logins import MOST_COVERED
from filters.guard.server import GuardServer
from filters.login_server import RIGHT, WRONG, LoginServer
from filters.watched_file import LastGood

ROOT = Path(__file__).parents[2]
ATTACKER, HOME, GATEWAY = b"198.51.100.7", b"2001:db8::1", b"172.18.0.1"
ALICE, SECRET = b"alice@example.org", b"her secret"


def write_book(path: Path, rounds: int = 1000) -> None:
    made = crypt(SECRET, b"$5$rounds=%d$saltsalt$" % rounds)
    assert made is not None
    hashes = [{"name": "", "hash": made.decode()}]
    path.write_text(json.dumps({"logins": {ALICE.decode(): {"hashes": hashes}}}))


@pytest.fixture
def guard() -> GuardServer:
    return GuardServer(LoginGuard([GATEWAY.decode()]), None)


@pytest.fixture
def logins(tmp_path: Path, guard: GuardServer) -> LoginServer:
    path = tmp_path / "logins.json"
    write_book(path)
    return LoginServer(LastGood(path, LoginBook.from_json), guard=guard)


def tell(guard: GuardServer, *question: bytes) -> object:
    """What smtpd's filter says of a client that is about to log in."""
    return guard.answer(json.dumps([part.decode() for part in question]).encode())


def ask(logins: LoginServer, *parts: bytes) -> bytes:
    return asyncio.run(logins.answer(b"\0".join(parts)))


def test_a_blocked_pair_gets_wrong_whatever_it_says(logins: LoginServer) -> None:
    for number in range(PAIR_LIMIT):
        assert ask(logins, ALICE, b"guess %d" % number, ATTACKER) == WRONG
    assert ask(logins, ALICE, SECRET, ATTACKER) == WRONG
    assert ask(logins, ALICE.upper(), SECRET, ATTACKER) == WRONG
    assert ask(logins, ALICE, SECRET, HOME) == RIGHT
    assert ask(logins, ALICE, SECRET) == RIGHT  # by smtpd, whose filter has looked


def test_guesses_at_once_meet_the_block_like_one_after_the_other(logins: LoginServer) -> None:
    async def scene() -> list[bytes]:
        guesses = (b"guess %d" % number for number in range(5 * PAIR_LIMIT))
        questions = (b"\0".join((ALICE, guess, ATTACKER)) for guess in guesses)
        return await asyncio.gather(*map(logins.answer, questions))

    assert set(asyncio.run(scene())) == {WRONG}
    assert len(logins._checker._wrong) == PAIR_LIMIT


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


class TestBySmtp:
    """smtpd asks without the client's address, and its filter knows who is about to log in."""

    @pytest.fixture(autouse=True)
    def neighbours(self, guard: GuardServer) -> None:
        """Somebody else has logged in where Alice's attacker is, so that AUTH is not refused."""
        assert tell(guard, b"pass", b"s0", ATTACKER, b"bob@example.org") == 0
        for number in range(PAIR_LIMIT):
            assert tell(guard, b"begin", b"s%d" % number, ATTACKER) == 0
            assert tell(guard, b"fail", b"s%d" % number, ATTACKER, ALICE) == 0

    def test_the_right_password_is_wrong_while_it_is_blocked(
        self, guard: GuardServer, logins: LoginServer
    ) -> None:
        assert tell(guard, b"begin", b"s", ATTACKER) == 0
        assert ask(logins, ALICE, SECRET) == WRONG
        assert tell(guard, b"fail", b"s", ATTACKER, ALICE) == 0
        assert tell(guard, b"begin", b"t", HOME) == 0
        assert ask(logins, ALICE, SECRET) == RIGHT

    def test_the_owner_elsewhere_logs_in_beside_the_attack(
        self, guard: GuardServer, logins: LoginServer
    ) -> None:
        assert tell(guard, b"begin", b"s", ATTACKER) == 0
        assert tell(guard, b"begin", b"t", HOME) == 0
        assert ask(logins, ALICE, SECRET) == RIGHT
        assert tell(guard, b"pass", b"t", HOME, ALICE) == 0
        assert ask(logins, ALICE, SECRET) == WRONG

    def test_auth_without_a_password_covers_for_few_guesses_and_is_shut_out(
        self, guard: GuardServer, logins: LoginServer
    ) -> None:
        guesses = decoys = 0
        while tell(guard, b"begin", b"decoy", HOME) == 0:
            decoys += 1
            for _ in range(20):
                assert tell(guard, b"begin", b"s", ATTACKER) == 0
                right = ask(logins, ALICE, SECRET) == RIGHT
                guesses += right
                assert (
                    bool(tell(guard, b"pass" if right else b"fail", b"s", ATTACKER, ALICE)) == right
                )
        assert decoys == NETWORK_LIMIT
        assert guesses == MOST_COVERED * NETWORK_LIMIT


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

    def ask(self, folder: Path, password: bytes, address: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(str(folder / "socket"))
            link.sendall(b"\0".join((ALICE, password, address)))
            link.shutdown(socket.SHUT_WR)
            return link.makefile("rb").read()

    def test_keeps_a_block_over_its_end(
        self, folder: Path, program: subprocess.Popen[bytes]
    ) -> None:
        assert self.ask(folder, SECRET, ATTACKER) == RIGHT
        # It is trusted there now, so it is another's turn to be attacked from there.
        for number in range(PAIR_LIMIT):
            assert self.ask(folder, b"guess %d" % number, HOME) == WRONG
        assert self.ask(folder, SECRET, HOME) == WRONG
        kept = LoginGuard()
        while not kept.blocks(time.time()):  # it is written in a thread
            BlockStore(folder / "blocked.sqlite").load(kept)
        program.kill()
        program.communicate(timeout=30)
        again = self.start(folder)
        try:
            assert self.ask(folder, SECRET, HOME) == WRONG
            assert self.ask(folder, SECRET, ATTACKER) == RIGHT
        finally:
            again.terminate()
            again.communicate(timeout=30)
            assert again.returncode == 0

    def test_the_guard_answers_while_a_password_is_hashed(
        self, folder: Path, program: subprocess.Popen[bytes]
    ) -> None:
        write_book(folder / "logins.json", rounds=120_000)
        with socket.socket(socket.AF_UNIX) as question, socket.socket(socket.AF_UNIX) as guard:
            question.connect(str(folder / "socket"))
            guard.connect(str(folder / "guard"))
            question.sendall(b"\0".join((ALICE, b"a guess" * 70, ATTACKER)))
            question.shutdown(socket.SHUT_WR)
            answers = 0
            while not select.select([question], [], [], 0)[0]:
                guard.sendall(b'["list"]\n')
                assert guard.recv(100) == b"[]\n"
                answers += 1
        assert answers > 10

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
