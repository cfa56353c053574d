"""METRICS_PORT: Debian's Prometheus scrapes a server with real mail, and finds all that
docs/metrics asks for; and whatever happens to the metrics, mail goes on.
"""

from __future__ import annotations

import json
import re
import signal
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from .harness.load import CLIENTS
from .harness.messages import letter
from .harness.prometheus import DOCS, Prometheus, build_prometheus
from .harness.shell import fresh, wait_until
from .harness.signpost import Signpost
from .harness.world import World

WENDY = ("wendyq@example.org", "wendy has a secret")
OSCAR = ("oscarq@example.org", "oscar has a secret")
PORT = 9154
ENVIRONMENT = {
    "MAIL_HOSTNAME": "mail.example.org",
    "DOMAINS": "example.org, example.net",
    "ACCOUNTS": "\n".join(":".join(account) for account in (WENDY, OSCAR)),
    # Nobody listens there: what leaves waits in the queue.
    "RELAY_HOST": "127.0.0.1",
    "RELAY_PORT": "2525",
    "RELAY_TLS": "no",
    "METRICS_PORT": str(PORT),
    "ANONYMIZE_EMAILS": "yes",
    "JUNK_FILTER": "yes",
}
# What stands before an @ in anything that is sent here.
WORDS = ("wendyq", "oscarq", "someoneq", "nobodyq", "friendq", "forgedq", "relayq", "tests.invalid")


def exposition(server: Signpost) -> str:
    """What a scrape gets; "" where nobody answers."""
    try:
        with urllib.request.urlopen(f"http://{server.v4}:{PORT}/metrics", timeout=5) as response:
            return str(response.read().decode())
    except OSError:
        return ""


def value(server: Signpost, series: str) -> float:
    """Of one series, as it is written; -1 where there is none."""
    found = re.search(rf"^{re.escape(series)} (\S+)$", exposition(server), re.MULTILINE)
    return float(found[1]) if found else -1.0


def process(server: Signpost, words: str) -> str:
    """The number of the process that has these words in its command line, its logpipe apart."""
    look = (
        'for each in /proc/[0-9]*; do command=$(tr "\\0" " " <$each/cmdline 2>/dev/null); '
        'case "$command" in *logpipe*|sh*) ;; *"$1"*) echo ${each#/proc/};; esac; done'
    )
    return server.exec("sh", "-c", look, "sh", words).strip()


@pytest.fixture(scope="module")
def unstarted(world: World, image: None) -> Signpost:
    return world.signpost(ENVIRONMENT, place=152)


@pytest.fixture(scope="module")
def prometheus(unstarted: Signpost) -> Iterator[Prometheus]:
    """It scrapes before there is a server."""
    build_prometheus()
    with Prometheus(unstarted.place.network, f"{unstarted.v4}:{PORT}") as prometheus:
        yield prometheus


@pytest.fixture(scope="module")
def server(world: World, unstarted: Signpost, prometheus: Prometheus) -> Iterator[Signpost]:
    """Mail of every kind has passed: accepted, refused for several reasons, signed, waiting."""
    with unstarted as server:
        wait_until(lambda: prometheus.query("signpost_info"), "a scrape")

        def send(domain: str, to: str, source: str) -> None:
            author = f"someoneq@{domain}"
            address = getattr(world, source)[0]
            message = letter(author, token=fresh("metrics"))
            world.swaks(server.v4, source=address, sender=author, to=to, message=message)

        def submit(to: str, sender: str = WENDY[0]) -> None:
            message = letter(sender, token=fresh("metrics"))
            server.submit(world.swaks, WENDY, to=to, sender=sender, message=message)

        def guess() -> None:
            words = {"login": OSCAR[0], "sources": [world.stranger[0]], "right": []}
            program = (CLIENTS / "guessing.py").read_bytes()
            command = ("python3", "-", server.v4, "15", "2", json.dumps(words))
            world.exec_client(*command, stdin=program)

        with ThreadPoolExecutor(4) as pool:
            done = [
                pool.submit(guess),
                pool.submit(send, "reject.policy.test", WENDY[0], "allowed"),
                pool.submit(send, "reject.policy.test", WENDY[0], "stranger"),
                pool.submit(send, "outside.test", "nobodyq@example.org", "client"),
                pool.submit(send, "outside.test", "relayq@elsewhere.test", "client"),
                pool.submit(submit, "friendq@far.test"),
                pool.submit(submit, OSCAR[0]),
                pool.submit(submit, "friendq@far.test", "forgedq@example.org"),
            ]
            for each in done:
                each.result()
        # Mailboxes are measured each five minutes, and when who measures begins anew.
        wait_until(lambda: len(server.read_mail(WENDY[0])) == 1, "mail for an account")
        server.wait_for_log('mta delivery .*result="TempFail"')
        server.exec("kill", "-9", process(server, "-m entrypoint.maintenance"))
        yield server


