"""Running side by side: nobody waits for another to begin, and errors and cancellation pass."""

import asyncio
import gc

import pytest

from filters.mailauth.concurrently import concurrently


async def at_once(value: int) -> int:
    return value


async def meeting(barrier: asyncio.Barrier, value: int) -> int:
    await barrier.wait()
    return value


async def failing() -> int:
    raise LookupError("no")


def test_results_stand_in_order_whoever_waits() -> None:
    async def main() -> None:
        barrier = asyncio.Barrier(2)
        assert await concurrently(at_once(1)) == [1]
        assert await concurrently(at_once(1), at_once(2), at_once(3)) == [1, 2, 3]
        found = await concurrently(meeting(barrier, 1), at_once(2), meeting(barrier, 3))
        assert found == [1, 2, 3]
        assert await concurrently() == []

    asyncio.run(main())


def test_an_error_is_raised() -> None:
    async def main() -> None:
        with pytest.raises(LookupError):
            await concurrently(at_once(1), failing())
        with pytest.raises(LookupError):
            await concurrently(failing(), meeting(asyncio.Barrier(1), 1))

    asyncio.run(main())


def test_several_errors_at_once_are_all_taken_note_of() -> None:
    reported: list[object] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, said: reported.append(said))
        with pytest.raises(LookupError):
            await concurrently(failing(), failing())
        await asyncio.sleep(0)
        gc.collect()

    asyncio.run(main())
    assert not reported


def test_cancellation_reaches_all() -> None:
    ended: list[int] = []

    async def waiting(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    async def main() -> None:
        task = asyncio.create_task(concurrently(waiting(1), waiting(2)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert sorted(ended) == [1, 2]

    asyncio.run(main())
