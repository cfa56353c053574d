"""Who may log in: the table of passwords, what a check costs and remembers, and the program."""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.credentials import MOST_PASSWORDS, REMEMBERED, LoginChecker, LoginTable, crypt, matches
from filters.guard.login_guard import LoginGuard
from filters.guard.server import GuardServer
from filters.hash_cost import fit_a_question
from filters.last_used import LastUsed, read_last_used
from filters.login_name import login_bytes, login_name
from filters.login_question import LONGEST_QUESTION, NO_ANSWER, RIGHT, WRONG
from filters.login_server import Asker, LoginServer
from filters.uncounted_login import UncountedLogin
from filters.watched_file import LastGood

ROOT = Path(__file__).parents[2]
OWN = "Own: pass|wörd"
PHONE, LAPTOP = "abcd-efgh-ijkl-mnop", "qrst-uvwx-yzab-cdef"


def hashed(plain: str, setting: str = "$5$rounds=1000$") -> str:
    made = crypt(plain.encode(), f"{setting}{'saltsalt'}$".encode())
    assert made is not None
    return made.decode()


def entry(**passwords: str) -> dict[str, list[dict[str, str]]]:
    """A login's entry; the password called `own` gets no name."""
    named = {"" if name == "own" else name: value for name, value in passwords.items()}
    return {"hashes": [{"name": name, "hash": value} for name, value in named.items()]}


ALICE = entry(own=hashed(OWN, "$6$rounds=1000$"), phone=hashed(PHONE), laptop=hashed(LAPTOP))
BOB = entry(own=hashed("bob's"))


def text(**logins: object) -> str:
    return json.dumps({"logins": {f"{name}@example.org": value for name, value in logins.items()}})


def table(**logins: object) -> LoginTable:
    return LoginTable.from_json(text(**logins))


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Alice@Example.ORG", "alice@example.org"),
        ("alice@bücher.test", "alice@xn--bcher-kva.test"),
        ("ALICE@BÜCHER.TEST", "alice@xn--bcher-kva.test"),
        ("Alice@XN--BCHER-KVA.test", "alice@xn--bcher-kva.test"),
        ("bob@STRAẞE.test", "bob@xn--strae-oqa.test"),
        ("bob@strasse.test", "bob@strasse.test"),
        ("alice@☃.test", "alice@xn--n3h.test"),
        # The Kelvin sign is no k, whatever lower() says.
        ("\u212aate@example.org", "\u212aate@example.org"),
        ("alice@אabc.test", "alice@אabc.test"),
        ("bücher.test", "xn--bcher-kva.test"),
        ("", ""),
    ],
)
def test_a_login_is_found_however_its_domain_is_written(written: str, name: str) -> None:
    assert login_name(written) == name
    assert login_bytes(written.encode()) == name.encode()


@given(st.binary(max_size=40) | st.text(max_size=40).map(lambda text: text.encode("utf-8")))
def test_a_login_of_any_bytes_is_read_once_and_for_all(login: bytes) -> None:
    assert login_bytes(login_bytes(login)) == login_bytes(login)
    if login.isascii():
        assert login_bytes(login) == login.lower()


def test_the_password_counts_for_every_spelling(tmp_path: Path) -> None:
    path = tmp_path / "logins.json"
    path.write_text(json.dumps({"logins": {"alice@xn--bcher-kva.test": ALICE}}))
    both = LastGood(path, LoginTable.from_json)
    last_used = LastUsed(tmp_path / "used", lambda: both.content)
    server = LoginServer(both, last_used)

    def asked(login: str, password: str) -> bytes:
        return asyncio.run(server.answer(f"{login}\0{password}".encode()))

    for login in ("alice@bücher.test", "ALICE@BÜCHER.TEST", "alice@XN--bcher-kva.test"):
        assert asked(login, PHONE) == RIGHT, login
        assert asked(login, "wrong") == WRONG, login
    assert asked("alice@bucher.test", PHONE) == WRONG
    last_used.finish()
    assert list(read_last_used(tmp_path / "used")) == ["alice@xn--bcher-kva.test"]


@pytest.fixture(scope="module")
def checker() -> LoginChecker:
    both = table(alice=ALICE, bob=BOB)
    return LoginChecker(lambda: both)


