"""Numbers for Prometheus, by Mailpit's names and a few of our own."""

from __future__ import annotations

import time
from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry
from starlette.requests import Request
from starlette.responses import Response

from entrypoint.test_target.api.about import memory_bytes
from entrypoint.test_target.api.target import Target


async def metrics(target: Target, request: Request) -> Response:
    """GET /metrics."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(await _collect(target)))
    return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


class _Collected(Collector):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


async def _collect(target: Target) -> list[Metric]:
    totals, smtp = target.mailbox.totals, target.smtp
    counters: dict[str, tuple[str, float]] = {
        "mailpit_messages_deleted_total": ("Messages deleted", totals.deleted),
        "mailpit_smtp_accepted_total": ("Messages accepted", smtp.accepted),
        "mailpit_smtp_accepted_size_bytes_total": ("Their bytes", smtp.accepted_bytes),
        "mailpit_smtp_rejected_total": ("Messages refused", smtp.refused),
        "mailpit_smtp_ignored_total": ("Messages ignored: there are none", 0),
    }
    gauges: dict[str, tuple[str, float]] = {
        "mailpit_messages": ("Messages in the mailbox", totals.messages),
        "mailpit_messages_unread": ("Of these, unread", totals.unread),
        "mailpit_database_size_bytes": ("Database", await target.mailbox.used_bytes()),
        "mailpit_memory_usage_bytes": ("Memory of this process", memory_bytes()),
        "mailpit_uptime_seconds": ("Since the start", time.monotonic() - target.started),
        "signpost_test_unindexed_messages": (
            "Messages that a search looks through, as they are not in its index yet",
            await target.mailbox.index_lag(),
        ),
        "signpost_test_waiting_requests": ("Requests that wait for messages", len(target.waits)),
    }
    tags = GaugeMetricFamily("mailpit_tag_messages", "Messages with the tag", labels=["tag"])
    for name, count in (await target.mailbox.tag_counts()).items():
        tags.add_metric([name], count)
    return [
        *(CounterMetricFamily(name, text, value) for name, (text, value) in counters.items()),
        *(GaugeMetricFamily(name, text, value) for name, (text, value) in gauges.items()),
        tags,
        *[metric for collect in target.collectors for metric in await collect()],
    ]
