"""`filters.logins` where the asker knows the client: Dovecot does, smtpd's PAM does not."""

from __future__ import annotations

import asyncio
import hashlib
import json
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from filters import login_server
from filters.credentials import MOST_PASSWORDS, LoginTable, crypt
from filters.guard.account_limit import MOST_AT_ONCE
from filters.guard.block_store import BlockStore
from filters.guard.login_guard import NETWORK_LIMIT, PAIR_LIMIT, LoginGuard
from filters.guard.open_logins import MOST_COVERED
from filters.guard.server import GuardServer
from filters.login_question import NO_ANSWER, RIGHT, WRONG
from filters.login_server import LoginServer
from filters.uncounted_login import UncountedLogin
from filters.watched_file import LastGood

ROOT = Path(__file__).parents[2]
ATTACKER, HOME, GATEWAY = b"198.51.100.7", b"2001:db8::1", b"172.18.0.1"
ALICE, BOB, SECRET = b"alice@example.org", b"bob@example.org", b"her secret"


def write_book(path: Path, *more: bytes, rounds: int = 1000, password: bytes = SECRET) -> None:
    made = crypt(password, b"$5$rounds=%d$saltsalt$" % rounds)
    assert made is not None
    hashes = [{"name": "", "hash": made.decode()}]
    logins = {login.decode(): {"hashes": hashes} for login in (ALICE, *more)}
    path.write_text(json.dumps({"logins": logins}))


@pytest.fixture
def guard() -> GuardServer:
    return GuardServer(LoginGuard([GATEWAY.decode()]), None)


@pytest.fixture
def logins(tmp_path: Path, guard: GuardServer) -> LoginServer:
    path = tmp_path / "logins.json"
    write_book(path)
    return LoginServer(LastGood(path, LoginTable.from_json), guard=guard)


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


def test_what_is_asked_without_an_address_blocks_nobody(logins: LoginServer) -> None:
    assert ask(logins, ALICE, SECRET, GATEWAY) == RIGHT
    for number in range(2 * NETWORK_LIMIT):
        assert ask(logins, ALICE, b"guess %d" % number) != RIGHT
        assert ask(logins, ALICE, b"guess %d" % number, GATEWAY) != RIGHT
    assert ask(logins, ALICE, SECRET) == RIGHT
    assert ask(logins, ALICE, SECRET, GATEWAY) == RIGHT


