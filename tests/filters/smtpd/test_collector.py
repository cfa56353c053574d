"""The collector of reference cycles keeps away from messages in hand, but not for ever."""

import asyncio
import gc
import weakref
from collections.abc import Callable, Iterator

import pytest

from filters.smtpd import collector


class Cycle:
    def __init__(self, size: int) -> None:
        self.itself = self
        self.text = bytearray(b"x") * size


@pytest.fixture(autouse=True)
def _as_in_a_program(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(collector, "LOOK", 0.001)
    monkeypatch.setattr(collector, "FEW", 0)
    collector.freeze()
    yield
    gc.unfreeze()
    gc.enable()


def freed(at_rest: Callable[[], bool], *, size: int = 0, looks: int = 1_000) -> bool:
    """Whether a cycle with so many bytes is gone after at most so many looks."""

    async def main() -> bool:
        collecting = asyncio.create_task(collector.collect_at_rest(at_rest))
        await asyncio.sleep(0)
        gone = weakref.ref(Cycle(size))
        for _ in range(looks):
            if gone() is None:
                break
            await asyncio.sleep(collector.LOOK)
        collecting.cancel()
        return gone() is None

    return asyncio.run(main())


def test_it_collects_at_rest_and_only_then() -> None:
    assert not gc.isenabled()
    assert freed(lambda: True)
    assert not freed(lambda: False, looks=20)


def test_it_waits_for_a_moment_of_rest() -> None:
    moments = iter([False] * 10)
    assert freed(lambda: next(moments, True))
    assert next(moments, None) is None


@pytest.mark.parametrize("bound", ["time", "objects", "memory"])
def test_it_does_not_wait_for_ever(bound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if bound == "time":
        monkeypatch.setattr(collector, "LONGEST", 0.01)
    elif bound == "objects":
        monkeypatch.setattr(collector, "MANY", 0)
    else:
        # A few objects may hold much.
        monkeypatch.setattr(collector, "FEW", 1 << 30)
    assert freed(lambda: False, size=2 * collector.GROWTH if bound == "memory" else 0)


def test_a_little_is_not_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "FEW", 1 << 30)
    assert not freed(lambda: True, looks=20)