@pytest.mark.parametrize(
    ("login", "password", "name"),
    [
        ("alice@example.org", OWN, ""),
        ("alice@example.org", PHONE, "phone"),
        ("alice@example.org", LAPTOP, "laptop"),
        ("ALICE@Example.ORG", LAPTOP, "laptop"),
        ("bob@example.org", "bob's", ""),
    ],
)
def test_each_password_of_a_login_is_right(
    checker: LoginChecker, login: str, password: str, name: str
) -> None:
    for _ in range(2):  # the second time from memory
        found = checker.check(login.encode(), password.encode())
        assert found is not None
        assert found.name == name


@pytest.mark.parametrize(
    ("login", "password"),
    [
        ("alice@example.org", OWN.lower()),
        ("alice@example.org", PHONE.upper()),
        ("alice@example.org", "bob's"),
        ("bob@example.org", PHONE),
        ("alice@example.org", ""),
        ("", PHONE),
        ("nobody@example.org", PHONE),
        ("alice@example.orga", "bcd-efgh-ijkl-mnop"),
        ("alice@example.org", "x" * 511),
        ("alice@example.org", "x" * 512),
        ("älice@example.org", PHONE),
    ],
)
def test_everything_else_is_wrong(checker: LoginChecker, login: str, password: str) -> None:
    for _ in range(2):
        assert checker.check(login.encode(), password.encode()) is None


@pytest.mark.parametrize("password", [b"x\0y", b"\xff", b"a\nb"])
def test_crypt_takes_bytes_but_no_nul(password: bytes) -> None:
    made = crypt(password, b"$5$rounds=1000$salt$")
    assert (made is None) == (b"\0" in password)
    assert matches(password, made or b"$5$") == (made is not None)


def test_a_hash_that_is_none_matches_nothing() -> None:
    assert not matches(b"x", b"")
    assert not matches(b"x", b"*0")
    assert not matches(b"x", b"nonsense")
    assert not matches(b"x", b"$5$rounds=1000$salt$")


def test_a_password_that_is_taken_out_ends_at_once_and_a_new_one_begins() -> None:
    now = table(alice=ALICE)
    checker = LoginChecker(lambda: now)
    assert checker.check(b"alice@example.org", PHONE.encode())
    assert not checker.check(b"alice@example.org", b"new-one")
    now = table(alice=entry(own=ALICE["hashes"][0]["hash"], new=hashed("new-one")))
    assert not checker.check(b"alice@example.org", PHONE.encode())
    assert checker.check(b"alice@example.org", b"new-one")


def test_a_login_that_gets_anothers_hash_does_not_keep_its_own_password() -> None:
    now = table(alice=ALICE, bob=BOB)
    checker = LoginChecker(lambda: now)
    assert checker.check(b"alice@example.org", OWN.encode())
    now = table(alice=BOB, bob=ALICE)
    assert not checker.check(b"alice@example.org", OWN.encode())
    assert checker.check(b"alice@example.org", b"bob's")


def test_one_login_is_not_taken_for_another_with_a_longer_password() -> None:
    same = entry(own=hashed("xsecret"))
    both = LoginTable.from_json(json.dumps({"logins": {"al": same, "alx": same}}))
    checker = LoginChecker(lambda: both)
    assert checker.check(b"al", b"xsecret")
    assert not checker.check(b"alx", b"secret")


def test_what_is_remembered_is_bounded() -> None:
    now = LoginTable({})  # nothing to hash, so that many questions cost little
    checker = LoginChecker(lambda: now)
    for number in range(REMEMBERED + 50):
        checker.check(b"alice@example.org", str(number).encode())
    assert len(checker._wrong) == REMEMBERED


HASHES = st.sampled_from(
    [
        *("$6$a$x", "$6$b$x", "$6$rounds=1000$a$x", "$5$a$x", "$y$j9T$a$x"),
        *("$2b$05$x", "$2y$05$x", "$2b$06$x"),
    ]
)


