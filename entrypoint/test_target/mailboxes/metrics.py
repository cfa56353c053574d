"""Numbers of the mailboxes, for Prometheus."""

from __future__ import annotations

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from entrypoint.test_target.mailboxes.mailboxes import Mailboxes


async def mailbox_metrics(mailboxes: Mailboxes) -> list[Metric]:
    """For `Target.collectors`."""
    return [
        GaugeMetricFamily(
            "signpost_mailbox_backlog",
            "Messages that are not in their recipients' mailboxes yet",
            await mailboxes.backlog(),
        ),
        CounterMetricFamily(
            "signpost_mailbox_delivered_total",
            "Copies written into mailboxes",
            mailboxes.delivered,
        ),
        CounterMetricFamily(
            "signpost_mailbox_undeliverable_total",
            "Recipients that cannot be a mailbox's name",
            mailboxes.undeliverable,
        ),
        GaugeMetricFamily(
            "signpost_mailbox_watched_folders",
            "Folders of which the kernel says what clients do",
            mailboxes.watches.watched,
        ),
        GaugeMetricFamily(
            "signpost_mailbox_unwatched_folders",
            "Folders that are looked at each two seconds, as the kernel watches no more",
            mailboxes.watches.unwatched,
        ),
    ]
