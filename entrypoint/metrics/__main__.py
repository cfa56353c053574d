"""The program that Prometheus asks: counts samples, and answers GET /metrics.

    python -m entrypoint.metrics PORT

It runs as a user of its own, which may read the samples and the files of /run/signpost/metrics and
nothing else. Mail does not know that it is there: what hangs or dies here costs numbers.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import NoReturn

from prometheus_client import CollectorRegistry, Gauge, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from entrypoint.metrics.counters import Counters
from entrypoint.metrics.event_pipe import SampleReader
from entrypoint.metrics.gauges import Gauges
from entrypoint.metrics.own_names import WatchedNames
from entrypoint.web.http import HttpRequest, HttpResponse, plain
from entrypoint.web.listener import listening
from entrypoint.web.server import Limits, Server
from filters.program import start_logging

log = logging.getLogger(__name__)

PATH = "/metrics"
# Prometheus waits for ten seconds by default. Who connects and does not read gives way to others.
_LIMITS = Limits(connections=16, seconds=10.0)
# However many ask, all is put together so often at most.
_SAME_FOR = 1.0  # seconds
_NOBODY_WRITES = 0.5  # seconds, until that is looked at again


class Exposition:
    """What GET /metrics answers."""

    def __init__(
        self, registry: CollectorRegistry, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._registry, self._clock = registry, clock
        self._content, self._until = b"", float("-inf")

    def respond(self, request: HttpRequest) -> HttpResponse:
        """The numbers of now, in Prometheus's text format."""
        if request.path != PATH:
            return plain(404)
        if request.method not in {"GET", "HEAD"}:
            return plain(405, ("Allow", "GET, HEAD"))
        if self._clock() >= self._until:
            self._content = generate_latest(self._registry)
            self._until = self._clock() + _SAME_FOR
        return HttpResponse(200, self._content, CONTENT_TYPE_PLAIN_0_0_4)


async def count(reader: SampleReader, counters: Counters) -> None:
    """Take in samples, for ever."""
    loop, come = asyncio.get_running_loop(), asyncio.Event()
    while True:
        come.clear()
        loop.add_reader(reader.descriptor, come.set)
        await come.wait()
        loop.remove_reader(reader.descriptor)
        lines = reader.read()
        if lines is None:
            await asyncio.sleep(_NOBODY_WRITES)
        else:
            counters.take(lines)


async def run(port: int) -> None:
    """Serve for ever. Raises OSError where there is no pipe."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry, names = CollectorRegistry(), WatchedNames()
    counters = Counters(registry, names)
    counters.show_own()
    registry.register(Gauges(names))
    with contextlib.suppress(ImportError):
        Gauge("signpost_info", "Which Signpost this is", ["version"], registry=registry).labels(
            version("signpost")
        ).set(1)
    reader = SampleReader()
    server = Server(Exposition(registry).respond, _no_certificate, _LIMITS)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(count(reader, counters))
        tasks.create_task(server.serve(await listening(port), secure=False))


def _no_certificate() -> NoReturn:
    raise RuntimeError("metrics are served in plaintext")


def main() -> None:
    """Run until a signal."""
    parser = argparse.ArgumentParser("entrypoint.metrics")
    parser.add_argument("port", type=int)
    options = parser.parse_args()
    start_logging()
    # asyncio's own lines hold what a client sent.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    try:
        asyncio.run(run(options.port))
    except OSError as error:
        log.error("the metrics cannot be served: %s", error)
        sys.exit(1)


if __name__ == "__main__":
    main()