@given(st.lists(st.lists(HASHES, max_size=5), max_size=5))
def test_a_wrong_password_costs_the_same_for_every_login_and_for_none(
    hashes: list[list[str]],
) -> None:
    logins = {
        f"u{n}": entry(**{f"p{i}": each for i, each in enumerate(of)})
        for n, of in enumerate(hashes)
    }
    found = table(**logins)

    def cost(login: bytes) -> Counter[str]:
        tried = [password.hash for password in found.passwords_of(login)] + found.decoys(login)
        same = (each.decode().replace("$2y$", "$2b$") for each in tried)
        return Counter(each.rpartition("$")[0].rstrip("ab$") for each in same)

    unknown = cost(b"nobody@example.org")
    for login in found.logins:
        assert cost(login) == unknown


def test_both_ways_to_write_a_bcrypt_hash_are_one_kind() -> None:
    """Nobody is to pay for both."""
    found = table(a=entry(p="$2b$05$x"), b=entry(p="$2y$05$x"))
    assert len(found.decoys(b"nobody")) == 1
    assert found.decoys(b"a@example.org") == found.decoys(b"b@example.org") == []


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "[]",
        "{}",
        '{"logins": []}',
        '{"logins": {"a": {}}}',
        '{"logins": {"a": {"hashes": [{"name": ""}]}}}',
        '{"logins": {"a": {"hashes": [{"name": "", "hash": 1}]}}}',
        '{"logins": {"a": {"hashes": [{"name": "", "hash": "\\u00e4"}]}}}',
        text(alice=entry(**{f"p{n}": "$5$" for n in range(MOST_PASSWORDS + 1)})),
        text(alice={"hashes": [{"name": "x", "hash": "$5$"}] * 2}),
    ],
)
def test_a_broken_book_is_refused_and_the_last_good_one_stays(broken: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        LoginTable.from_json(broken)
    file = tmp_path / "logins.json"
    file.write_text(text(bob=BOB))
    kept = LastGood(file, LoginTable.from_json)
    good = kept.content
    file.write_text(broken)
    assert kept.content is good
    file.write_text(text(alice=ALICE))
    assert kept.content.passwords_of(b"alice@example.org")
    file.unlink()
    assert kept.content.passwords_of(b"alice@example.org")


class TestLastUse:
    def test_is_kept_over_a_restart_and_ends_with_the_password(self, tmp_path: Path) -> None:
        file = tmp_path / "last-used.json"
        used = LastUsed(file, lambda: table(alice=ALICE, bob=BOB))
        used.note("alice@example.org", "phone", 1000)
        used.note("alice@example.org", "", 1001)
        used.note("bob@example.org", "", 1002)
        used.finish()
        assert set(read_last_used(file)) == {"alice@example.org", "bob@example.org"}
        again = LastUsed(file, lambda: table(alice=entry(own="$5$")))
        again.note("alice@example.org", "", 2000)
        again.finish()
        assert read_last_used(file) == {"alice@example.org": {"": 2000}}
        assert [path.name for path in tmp_path.iterdir()] == [file.name]

    @pytest.mark.parametrize("broken", ["", "[]", '{"a": 1}', '{"a": {"b": "c"}}', "\xff"])
    def test_a_broken_file_is_begun_afresh(self, tmp_path: Path, broken: str) -> None:
        file = tmp_path / "last-used.json"
        file.write_bytes(broken.encode("latin-1"))
        used = LastUsed(file, lambda: table(bob=BOB))
        used.note("bob@example.org", "", 1)
        used.finish()
        assert read_last_used(file) == {"bob@example.org": {"": 1}}

    def test_a_file_that_cannot_be_written_harms_nobody(self, tmp_path: Path) -> None:
        used = LastUsed(tmp_path / "missing" / "last-used.json", lambda: table(bob=BOB))
        used.note("bob@example.org", "", 1)
        used.finish()


class TestTheAnswer:
    @pytest.fixture
    def server(self, tmp_path: Path) -> LoginServer:
        file = tmp_path / "logins.json"
        file.write_text(text(alice=ALICE))
        return LoginServer(LastGood(file, LoginTable.from_json))

    @pytest.mark.parametrize(
        ("question", "answer"),
        [
            (b"alice@example.org\0" + PHONE.encode(), RIGHT),
            (b"alice@example.org\0" + OWN.encode(), RIGHT),
            (b"alice@example.org\0" + PHONE.encode() + b"\0", WRONG),
            (b"alice@example.org\0" + PHONE.encode() + b"\n", WRONG),
            (b"alice@example.org" + PHONE.encode(), WRONG),
            (b"", WRONG),
            (b"\0", WRONG),
            (b"\0\0", WRONG),
            (b"\0" + PHONE.encode(), WRONG),
        ],
    )
    def test_is_right_or_wrong(self, server: LoginServer, question: bytes, answer: bytes) -> None:
        assert asyncio.run(server.answer(question)) == answer

    @given(question=st.binary(max_size=60))
    def test_to_any_bytes_is_wrong(self, question: bytes) -> None:
        both = table(bob=BOB)

        class Fixed:
            content = both

        server = LoginServer(Fixed())  # type: ignore[arg-type]
        assert asyncio.run(server.answer(question)) == WRONG


class TestAnUncountedLogin:
    """Of the health check: right whatever is blocked, and nothing is known of it afterwards."""

    NAME, PASSWORD = b"health-1", b"a-long-random-password"

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        file = tmp_path / "uncounted.json"
        digest = hashlib.sha256(self.PASSWORD).hexdigest()
        file.write_text(json.dumps({"login": self.NAME.decode(), "sha256": digest}))
        return file

    def test_is_neither_noted_nor_counted_nor_blocked(self, file: Path, tmp_path: Path) -> None:
        book_file = tmp_path / "logins.json"
        book_file.write_text(text(alice=ALICE))
        file_of_logins = LastGood(book_file, LoginTable.from_json)
        used = LastUsed(tmp_path / "used.json", lambda: file_of_logins.content)
        guard = GuardServer(LoginGuard(), None)
        for _ in range(30):
            guard.failed("192.0.2.1", "somebody")
        blocks = guard.guard.blocks(time.time())
        server = LoginServer(file_of_logins, used, guard, UncountedLogin.read(file))

        def ask(password: bytes, client: bytes) -> bytes:
            return asyncio.run(server.answer(b"\0".join((self.NAME, password, client))))

        assert ask(self.PASSWORD, b"192.0.2.1") == RIGHT
        used.finish()
        assert not (tmp_path / "used.json").exists()
        assert guard.guard.blocks(time.time()) == blocks
        assert not guard.guard.trusted
        # Who only knows the name is counted as anybody is.
        for number in range(10):
            assert ask(b"guess %d" % number, b"192.0.2.9") == WRONG
        assert any(block.network == "192.0.2.9" for block in guard.guard.blocks(time.time()))
        assert ask(self.PASSWORD, b"192.0.2.9") == RIGHT
        other = b"\0".join((b"alice@example.org", self.PASSWORD, b"192.0.2.8"))
        assert asyncio.run(server.answer(other)) == WRONG

    @pytest.mark.parametrize("broken", ["", "[]", "{}", '{"login": "", "sha256": ""}', '{"a": 1}'])
    def test_a_file_of_another_form_is_none(self, file: Path, broken: str) -> None:
        file.write_text(broken)
        with pytest.raises(ValueError):
            UncountedLogin.read(file)


TOO_SLOW = "$2b$20$abcdefghijklmnopqrstuu" + "a" * 31  # a minute


class TestWhoWaits:
    """Questions of smtpd, which name no client, and those with an address, while many are asked."""

    @pytest.fixture
    def server(self, tmp_path: Path) -> LoginServer:
        file = tmp_path / "logins.json"
        phones = {f"phone{n}": hashed(f"{PHONE}{n}", "$5$rounds=4000$") for n in range(31)}
        file.write_text(
            text(alice=entry(own=hashed(OWN), **phones), bob=BOB, slow=entry(own=TOO_SLOW))
        )
        return LoginServer(LastGood(file, LoginTable.from_json))

    @staticmethod
    def guess(number: int, address: bytes = b"") -> bytes:
        parts = (b"alice@example.org", b"guess %d" % number, *([address] if address else []))
        return b"\0".join(parts)

    def test_smtp_does_not_stand_behind_imap(self, server: LoginServer) -> None:
        async def scene() -> int:
            guesses = [
                asyncio.create_task(server.answer(self.guess(n, b"192.0.2.1"))) for n in range(20)
            ]
            await asyncio.sleep(0)
            assert await server.answer(b"bob@example.org\0bob's") == RIGHT
            done = sum(guess.done() for guess in guesses)
            assert set(await asyncio.gather(*guesses)) == {WRONG}
            return done

        assert asyncio.run(scene()) < 10

    @pytest.mark.parametrize("address", [b"", b"192.0.2.2"])
    def test_a_password_that_was_right_before_stands_behind_nobody(
        self, server: LoginServer, address: bytes
    ) -> None:
        own = b"\0".join((b"alice@example.org", OWN.encode(), *([address] if address else [])))

        async def scene() -> list[float]:
            assert await server.answer(own) == RIGHT
            flood = [
                asyncio.create_task(server.answer(self.guess(n, place)))
                for place in (b"", b"192.0.2.1")
                for n in range(25)  # each of them has 32 hashes
            ]
            await asyncio.sleep(0)
            times = []
            while not all(guess.done() for guess in flood):
                begun = time.perf_counter()
                assert await server.answer(own) == RIGHT
                times.append(time.perf_counter() - begun)
                await asyncio.sleep(0.01)
            return times

        times = sorted(asyncio.run(scene()))
        assert len(times) > 10
        assert times[len(times) // 2] < 0.050, times

    def test_who_waits_no_longer_is_not_hashed(self, server: LoginServer) -> None:
        async def scene() -> None:
            with pytest.raises(TimeoutError):
                await server.answer(self.guess(0), Asker(seconds=-1.0))
            here, there = socket.socketpair()
            with here:
                there.shutdown(socket.SHUT_WR)  # the end of a question
                assert await server.answer(self.guess(1), Asker(here)) == WRONG
                there.close()
                with pytest.raises(ConnectionError):
                    await server.answer(self.guess(2), Asker(here))

        asyncio.run(scene())
        assert len(server._checker._wrong) == 1

    def test_hashing_ends_when_the_time_is_over(self, server: LoginServer) -> None:
        """Between two hashes: a question has up to 33 of them."""
        long = b"alice@example.org\0" + b"l" * 511

        async def scene() -> None:
            with pytest.raises(TimeoutError):
                await server.answer(long, Asker(seconds=0.03))

        asyncio.run(scene())
        assert not server._checker._wrong

    def test_a_login_with_too_slow_a_hash_gets_no_answer_and_costs_nobody(
        self, server: LoginServer
    ) -> None:
        begun = time.perf_counter()
        assert asyncio.run(server.answer(b"slow@example.org\0x")) == NO_ANSWER
        assert asyncio.run(server.answer(b"SLOW@example.org\0x\x00192.0.2.1")) == NO_ANSWER
        assert asyncio.run(server.answer(b"bob@example.org\0wrong")) == WRONG
        assert time.perf_counter() - begun < 2
        assert TOO_SLOW.encode() not in server._table.content.decoys(b"bob@example.org")


def test_many_kinds_of_hashes_do_not_make_a_question_too_long() -> None:
    slow = {f"u{n}": entry(own=f"$6$rounds={100_000 + n}$a$x") for n in range(20)}
    found = table(bob=BOB, **slow)
    for login in (b"nobody@example.org", b"bob@example.org", b"u3@example.org"):
        assert not found.is_too_slow(login)
        tried = [password.hash for password in found.passwords_of(login)] + found.decoys(login)
        assert fit_a_question(tried)
        assert len(tried) > 1


class Program:
    """`python -m filters.logins` in a process of its own, asked as PAM does."""

    def __init__(self, folder: Path) -> None:
        self.table, self.socket = folder / "logins.json", folder / "socket"
        self.last_used = folder / "last-used.json"
        self.table.write_text(text(alice=ALICE))
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "filters.logins", str(self.table)]
        command += ["--socket", str(self.socket), "--last-used", str(self.last_used)]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)
        assert process.stderr is not None
        assert process.stderr.readline() == b"info: 1 logins\n"
        return process

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=30)
        return self.process.returncode

    def ask(self, login: str, password: bytes, wanted: bytes = RIGHT, address: str = "") -> bool:
        """Whether this is the answer."""
        parts = [login.encode(), password, *([address.encode()] if address else [])]
        with socket.socket(socket.AF_UNIX) as link:
            try:
                link.connect(str(self.socket))
                link.sendall(b"\0".join(parts))
                link.shutdown(socket.SHUT_WR)
                return link.makefile("rb").read() == wanted
            except OSError:
                return False


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    program = Program(tmp_path)
    yield program
    program.stop()


