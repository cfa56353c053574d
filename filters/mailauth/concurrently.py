"""Coroutines that run side by side, without a task for one that does not have to wait.

With every answer in the cache nothing of a message waits, and tasks would cost more than what is
done in them. It must not know what is awaited.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

if sys.version_info >= (3, 12):

    def _start(coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run the coroutine until it waits for something; it may be done by then."""
        return asyncio.Task(coroutine, loop=asyncio.get_running_loop(), eager_start=True)

else:

    def _start(coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        return asyncio.get_running_loop().create_task(coroutine)


async def concurrently(*coroutines: Coroutine[Any, Any, T]) -> list[T]:
    """Return the results in order, as asyncio.gather() does; the first error is raised."""
    if len(coroutines) == 1:
        return [await coroutines[0]]
    tasks = [_start(coroutine) for coroutine in coroutines]
    if all(task.done() and not task.cancelled() and task.exception() is None for task in tasks):
        return [task.result() for task in tasks]
    return await asyncio.gather(*tasks)