class TestExposition:
    def test_it_counts_what_happened(self, server: Signpost) -> None:
        expected = {
            'signpost_recipients_accepted_total{domain="example.org"}': 2,
            'signpost_recipients_accepted_total{domain="other"}': 1,
            'signpost_smtp_rejected_total{kind="permanent",reason="recipient"}': 1,
            'signpost_smtp_rejected_total{kind="permanent",reason="relay"}': 1,
            'signpost_smtp_rejected_total{kind="permanent",reason="sender"}': 1,
            'signpost_smtp_rejected_total{kind="permanent",reason="dmarc"}': 1,
            'signpost_messages_verified_total{method="spf",result="pass"}': 1,
            'signpost_messages_verified_total{method="dmarc",result="fail"}': 1,
            'signpost_messages_disposition_total{disposition="reject"}': 1,
            'signpost_dkim_signatures_total{domain="example.org",selector="mail-ed25519"}': 2,
            'signpost_deliveries_total{agent="local",result="ok"}': 2,
            'signpost_deliveries_total{agent="relay",result="tempfail"}': 1,
            'signpost_junk_verdicts_total{decision="too-few-lessons",junk="no"}': 1,
            'signpost_log_lines_total{level="info",program="junk"}': 1,
            'signpost_queue_envelopes{age="5m",agent="relay",state="pending"}': 1,
            'signpost_mailbox_messages{domain="example.org"}': 2,
            'signpost_mailboxes{domain="example.org"}': 2,
            'signpost_filter_seconds_count{filter="inbound"}': 2,
            'signpost_filter_seconds_count{filter="submission"}': 2,
            "signpost_samples_dropped_total": 0,
            "signpost_samples_malformed_total": 0,
        }
        for series, least in expected.items():
            wait_until(lambda s=series, n=least: value(server, s) >= n, series, 40)
        for series in (
            'signpost_logins_total{protocol="imap",result="fail"}',
            'signpost_logins_total{protocol="smtp",result="ok"}',
            'signpost_login_blocks_total{scope="login"}',
            'signpost_login_blocks_active{scope="login"}',
            'signpost_dns_questions_total{answer="server",filter="inbound"}',
            'signpost_mailbox_bytes{domain="example.org"}',
            'signpost_disk_free_bytes{volume="data"}',
            "signpost_certificate_not_after_timestamp_seconds",
        ):
            wait_until(lambda s=series: value(server, s) > 0, series, 40)

    def test_no_address_is_in_it(self, server: Signpost) -> None:
        text = exposition(server)
        assert "@" not in text
        assert not [word for word in WORDS if word in text]

    def test_only_who_should_runs_with_few_rights(self, server: Signpost) -> None:
        number = process(server, "entrypoint.metrics")
        status = server.exec("cat", f"/proc/{number}/status")
        uid = server.exec("id", "-u", "metrics").strip()
        assert re.search(rf"^Uid:\t{uid}\t{uid}\t{uid}\t{uid}$", status, re.MULTILINE)
        assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE)
        assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)
        for path in ("addresses.json", "logins.json", "dkim-keys", "dovecot/users", "srs-secret"):
            look = ("cat", f"/run/signpost/{path}")
            readable = not server.attempt(*look, user="metrics").returncode
            assert readable == (path == "addresses.json"), path


class TestPrometheus:
    def test_promtool_finds_nothing_wrong(self, server: Signpost, prometheus: Prometheus) -> None:
        checked = prometheus.promtool("check", "metrics", stdin=exposition(server).encode())
        assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
        checked = prometheus.promtool("check", "rules", "/metrics/alerts.yml")
        assert checked.returncode == 0, checked.stderr
        tested = prometheus.promtool("test", "rules", "/metrics/alerts_test.yml")
        assert tested.returncode == 0, tested.stdout + tested.stderr

    def test_every_query_of_the_dashboard_has_a_series(
        self, server: Signpost, prometheus: Prometheus
    ) -> None:
        panels = json.loads((DOCS / "dashboard.json").read_text())["panels"]
        queries = [target["expr"] for panel in panels for target in panel["targets"]]
        assert len(queries) > 25
        missing = {
            query.replace("$instance", ".*").replace("$__rate_interval", "2h") for query in queries
        }

        def look() -> bool:
            missing.difference_update([each for each in missing if prometheus.query(each)])
            return not missing

        try:
            wait_until(look, "series", 30)
        except AssertionError:
            pytest.fail(f"no series: {sorted(missing)}")

    def test_every_alert_looks_at_something_that_is_there(
        self, server: Signpost, prometheus: Prometheus
    ) -> None:
        rules = wait_until(prometheus.rules, "rules")
        text = (DOCS / "alerts_test.yml").read_text()
        for rule in rules:
            assert f"alertname: {rule['name']}" in text
            selectors = re.findall(r"(?:signpost_\w+|\bup\b)(?:\{[^}]*\})?", rule["query"])
            assert selectors
            for selector in selectors:
                wait_until(lambda s=selector: prometheus.query(s), f"{rule['name']}: {selector}")
        wait_until(
            lambda: {rule["health"] for rule in prometheus.rules()} == {"ok"}, "rules evaluated"
        )


class TestNoHarm:
    def test_one_that_is_killed_comes_back_and_mail_goes_on(
        self, world: World, server: Signpost
    ) -> None:
        number = process(server, "entrypoint.metrics")
        server.exec("kill", f"-{signal.SIGKILL}", number, user="metrics")
        token = fresh("killed")
        server.submit(world.swaks, OSCAR, to=WENDY[0], message=letter(OSCAR[0], token=token))
        server.wait_for_mail(WENDY[0], token)
        assert server.running()
        wait_until(lambda: exposition(server), "an answer", 30)

    def test_one_that_hangs_makes_nothing_unhealthy(self, world: World, server: Signpost) -> None:
        number = wait_until(lambda: process(server, "entrypoint.metrics"), "the metrics")
        server.exec("kill", f"-{signal.SIGSTOP}", number, user="metrics")
        try:
            token = fresh("stopped")
            server.submit(world.swaks, OSCAR, to=WENDY[0], message=letter(OSCAR[0], token=token))
            server.wait_for_mail(WENDY[0], token)
            assert server.exec("signpost", "health").startswith("healthy")
        finally:
            server.exec("kill", f"-{signal.SIGCONT}", number, user="metrics")
        # What happened meanwhile is not lost.
        series = 'signpost_deliveries_total{agent="local",result="ok"}'
        wait_until(lambda: value(server, series) >= 1, series)
