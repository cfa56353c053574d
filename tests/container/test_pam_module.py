"""The PAM module by itself: a small program asks it, a socket here answers as it should not.

Both are compiled in the image's own stage that builds the module; nothing of it is on this machine.
"""

from __future__ import annotations

import json
import secrets
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from filters.login_question import LONGEST_QUESTION

from .harness import pam_module
from .harness.shell import attempt, fresh, run
from .harness.signpost import ROOT

SUCCESS, AUTH_ERR, UNAVAILABLE = 0, 7, 9  # _pam_types.h
LOGIN, PASSWORD = "alice@example.org", b"her secret"


def some(length: int) -> bytes:
    """A password that is found again wherever a piece of it is left."""
    return secrets.token_hex(length).encode()[:length]


# What a program answers on a connection, its question read.
Answer = Callable[[socket.socket], None]


class Asked(NamedTuple):
    """What came of it: code and milliseconds of each question."""

    codes: list[int]
    times: list[float]


class Module:
    """A container of the build stage, with the module where PAM finds it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder  # on both sides
        self.container = fresh("signpost-test-pam")
        self.questions: list[bytes] = []

    def __enter__(self) -> Module:
        pam_module.build()
        run(
            *("docker", "run", "--detach", "--rm", "--init", "--network", "none"),
            *("--name", self.container, "-v", f"{self.folder}:{self.folder}"),
            *("-v", f"{ROOT / 'tests/container/pam'}:/src:ro"),
            *(pam_module.STAGE, "sleep", "infinity"),
        )
        try:
            build = "gcc -O1 -Wall -Wextra -Werror -rdynamic -o /usr/bin/ask /src/ask.c -lpam"
            self.inside("sh", "-c", f"{build} && cp -R /out/. /")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        attempt("docker", "rm", "--force", self.container)

    def inside(self, *command: str, stdin: bytes = b"") -> bytes:
        return run("docker", "exec", "-i", self.container, *command, stdin=stdin)

    def service(self, *arguments: str) -> str:
        """A new PAM service; its name."""
        name = fresh("service")
        words = " ".join(arguments or (f"socket={self.folder}/socket",))
        lines = f"auth required pam_signpost.so {words}\naccount required pam_permit.so\n"
        (self.folder / name).write_text(lines)
        return name

    def ask(
        self,
        service: str,
        *,
        login: str = LOGIN,
        password: bytes = PASSWORD,
        address: str = "-",
        times: int = 1,
        pause: int = 0,
    ) -> Asked:
        """Have it asked, in a program that has timers and children; what it leaves as it was."""
        command = ("ask", str(self.folder), service, login, address, str(times), str(pause))
        # The linker's late binding saves registers on the stack, as a signal does.
        said = json.loads(self.inside("env", "LD_BIND_NOW=1", *command, stdin=password))
        assert said["leaked"] == 0
        assert said["handler"] is True
        assert pause >= 0 or said["left"] == 0
        codes, spent = zip(*said["answers"], strict=True)
        if pause >= 0 and sum(spent) > 500:
            assert said["reaped"] == 1  # SIGCHLD came in the midst of it
            assert said["alarms"] > 20
        return Asked(list(codes), list(spent))

    @contextmanager
    def server(self, answer: Answer) -> Iterator[None]:
        """Something that listens, reads each question and then does as `answer` says."""
        path = self.folder / "socket"
        path.unlink(missing_ok=True)
        self.questions.clear()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            path.chmod(0o666)
            listener.listen(64)
            threading.Thread(target=self._serve, args=(listener, answer), daemon=True).start()
            try:
                yield
            finally:
                listener.shutdown(socket.SHUT_RDWR)

    def _serve(self, listener: socket.socket, answer: Answer) -> None:
        while True:
            try:
                link = listener.accept()[0]
            except OSError:
                return
            with link:
                question = b""
                while part := link.recv(65536):
                    question += part
                self.questions.append(question)
                with suppress(OSError):
                    answer(link)


@pytest.fixture(scope="module")
def module() -> Iterator[Module]:
    with tempfile.TemporaryDirectory(prefix="signpost-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with Module(folder) as module:
            yield module


def say(*pieces: bytes, after: float = 0.0, between: float = 0.0) -> Answer:
    def answer(link: socket.socket) -> None:
        time.sleep(after)
        for piece in pieces:
            link.sendall(piece)
            time.sleep(between)

    return answer


def never(link: socket.socket) -> None:
    link.settimeout(10)
    link.recv(1)  # until the asker has gone: the socket has no more to read
    time.sleep(3)


RIGHT, WRONG = say(b"right\n"), say(b"wrong\n")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (RIGHT, SUCCESS),
        (WRONG, AUTH_ERR),
        (say(*(bytes([byte]) for byte in b"right\n"), between=0.02), SUCCESS),
        (say(*(bytes([byte]) for byte in b"wrong\n"), between=0.02), AUTH_ERR),
        (say(b"right\n", after=1.0), SUCCESS),
        (say(), UNAVAILABLE),
        (say(b"right"), UNAVAILABLE),
        (say(b"right "), UNAVAILABLE),
        (say(b"rightful\n"), UNAVAILABLE),
        (say(b"RIGHT\n"), UNAVAILABLE),
        (say(b"\n"), UNAVAILABLE),
        (say(b"\0right\n"), UNAVAILABLE),
        (say(b"\xff" * 100_000), UNAVAILABLE),
    ],
)
def test_right_is_told_from_wrong_and_both_from_no_answer(
    module: Module, answer: Answer, code: int
) -> None:
    with module.server(answer):
        assert module.ask(module.service()).codes == [code]


@pytest.mark.parametrize(
    "answer", [never, say(*[b"r"] * 20, between=0.5)], ids=["none", "a byte now and then"]
)
def test_a_question_takes_two_seconds_at_most(module: Module, answer: Answer) -> None:
    with module.server(answer):
        asked = module.ask(module.service())
    assert asked.codes == [UNAVAILABLE]
    assert 400 < asked.times[0] < 2300


def test_who_does_not_read_its_questions_is_no_answer(module: Module) -> None:
    """SIGSTOP looks like this: the kernel takes the connections, until its queue is full."""
    path = module.folder / "socket"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(0)
        first = module.ask(module.service())
        second = module.ask(module.service())  # the first one's connection fills the queue
    assert first.codes == second.codes == [UNAVAILABLE]
    assert 1900 < first.times[0] < 2300
    assert second.times[0] < 200


def test_one_that_closes_without_reading_does_no_harm(module: Module) -> None:
    path = module.folder / "socket"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(64)

        def close_at_once() -> None:
            for _ in range(50):
                listener.accept()[0].close()

        threading.Thread(target=close_at_once, daemon=True).start()
        # Its own SIGPIPE is at its default, and would end the program.
        asked = module.ask(module.service(), password=some(2000), times=50)
    assert asked.codes == [UNAVAILABLE] * 50


@pytest.mark.parametrize(
    "arguments",
    [["socket=/nowhere/socket"], ["socket=/etc/passwd"], ["socket=/" + "x" * 200], ["nonsense"]],
)
def test_without_a_socket_there_is_no_answer(module: Module, arguments: Sequence[str]) -> None:
    asked = module.ask(module.service(*arguments))
    assert asked.codes == [UNAVAILABLE]
    assert asked.times[0] < 200


@pytest.mark.parametrize(
    ("address", "sent"),
    [
        ("-", b""),
        ("192.0.2.1", b"\x00192.0.2.1"),
        ("2001:db8::1", b"\x002001:db8::1"),
        ("::ffff:192.0.2.1", b"\0::ffff:192.0.2.1"),
        ("some.host.test", b""),
        ("192.0.2.1 ", b""),
        ("1.2.3", b""),
        ("", b""),
    ],
)
def test_the_client_is_named_where_it_is_known(module: Module, address: str, sent: bytes) -> None:
    with module.server(RIGHT):
        assert module.ask(module.service(), address=address).codes == [SUCCESS]
    assert module.questions == [LOGIN.encode() + b"\0" + PASSWORD + sent]


@pytest.mark.parametrize("password", [b"", b"a\nb", b"\xff\xfe", some(511)])
def test_any_password_is_sent_as_it_is(module: Module, password: bytes) -> None:
    with module.server(WRONG):
        assert module.ask(module.service(), password=password).codes == [AUTH_ERR]
    assert module.questions == [LOGIN.encode() + b"\0" + password]


@pytest.mark.parametrize("address", ["-", "192.0.2.1"])
def test_what_is_too_long_for_a_question_is_wrong_and_not_sent(
    module: Module, address: str
) -> None:
    rest = len(LOGIN) + 1 + (0 if address == "-" else len(address) + 1)
    service = module.service()
    with module.server(RIGHT):
        longest = LONGEST_QUESTION - rest
        asked = module.ask(service, password=some(longest), address=address)
        assert asked.codes == [SUCCESS]
        assert [len(question) for question in module.questions] == [LONGEST_QUESTION]
        for length in (longest + 1, longest + 2, 60_000):
            asked = module.ask(service, password=some(length), address=address)
            assert asked.codes == [AUTH_ERR]
        asked = module.ask(service, login="x" * 3000, address=address)
        assert asked.codes == [AUTH_ERR]
        assert len(module.questions) == 1


def test_nothing_of_a_password_stays_on_the_stack(module: Module) -> None:
    with module.server(WRONG):
        asked = module.ask(module.service(), password=some(2000), pause=-1)
    assert asked.codes == [AUTH_ERR]


class TestTheState:
    """What a late answer leaves to the next question, of this service alone."""

    @pytest.fixture
    def state(self, module: Module) -> str:
        return f"/dev/shm/{fresh('state')}"

    @pytest.fixture
    def smtp(self, module: Module, state: str) -> str:
        return module.service(f"socket={module.folder}/socket", f"state={state}")

    def write(self, module: Module, state: str, *numbers: int, mode: str = "600") -> None:
        content = struct.pack(f"={len(numbers)}q", *numbers)
        module.inside("sh", "-c", f"cat >{state} && chmod {mode} {state}", stdin=content)

    def test_after_a_time_out_nobody_asks_for_five_seconds(self, module: Module, smtp: str) -> None:
        with module.server(never):
            waiting = module.ask(smtp, times=20)
        assert waiting.codes == [UNAVAILABLE] * 20
        assert sum(waiting.times) < 2500
        with module.server(RIGHT):
            over = time.monotonic()
            # Who has no state asks meanwhile, as Dovecot does.
            assert module.ask(module.service()).codes == [SUCCESS]
            resting = module.ask(smtp, times=20)
            assert set(resting.codes) == {UNAVAILABLE}
            assert sum(resting.times) < 500
            while module.ask(smtp).codes != [SUCCESS]:
                assert time.monotonic() - over < 6
            assert time.monotonic() - over > 4

    @pytest.mark.parametrize("seconds", [1.9, 0.9, 0.3, 0.1])
    def test_slow_answers_in_a_row_are_bounded_together(
        self, module: Module, smtp: str, seconds: float
    ) -> None:
        with module.server(say(b"right\n", after=seconds)):
            asked = module.ask(smtp, times=30)
        assert asked.codes[0] == SUCCESS
        # Until the first rest, which ends what waits for smtpd's parent.
        asked_first = next(at for at, spent in enumerate(asked.times) if spent < 50)
        assert sum(asked.times[:asked_first]) < 2300
        assert sum(asked.times) < 2500

    def test_a_flood_of_ordinary_questions_is_let_through(self, module: Module, smtp: str) -> None:
        with module.server(say(b"wrong\n", after=0.003)):
            asked = module.ask(smtp, times=600, pause=2)
        assert set(asked.codes) == {AUTH_ERR}

    @pytest.mark.parametrize(
        "numbers",
        [
            (),
            (1, 2),
            (-1, -1, -1),
            (2**62, 0, 2**62),
            (0, 2**62, 0),
            (0, 0, 2**62),
            (2**62, 2**62, -(2**62)),
        ],
        ids=str,
    )
    def test_what_makes_no_sense_counts_for_nothing(
        self, module: Module, state: str, smtp: str, numbers: tuple[int, ...]
    ) -> None:
        """A host that was started anew counts its seconds from nought."""
        self.write(module, state, *numbers)
        with module.server(RIGHT):
            assert module.ask(smtp, times=3).codes == [SUCCESS] * 3

    @pytest.mark.parametrize(
        "make", ["chmod 666", "chown 1", "chgrp 1 {0}; chmod 660", "mv -t /tmp {0}; mkdir"]
    )
    def test_one_that_others_may_write_counts_for_nothing(
        self, module: Module, state: str, smtp: str, make: str
    ) -> None:
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        self.write(module, state, now, 0, now + 5_000_000_000)
        with module.server(RIGHT):
            assert module.ask(smtp).codes == [UNAVAILABLE]  # it would count
            module.inside("sh", "-c", f"{make.format(state)} {state}")
            assert module.ask(smtp).codes == [SUCCESS]

    def test_it_is_its_makers_alone(self, module: Module, state: str, smtp: str) -> None:
        with module.server(RIGHT):
            assert module.ask(smtp).codes == [SUCCESS]
        assert module.inside("stat", "-c", "%U %a %s", state) == b"root 600 24\n"
