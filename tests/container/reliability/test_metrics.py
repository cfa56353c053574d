"""The long form of tests/container/test_metrics.py: under load, whatever happens to the metrics,
mail goes on as fast, and nothing grows.
"""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ..harness.load import CLIENTS, Load, load, percentile
from ..harness.shell import wait_until
from ..harness.signpost import Signpost
from ..harness.world import World
from ..test_metrics import ENVIRONMENT, OSCAR, PORT, exposition, process, value

pytestmark = pytest.mark.reliability

METRICS = "entrypoint.metrics"
# What a logpipe has in memory may grow by so much, in kB, over a thousand messages.
_MOST_GROWTH = 4096


@pytest.fixture(scope="module")
def server(world: World, image: None) -> Iterator[Signpost]:
    with world.signpost({**ENVIRONMENT, "MESSAGE_RATELIMIT": "no"}, place=152) as server:
        mail(world, server, 10)
        yield server


def mail(world: World, server: Signpost, seconds: float = 20) -> Load:
    """Ten messages a second beside two logins at a time; all are delivered."""
    found = load(world, server, OSCAR, loops=2, rate=10, seconds=seconds)
    assert found.accepted
    assert not found.refused
    assert found.delivered == found.accepted
    return found


def kill(server: Signpost, number: signal.Signals) -> None:
    for each in process(server, METRICS).split():
        server.attempt("kill", f"-{number}", each, user="metrics")


def memory(server: Signpost, title: str) -> int:
    """kB of the process with these words in its command line."""
    look = (
        'for each in /proc/[0-9]*; do case "$(tr "\\0" " " <$each/cmdline 2>/dev/null)" in '
        '*"$1"*) grep VmRSS: $each/status;; esac; done'
    )
    found = re.findall(r"VmRSS:\s+(\d+)", server.exec("sh", "-c", look, "look", title))
    return max(map(int, found), default=0)


@contextmanager
def scrapers(world: World, server: Signpost, count: int) -> Iterator[int]:
    command = ("docker", "exec", "-i", world.swaks.container, "python3", "-c")
    program = (CLIENTS / "scrapers.py").read_text()
    with subprocess.Popen(
        [*command, program, server.v4, str(PORT), str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        yield int(running.stdout.readline())
        running.stdin.close()


def test_one_that_hangs_costs_mail_nothing(world: World, server: Signpost) -> None:
    usual = mail(world, server)
    wait_until(lambda: process(server, METRICS), "the metrics")
    before = memory(server, "logpipe --format text --level info --metrics --only-here opensmtpd")
    assert before
    kill(server, signal.SIGSTOP)
    try:
        hung = mail(world, server)
        mail(world, server)
    finally:
        kill(server, signal.SIGCONT)
    assert percentile(hung.delivery, 90) < 3 * percentile(usual.delivery, 90) + 0.5
    after = memory(server, "logpipe --format text --level info --metrics --only-here opensmtpd")
    assert after - before < _MOST_GROWTH
    # The pipe had room for all of it.
    least = len(usual.accepted) + len(hung.accepted)
    wait_until(lambda: value(server, "signpost_messages_accepted_total") >= least, "the count")
    assert value(server, "signpost_samples_dropped_total") == 0


def test_one_that_is_killed_each_second_costs_mail_nothing(world: World, server: Signpost) -> None:
    done = threading.Event()

    def kill_again_and_again() -> None:
        while not done.wait(0.5):
            kill(server, signal.SIGKILL)

    killer = threading.Thread(target=kill_again_and_again)
    killer.start()
    try:
        mail(world, server)
    finally:
        done.set()
        killer.join()
    assert server.running()
    wait_until(lambda: exposition(server), "an answer", 60)


def test_one_that_hangs_is_started_again_and_nothing_is_unhealthy(
    world: World, server: Signpost
) -> None:
    wait_until(lambda: exposition(server), "an answer", 60)
    kill(server, signal.SIGSTOP)
    assert server.exec("signpost", "health").startswith("healthy")
    server.wait_for_log(r"metrics is restarted \(1 of 3", timeout=300)
    wait_until(lambda: exposition(server), "an answer", 60)
    assert server.exec("signpost", "health").startswith("healthy")


def test_two_thousand_who_never_read_give_way(world: World, server: Signpost) -> None:
    wait_until(lambda: exposition(server), "an answer", 60)
    before = memory(server, METRICS)
    with scrapers(world, server, 2000) as connected:
        assert connected == 2000
        mail(world, server)
        assert wait_until(lambda: exposition(server), "an answer", 30)
        assert memory(server, METRICS) - before < 2 * _MOST_GROWTH


def test_scrapes_go_on_while_smtpd_starts_anew(world: World, server: Signpost) -> None:
    since = value(server, 'signpost_filter_start_timestamp_seconds{filter="inbound"}')
    server.exec("touch", "/run/signpost/smtpd.restart")
    wait_until(
        lambda: value(server, 'signpost_filter_start_timestamp_seconds{filter="inbound"}') > since,
        "a new filter's numbers",
        30,
    )
    mail(world, server, 5)
    wait_until(
        lambda: value(server, 'signpost_filter_seconds_count{filter="inbound"}') > 0, "its mail"
    )
