"""What was looked at (`observations`) → gauges, and the filters' own counters, at each scrape."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from entrypoint.metrics import words
from entrypoint.metrics.observations import (
    FILTERS,
    FilterNumbers,
    MailboxTotals,
    State,
    read_filter,
    read_mailboxes,
    read_state,
)
from entrypoint.metrics.own_names import WatchedNames

_AGES = (*(name for name, _ in words.AGES), words.OLDER)


class Gauges(Collector):
    """How things are. clock: Unix seconds."""

    def __init__(self, names: WatchedNames, clock: Callable[[], float] = time.time) -> None:
        self._names, self._clock = names, clock

    def collect(self) -> Iterator[Metric]:
        """What the files have now; what is not known is left out."""
        state, mailboxes = read_state(), read_mailboxes()
        observed = GaugeMetricFamily(
            "signpost_observed_timestamp_seconds",
            "When the queue and all that is looked at with it, and the mailboxes, were looked at",
            labels=["what"],
        )
        if state is not None:
            observed.add_metric(["state"], state.at)
            yield from self._of_state(state)
        if mailboxes is not None:
            observed.add_metric(["mailboxes"], mailboxes.at)
            yield from self._of_mailboxes(mailboxes)
        yield observed
        yield from _of_filters(
            {name: found for name, path in FILTERS.items() if (found := read_filter(path))}
        )

    def _of_state(self, state: State) -> Iterator[Metric]:
        if state.envelopes is not None:
            yield _envelopes(state)
            oldest = GaugeMetricFamily(
                "signpost_queue_oldest_age_seconds",
                "The age of the oldest recipient that waits, 0 where none does",
                labels=["agent"],
            )
            for agent in sorted(words.QUEUE_AGENTS):
                since = state.oldest.get(agent)
                age = 0.0 if since is None else max(0.0, self._clock() - since)
                oldest.add_metric([agent], age)
            yield oldest
        if state.certificate is not None:
            yield GaugeMetricFamily(
                "signpost_certificate_not_after_timestamp_seconds",
                "When the certificate ends that is served",
                state.certificate,
            )
        if state.blocks is not None:
            blocks = GaugeMetricFamily(
                "signpost_login_blocks_active", "Blocks that are in force", labels=["scope"]
            )
            for scope in ("client", "login"):
                blocks.add_metric([scope], state.blocks.get(scope, 0))
            yield blocks
        free = GaugeMetricFamily(
            "signpost_disk_free_bytes", "Room for mail on the disk", labels=["volume"]
        )
        size = GaugeMetricFamily("signpost_disk_size_bytes", "All of it", labels=["volume"])
        for volume in ("data", "queue"):
            if volume in state.disks:
                free.add_metric([volume], state.disks[volume][0])
                size.add_metric([volume], state.disks[volume][1])
        yield from (free, size)

    def _of_mailboxes(self, found: MailboxTotals) -> Iterator[Metric]:
        numbers: dict[str, list[int]] = {}
        for domain, three in found.domains.items():
            sums = numbers.setdefault(self._names.domain(domain), [0, 0, 0])
            for place, number in enumerate(three):
                sums[place] += number
        for place, (name, text) in enumerate(
            (
                ("signpost_mailboxes", "Accounts, each of which has a mailbox"),
                ("signpost_mailbox_messages", "Messages in mailboxes"),
                ("signpost_mailbox_bytes", "What they take"),
            )
        ):
            metric = GaugeMetricFamily(name, text, labels=["domain"])
            for domain, sums in sorted(numbers.items()):
                metric.add_metric([domain], sums[place])
            yield metric


def _envelopes(state: State) -> Metric:
    metric = GaugeMetricFamily(
        "signpost_queue_envelopes",
        "Recipients that wait in the queue, by who is to deliver, how they stand and their age",
        labels=["agent", "state", "age"],
    )
    numbers = {
        (agent, status, age): 0
        for agent in words.QUEUE_AGENTS
        for status in words.QUEUE_STATES
        for age in _AGES
    }
    for agent, status, age, number in state.envelopes or ():
        key = (
            agent if agent in words.QUEUE_AGENTS else words.OTHER,
            status if status in words.QUEUE_STATES else words.OTHER,
            age if age in _AGES else words.OTHER,
        )
        numbers[key] = numbers.get(key, 0) + number
    for key, number in sorted(numbers.items()):
        metric.add_metric(list(key), number)
    return metric


def _of_filters(found: dict[str, FilterNumbers]) -> Iterator[Metric]:
    seconds = HistogramMetricFamily(
        "signpost_filter_seconds",
        "How long a filter had a message, from its end to the answer",
        labels=["filter"],
    )
    started = GaugeMetricFamily(
        "signpost_filter_start_timestamp_seconds", "When the filter began", labels=["filter"]
    )
    answers = CounterMetricFamily(
        "signpost_dns_questions",
        "DNS questions about mail: answered from the cache, by a name server, or not at all",
        labels=["filter", "answer"],
    )
    entries = GaugeMetricFamily(
        "signpost_dns_cache_entries", "Answers in the DNS cache", labels=["filter"]
    )
    for name, numbers in found.items():
        buckets = [(_bound(bound), float(count)) for bound, count in numbers.seconds]
        seconds.add_metric([name], [*buckets, ("+Inf", float(numbers.count))], numbers.total)
        started.add_metric([name], numbers.started)
        if numbers.dns is not None:
            for answer, number in _answers(numbers.dns).items():
                answers.add_metric([name, answer], number)
            entries.add_metric([name], numbers.dns.get("entries", 0))
    yield from (seconds, started, answers, entries)


def _answers(dns: Mapping[str, int]) -> dict[str, int]:
    asked, failed = dns.get("asked", 0), dns.get("failed", 0)
    return {"cache": dns.get("cached", 0), "server": max(0, asked - failed), "none": failed}


def _bound(seconds: float) -> str:
    return f"{seconds:g}" if "." in f"{seconds:g}" else f"{seconds:.1f}"