class TestBeyondTheLimitOfAnAccount:
    """No new password is looked at, and what was right before is right."""

    @pytest.fixture(params=[GATEWAY, None], ids=["gateway", "smtp"])
    def guess(self, request: pytest.FixtureRequest, logins: LoginServer) -> Callable[..., bytes]:
        """Asks as somebody at the gateway, over IMAP or SMTP."""
        address: tuple[bytes, ...] = (request.param,) if request.param else ()
        return lambda password, login=ALICE: ask(logins, login, password, *address)

    @staticmethod
    def spend(guess: Callable[..., bytes], login: bytes = ALICE) -> list[bytes]:
        return [guess(b"guess %d" % number, login) for number in range(MOST_AT_ONCE)]

    def test_a_new_password_gets_no_answer_right_or_wrong(
        self, guess: Callable[..., bytes]
    ) -> None:
        assert self.spend(guess) == [WRONG] * MOST_AT_ONCE
        assert guess(b"one more") == NO_ANSWER
        assert guess(SECRET) == NO_ANSWER
        # One that was wrong before stays wrong.
        assert guess(b"guess 0") == WRONG

    def test_one_that_was_right_before_is_right(self, guess: Callable[..., bytes]) -> None:
        assert guess(SECRET) == RIGHT
        self.spend(guess)
        assert guess(b"one more") == NO_ANSWER
        assert guess(SECRET) == RIGHT

    def test_a_login_that_nobody_has_looks_the_same(self, guess: Callable[..., bytes]) -> None:
        assert guess(SECRET) == RIGHT
        nobody = b"nobody@example.org"
        assert self.spend(guess, nobody) == self.spend(guess)
        for password in (b"one more", b"guess 0", b"", SECRET + b"x"):
            assert guess(password, nobody) == guess(password)

    def test_a_colleague_is_not_concerned(
        self, tmp_path: Path, guess: Callable[..., bytes], logins: LoginServer
    ) -> None:
        write_book(tmp_path / "logins.json", BOB)
        self.spend(guess)
        assert guess(SECRET, BOB) == RIGHT

    def test_all_app_passwords_of_an_account_log_in_at_once(
        self, tmp_path: Path, guess: Callable[..., bytes], logins: LoginServer
    ) -> None:
        secrets = [b"phone %d" % number for number in range(MOST_PASSWORDS)]
        hashes = [
            {
                "name": secret.decode(),
                "hash": (crypt(secret, b"$5$rounds=1000$salt$") or b"").decode(),
            }
            for secret in secrets
        ]
        content = {"logins": {ALICE.decode(): {"hashes": hashes}}}
        (tmp_path / "logins.json").write_text(json.dumps(content))
        assert [guess(secret) for secret in secrets] == [RIGHT] * MOST_PASSWORDS
        self.spend(guess)
        assert [guess(secret) for secret in secrets] == [RIGHT] * MOST_PASSWORDS

    def test_a_password_that_has_changed_meanwhile_does_not_let_the_old_one_in(
        self, tmp_path: Path, guess: Callable[..., bytes], logins: LoginServer
    ) -> None:
        assert guess(SECRET) == RIGHT
        self.spend(guess)
        write_book(tmp_path / "logins.json", password=b"another")
        assert guess(SECRET) == NO_ANSWER
        write_book(tmp_path / "logins.json", rounds=1001)  # the same one, given anew
        assert guess(SECRET) == NO_ANSWER

    def test_nothing_is_hashed_and_nobody_waits(
        self, guess: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.spend(guess)
        monkeypatch.setattr(login_server, "search", lambda *_: pytest.fail("it was hashed"))
        begun = time.monotonic()
        for number in range(500):
            assert guess(b"later %d" % number) == NO_ANSWER
        assert time.monotonic() - begun < 5

    def test_guesses_at_once_meet_it_like_one_after_the_other(
        self, logins: LoginServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def scene() -> list[bytes]:
            guesses = (b"guess %d" % number for number in range(5 * MOST_AT_ONCE))
            questions = (b"\0".join((ALICE, guess, GATEWAY)) for guess in guesses)
            return await asyncio.gather(*map(logins.answer, questions))

        said = asyncio.run(scene())
        assert said.count(WRONG) == MOST_AT_ONCE
        assert said.count(NO_ANSWER) == 4 * MOST_AT_ONCE

    def test_the_health_checks_login_is_right(self, tmp_path: Path, guard: GuardServer) -> None:
        path = tmp_path / "logins.json"
        write_book(path)
        table = LastGood(path, LoginTable.from_json)
        digest = hashlib.sha256(b"random").digest()
        server = LoginServer(table, None, guard, UncountedLogin(b"health-1", digest))
        for number in range(2 * MOST_AT_ONCE):
            ask(server, b"health-1", b"guess %d" % number, GATEWAY)
        assert ask(server, b"health-1", b"random", GATEWAY) == RIGHT
        assert ask(server, b"health-1", b"another", GATEWAY) == NO_ANSWER


class TestFromManyNetworks:
    def test_the_account_meets_its_limit_and_every_network_is_counted(
        self, logins: LoginServer, guard: GuardServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert ask(logins, ALICE, SECRET, HOME) == RIGHT
        caplog.clear()
        said = []
        for number in range(540):
            # 90 /64s, each of them again and again.
            at = b"2001:db8:7:%x::%x" % (number % 90, number + 1)
            said.append(ask(logins, ALICE, b"guess %d" % number, at))
        assert said[:MOST_AT_ONCE] == [WRONG] * MOST_AT_ONCE
        assert said[MOST_AT_ONCE] == NO_ANSWER
        # Nobody looks at more; they count all the same, so that the network is shut out.
        assert said[-1] == WRONG
        assert [each.network for each in guard.guard.blocks(time.time())] == ["2001:db8:7::/56"]
        lines = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
        assert len(lines) == 2, lines
        assert lines[0].startswith("21 failed logins at alice@example.org from 21 networks: ")
        # The owner at home, with whatever password; and elsewhere, with one that was right before.
        assert ask(logins, ALICE, b"mistyped", HOME) == WRONG
        assert ask(logins, ALICE, SECRET, HOME) == RIGHT
        assert ask(logins, ALICE, SECRET, b"198.51.100.99") == RIGHT

    def test_who_tries_a_new_password_again_and_again_is_counted_once(
        self, logins: LoginServer, guard: GuardServer
    ) -> None:
        for number in range(MOST_AT_ONCE):
            ask(logins, ALICE, b"guess %d" % number, GATEWAY)
        for _ in range(3 * PAIR_LIMIT):
            assert ask(logins, ALICE, SECRET, HOME) == NO_ANSWER
        assert not guard.guard.blocks(time.time())
        guard.answer(b'["lift", "alice@example.org"]')
        assert ask(logins, ALICE, SECRET, HOME) == RIGHT


class TestBySmtpBeyondTheLimit:
    """smtpd's filter says which clients are about to log in: one of them may be the owner's."""

    def test_the_owner_at_home_is_looked_at_and_a_guesser_learns_nothing(
        self, guard: GuardServer, logins: LoginServer
    ) -> None:
        assert tell(guard, b"pass", b"s0", HOME, ALICE) == 0
        for number in range(MOST_AT_ONCE):
            assert ask(logins, ALICE, b"guess %d" % number) == WRONG
        assert tell(guard, b"begin", b"a", ATTACKER) == 0
        assert ask(logins, ALICE, b"a new one") == NO_ANSWER
        assert tell(guard, b"begin", b"h", HOME) == 0
        # Wrong is not said: it may be the attacker who asks.
        assert ask(logins, ALICE, b"another new one") == NO_ANSWER
        assert ask(logins, ALICE, SECRET) == RIGHT
        assert tell(guard, b"left", b"h") == 0
        assert ask(logins, ALICE, b"another new one") == NO_ANSWER
        assert ask(logins, ALICE, b"a third one") == NO_ANSWER

    def test_what_nobody_looked_at_counts_for_the_client(
        self, guard: GuardServer, logins: LoginServer
    ) -> None:
        for number in range(MOST_AT_ONCE):
            assert ask(logins, ALICE, b"guess %d" % number) == WRONG
        for number in range(PAIR_LIMIT):
            assert tell(guard, b"begin", b"s%d" % number, ATTACKER) == 0
            assert ask(logins, ALICE, b"more %d" % number) == NO_ANSWER
            assert tell(guard, b"error", b"s%d" % number, ATTACKER, ALICE) == 0
        assert tell(guard, b"begin", b"s", ATTACKER)

    def test_another_reason_for_no_answer_counts_for_nobody(self, guard: GuardServer) -> None:
        for number in range(2 * NETWORK_LIMIT):
            assert tell(guard, b"begin", b"s%d" % number, ATTACKER) == 0
            assert tell(guard, b"error", b"s%d" % number, ATTACKER, ALICE) == 0
        assert tell(guard, b"begin", b"s", ATTACKER) == 0


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
        command += [
            "--right-passwords",
            str(folder / "right.json"),
            "--unknown-client",
            "172.18.0.1",
        ]
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

    def test_keeps_what_was_right_over_its_end(
        self, folder: Path, program: subprocess.Popen[bytes]
    ) -> None:
        assert self.ask(folder, SECRET, GATEWAY) == RIGHT
        written = time.monotonic() + 10
        while not (folder / "right.json").exists():  # in a thread
            assert time.monotonic() < written
            time.sleep(0.01)
        program.kill()
        program.communicate(timeout=30)
        again = self.start(folder)
        try:
            for number in range(MOST_AT_ONCE):
                assert self.ask(folder, b"guess %d" % number, GATEWAY) == WRONG
            assert self.ask(folder, b"one more", GATEWAY) == NO_ANSWER
            assert self.ask(folder, SECRET, GATEWAY) == RIGHT
        finally:
            again.terminate()
            again.communicate(timeout=30)

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
