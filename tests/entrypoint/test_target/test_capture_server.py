"""The target's end of the filter's socket."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from entrypoint.test_target import capture_server
from entrypoint.test_target.capture_server import CaptureServer
from filters.capture.frames import Header, frame, read_frame
from filters.unix_socket import listen_at


class FilterEnd:
    """A filter that answers when a case wants it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, path: Path) -> "FilterEnd":
        return cls(*await asyncio.open_unix_connection(str(path)))

    async def hear(self) -> Header:
        async with asyncio.timeout(10):
            header, _ = await read_frame(self.reader)
        return header

    def say(self, header: Mapping[str, Any], body: bytes = b"") -> None:
        self.writer.write(frame(header, body))

    async def take_in_all(self) -> list[Header]:
        """The state, each part of it told to hold."""
        said = []
        while not said or not said[-1].get("complete"):
            said.append(await self.hear())
            self.say({"state": said[-1]["state"]})
        return said


class Answers:
    """released: how many questions are answered; the others wait."""

    def __init__(self) -> None:
        self.slow = asyncio.Event()

    async def __call__(self, header: Header, body: bytes) -> Mapping[str, Any] | None:
        if header.get("slow"):
            await self.slow.wait()
        if header.get("broken"):
            raise RuntimeError("a bug")
        return {"echo": body.decode()} if "id" in header else None


Case = Callable[[CaptureServer, Path, Answers], Awaitable[None]]


def run(tmp_path: Path, case: Case) -> None:
    async def main() -> None:
        answers = Answers()
        path = tmp_path / "capture"
        server = CaptureServer(answers, lambda: [{"zone": "", "names": {}}, {"faults": True}])
        await server.start(listen_at(path, 0o660))
        try:
            async with asyncio.timeout(30):
                await case(server, path, answers)
        finally:
            answers.slow.set()
            await server.close(1)
            others = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.wait(others, timeout=1) if others else None

    asyncio.run(main())


def test_who_connects_is_told_all_and_counts_once_it_holds(tmp_path: Path) -> None:
    async def case(server: CaptureServer, path: Path, answers: Answers) -> None:
        end = await FilterEnd.connect(path)
        assert await end.hear() == {"begin": True, "state": 1}
        assert not server.connected
        for number in (1, 2, 3):
            end.say({"state": number})
        assert (await end.hear())["names"] == {}
        assert (await end.hear())["faults"] is True
        assert not server.connected
        last = await end.hear()
        assert last == {"complete": True, "state": 4}
        end.say({"state": 4})
        await server.came.wait()
        assert server.connected
        end.writer.close()
        while server.connected:
            await asyncio.sleep(0)

    run(tmp_path, case)


def test_a_statement_has_been_made_once_every_filter_says_that_it_holds(tmp_path: Path) -> None:
    async def case(server: CaptureServer, path: Path, answers: Answers) -> None:
        ends = [await FilterEnd.connect(path) for _ in range(2)]
        for end in ends:
            await end.take_in_all()
        telling = asyncio.ensure_future(server.tell({"faults": False}))
        numbers = [(await end.hear())["state"] for end in ends]
        ends[0].say({"state": numbers[0]})
        ends[1].say({"state": 999})
        ends[1].say({"id": 1}, b"x")
        assert (await ends[1].hear())["echo"] == "x"
        assert not telling.done()
        ends[1].say({"state": numbers[1]})
        await telling
        # Who goes meanwhile is waited for no longer.
        telling = asyncio.ensure_future(server.tell({"faults": False}))
        ends[0].say({"state": (await ends[0].hear())["state"]})
        ends[1].writer.close()
        await telling
        for end in ends:
            end.writer.close()

    run(tmp_path, case)


def test_a_filter_that_hangs_is_an_error_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture_server, "_HOLDS_WITHIN", 0.1)

    async def case(server: CaptureServer, path: Path, answers: Answers) -> None:
        end = await FilterEnd.connect(path)
        await end.take_in_all()
        with pytest.raises(TimeoutError):
            await server.tell({"faults": False})
        end.writer.close()

    run(tmp_path, case)


def test_questions_are_answered_as_they_are_done_and_one_that_fails_is_deferred(
    tmp_path: Path,
) -> None:
    async def case(server: CaptureServer, path: Path, answers: Answers) -> None:
        end = await FilterEnd.connect(path)
        await end.take_in_all()
        end.say({"id": 1, "slow": True}, b"one")
        end.say({"id": 2, "broken": True}, b"two")
        end.say({"refused": "550"})
        end.say({"id": 3}, b"three")
        first, second = await end.hear(), await end.hear()
        assert {first["id"], second["id"]} == {2, 3}
        broken = first if first["id"] == 2 else second
        assert broken["reply"].startswith("451 4.3.0 ")
        answers.slow.set()
        assert await end.hear() == {"echo": "one", "id": 1}
        end.writer.close()

    run(tmp_path, case)


def test_what_is_under_way_is_answered_at_the_end(tmp_path: Path) -> None:
    async def case(server: CaptureServer, path: Path, answers: Answers) -> None:
        end = await FilterEnd.connect(path)
        await end.take_in_all()
        end.say({"id": 1, "slow": True}, b"one")
        end.say({"id": 2}, b"two")
        assert (await end.hear())["id"] == 2
        closing = asyncio.ensure_future(server.close(5))
        await asyncio.sleep(0)
        answers.slow.set()
        assert await end.hear() == {"echo": "one", "id": 1}
        await closing
        assert await end.reader.read() == b""
        end.writer.close()

    run(tmp_path, case)


@pytest.mark.parametrize(
    "nonsense",
    [b"\xff" * 64, b"\0\0\0\x02\0\0\0\0[]", b"\0\0\0\x01\0\0\0\0{", b"GET / HTTP/1.0\r\n"],
)
def test_nonsense_ends_its_connection_alone(tmp_path: Path, nonsense: bytes) -> None:
    async def case(server: CaptureServer, path: Path, answers: Answers) -> None:
        good, bad = await FilterEnd.connect(path), await FilterEnd.connect(path)
        await good.take_in_all()
        await bad.take_in_all()
        bad.writer.write(nonsense)
        assert await bad.reader.read() == b""
        good.say({"id": 1}, b"x")
        assert (await good.hear())["echo"] == "x"
        good.writer.close()
        bad.writer.close()

    run(tmp_path, case)


def test_an_old_socket_is_replaced_and_another_file_is_not(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    listen_at(path, 0o660).close()
    listen_at(path, 0o660).close()
    path.unlink()
    path.write_text("a file")
    with pytest.raises(OSError, match="in use"):
        listen_at(path, 0o660)
    assert path.read_text() == "a file"