class TestTheProgram:
    def test_tells_right_from_wrong(self, program: Program) -> None:
        assert program.ask("alice@example.org", PHONE.encode())
        assert program.ask("Alice@example.org", OWN.encode())
        assert not program.ask("alice@example.org", PHONE.encode(), WRONG)
        for login, password in (
            ("alice@example.org", b"no"),
            ("alice@example.org", b""),
            ("", b"x"),
            ("alice@example.org\n", PHONE.encode()),
            ("alice@example.org", PHONE.encode() + b"\n"),
            ("a" * 255, b"\xff" * 512),
        ):
            assert not program.ask(login, password)
            assert program.ask(login, password, WRONG)

    def test_that_does_not_run_gives_neither_answer(self, program: Program) -> None:
        program.stop()
        assert not program.ask("alice@example.org", PHONE.encode())
        assert not program.ask("alice@example.org", PHONE.encode(), WRONG)
        program.process = program.start()  # over its old socket
        assert program.ask("alice@example.org", PHONE.encode())

    def test_writes_the_last_use_at_once_and_when_it_is_told_to_end(self, program: Program) -> None:
        begun = int(time.time())
        assert program.ask("alice@example.org", PHONE.encode())
        # A question later, the first has long been written down; this one waits for its turn.
        while not program.last_used.exists():
            assert program.ask("nobody@example.org", b"x", WRONG)
        assert program.ask("Alice@example.org", OWN.encode())
        assert set(read_last_used(program.last_used)["alice@example.org"]) == {"phone"}
        assert program.stop() == 0
        times = read_last_used(program.last_used)["alice@example.org"]
        assert set(times) == {"", "phone"}
        assert all(begun <= when <= time.time() for when in times.values())

    def test_reads_a_changed_book(self, program: Program) -> None:
        assert program.ask("alice@example.org", PHONE.encode())
        program.table.write_text(text(alice=entry(own=hashed("another"))))
        assert not program.ask("alice@example.org", PHONE.encode())
        assert program.ask("alice@example.org", b"another")

    def test_answers_others_while_one_keeps_silent_or_talks_too_much(
        self, program: Program
    ) -> None:
        async def scene() -> None:
            silent = await asyncio.open_unix_connection(program.socket)
            silent[1].write(b"alice@example.org\0")
            left = await asyncio.open_unix_connection(program.socket)
            left[1].close()
            reader, writer = await asyncio.open_unix_connection(program.socket)
            writer.write(b"x" * (LONGEST_QUESTION + 1))
            assert await reader.read() == WRONG
            writer.close()
            assert await asyncio.to_thread(program.ask, "alice@example.org", PHONE.encode())
            assert await silent[0].read() == b""  # its time is over
            silent[1].close()

        asyncio.run(scene())

    def test_answers_soon_after_a_pause_in_which_askers_went_away(self, program: Program) -> None:
        program.process.send_signal(signal.SIGSTOP)
        for number in range(60):
            with socket.socket(socket.AF_UNIX) as link:
                link.connect(str(program.socket))
                link.sendall(b"alice@example.org\0guess %d" % number)
                link.shutdown(socket.SHUT_WR)
        program.process.send_signal(signal.SIGCONT)
        assert program.ask("alice@example.org", PHONE.encode())
        assert program.process.stderr is not None
        program.process.send_signal(signal.SIGTERM)
        said = program.process.stderr.read().decode()
        assert said.count("a question broke off") == 60

    @pytest.mark.parametrize("cut", range(0, 40, 3))
    def test_takes_a_question_in_pieces(self, program: Program, cut: int) -> None:
        question = b"alice@example.org\0" + PHONE.encode()

        async def scene() -> bytes:
            reader, writer = await asyncio.open_unix_connection(program.socket)
            for piece in (question[:cut], question[cut:]):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            writer.write_eof()
            try:
                return await reader.read()
            finally:
                writer.close()

        assert asyncio.run(scene()) == RIGHT

    @pytest.mark.parametrize("content", [None, "{"])
    def test_refuses_to_start_without_a_good_book(
        self, tmp_path: Path, content: str | None
    ) -> None:
        file = tmp_path / "broken.json"
        if content is not None:
            file.write_text(content)
        command = [sys.executable, "-m", "filters.logins", str(file), "--socket", "s"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: {file}: ".encode())
