"""Samples → series: whatever a sample says, their number is bounded; and what GET answers."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from entrypoint.metrics import gauges as gauges_module
from entrypoint.metrics import observations
from entrypoint.metrics.__main__ import Exposition
from entrypoint.metrics.counters import Counters
from entrypoint.metrics.gauges import Gauges
from entrypoint.metrics.own_names import MOST_DOMAINS, OwnNames, WatchedNames
from entrypoint.web.http import HttpRequest

OWN = OwnNames.of(
    ["example.org", "example.net"],
    [("example.org", "mail"), ("example.org", "mail-ed25519"), ("example.net", "mail")],
)
Series = dict[str, float]


class Counting:
    def __init__(self, folder: Path, own: OwnNames = OWN) -> None:
        self.file, self.now = folder / "names.json", 0.0
        self.file.write_text(own.to_json())
        self.registry = CollectorRegistry()
        self.names = WatchedNames(self.file, lambda: self.now)
        self.counters = Counters(self.registry, self.names)

    def take(self, *lines: str) -> None:
        self.counters.take(line.encode("utf-8", "surrogateescape") for line in lines)

    def series(self) -> Series:
        return parsed(generate_latest(self.registry).decode())


def parsed(text: str) -> Series:
    return {
        sample.name + json.dumps(sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


@pytest.fixture
def counting(tmp_path: Path) -> Counting:
    return Counting(tmp_path)


def test_samples_are_counted(counting: Counting) -> None:
    counting.take(
        *("accepted 100", "accepted 28", "recipient example.org", "recipient far.test"),
        *("rejected dmarc permanent", "login imap fail", "signed example.org mail"),
        *("signed news.example.org mail", "unsigned example.net", "dropped 17", "connection"),
        *("junk score yes", "junk too-few-lessons no", "junk score yes", "line junk info"),
    )
    series = counting.series()
    assert series["signpost_messages_accepted_total[]"] == 2
    assert series["signpost_messages_accepted_bytes_total[]"] == 128
    assert series['signpost_recipients_accepted_total["example.org"]'] == 1
    assert series['signpost_recipients_accepted_total["other"]'] == 1
    assert series['signpost_smtp_rejected_total["dmarc", "permanent"]'] == 1
    assert series['signpost_logins_total["fail", "imap"]'] == 1
    # A subdomain's mail is signed by its nearest parent's keys.
    assert series['signpost_dkim_signatures_total["example.org", "mail"]'] == 2
    assert series['signpost_messages_unsigned_total["example.net"]'] == 1
    assert series['signpost_junk_verdicts_total["score", "yes"]'] == 2
    assert series['signpost_junk_verdicts_total["no", "too-few-lessons"]'] == 1
    assert series['signpost_log_lines_total["info", "junk"]'] == 1
    assert series["signpost_samples_dropped_total[]"] == 17
    assert series["signpost_samples_malformed_total[]"] == 0


def test_all_that_may_be_counted_is_there_from_the_beginning(counting: Counting) -> None:
    """The rate of what appears with its first event would begin with the second."""
    counting.counters.show_own()
    before = counting.series()
    counting.take("rejected loop permanent", "verified arc fail", "signed example.net mail")
    counting.take("recipient example.org", "login pop3 ok", "line web error", "block account")
    counting.take("junk blocked yes", "junk from-here no", "junk score yes")
    assert counting.series().keys() == before.keys()


def test_hostile_samples_make_no_series_without_end(counting: Counting) -> None:
    counting.counters.show_own()
    chance = random.Random(7)
    known = [name for name in counting.counters._takers if name != "dropped"]
    for number in range(20_000):
        words = [
            chance.choice(
                [
                    f"v{number}",
                    "alice@example.org",
                    f"{number}.example.org",
                    "\x1b[31m",
                    "é",
                    "",
                    "1",
                ]
            )
            for _ in range(chance.randrange(4))
        ]
        counting.take(" ".join([chance.choice(known), *words]))
    text = generate_latest(counting.registry).decode()
    assert "@" not in text
    series = parsed(text)
    assert len(series) < 350
    values = {value for name in series for value in re.findall(r'"([^"]*)"', name)}
    assert all(re.fullmatch(r"[a-z0-9.-]+", value) for value in values)
    assert not any(re.fullmatch(r"v\d+|\d+\.example\.org", value) for value in values)


@pytest.mark.parametrize(
    "line",
    [
        *("", "nonsense", "accepted", "accepted -1", "accepted 1e9", "accepted " + "9" * 400),
        *("rejected dmarc", "line smtpd info x", "dropped ²", "signed a", "connection x", "\udcff"),
    ],
)
def test_what_cannot_be_read_is_counted_as_that(counting: Counting, line: str) -> None:
    before = counting.series()
    counting.take(line)
    after = counting.series()
    assert after.pop("signpost_samples_malformed_total[]") == 1
    before.pop("signpost_samples_malformed_total[]")
    assert after == before


def test_a_domain_or_key_that_comes_while_it_runs_is_known(counting: Counting) -> None:
    counting.take("recipient new.test")
    counting.file.write_text(OwnNames.of(["new.test"], [("new.test", "next")]).to_json() + " ")
    counting.take("recipient new.test")  # it was looked at within this second
    counting.now = 1.5
    counting.take("recipient new.test", "signed new.test next")
    series = counting.series()
    assert series['signpost_recipients_accepted_total["other"]'] == 2
    assert series['signpost_recipients_accepted_total["new.test"]'] == 1
    assert series['signpost_dkim_signatures_total["new.test", "next"]'] == 1
    counting.file.write_text("{")  # half of one: those of before stay
    counting.now = 3
    counting.take("recipient new.test")
    assert counting.series()['signpost_recipients_accepted_total["new.test"]'] == 2


def test_there_are_only_so_many_domains() -> None:
    domains = [f"d{number}.test" for number in range(3 * MOST_DOMAINS)]
    own = OwnNames.of(domains, [(domain, "mail") for domain in domains])
    assert len(own.domains) == len(own.keys) == MOST_DOMAINS
    assert OwnNames.from_json(own.to_json()) == own


STATE = {
    "at": 1000.0,
    "envelopes": [["local", "pending", "5m", 2], ["bob@example.org", "x", "y", 3]],
    "oldest": {"local": 900},
    "certificate": 5000.0,
    "blocks": {"client": 4, "login": 1},
    "disks": {"data": [10, 100], "bob@example.org": [1, 2]},
}
FILTER = {
    "started": 5.0,
    "count": 3,
    "total": 0.5,
    "seconds": [[0.005, 1], [1.0, 3]],
    "dns": {"cached": 7, "asked": 5, "failed": 2, "entries": 4},
}


def observed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Series:
    """What is exposed of the files in the folder."""
    monkeypatch.setattr(
        gauges_module, "read_state", lambda: observations.read_state(folder / "state.json")
    )
    monkeypatch.setattr(
        gauges_module, "read_mailboxes", lambda: observations.read_mailboxes(folder / "boxes.json")
    )
    monkeypatch.setattr(gauges_module, "FILTERS", {"inbound": folder / "inbound.json"})
    names = folder / "names.json"
    names.write_text(OWN.to_json())
    registry = CollectorRegistry()
    registry.register(Gauges(WatchedNames(names), lambda: 1000.0))
    text = generate_latest(registry).decode()
    assert "@" not in text
    return parsed(text)


def test_what_was_looked_at_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "state.json").write_text(json.dumps(STATE))
    boxes = {"at": 3.0, "domains": {"example.org": [2, 30, 400], "bob@x.test": [1, 1, 1]}}
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    (tmp_path / "inbound.json").write_text(json.dumps(FILTER))
    series = observed(tmp_path, monkeypatch)
    assert series['signpost_queue_envelopes["5m", "local", "pending"]'] == 2
    assert series['signpost_queue_envelopes["other", "other", "other"]'] == 3
    assert series['signpost_queue_oldest_age_seconds["local"]'] == 100
    assert series['signpost_queue_oldest_age_seconds["relay"]'] == 0
    assert series["signpost_certificate_not_after_timestamp_seconds[]"] == 5000
    assert series['signpost_login_blocks_active["client"]'] == 4
    assert series['signpost_disk_free_bytes["data"]'] == 10
    assert series['signpost_mailbox_bytes["example.org"]'] == 400
    assert series['signpost_mailbox_bytes["other"]'] == 1
    assert series['signpost_filter_seconds_bucket["0.005", "inbound"]'] == 1
    assert series['signpost_filter_seconds_bucket["+Inf", "inbound"]'] == 3
    assert series['signpost_dns_questions_total["inbound", "server"]'] == 3
    assert series['signpost_dns_questions_total["inbound", "none"]'] == 2


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"at": "x"}', json.dumps(STATE | {"oldest": 1}), "[" * 9999]
)
def test_a_file_that_is_none_hides_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    for name in ("state.json", "boxes.json"):
        (tmp_path / name).write_text(content)
    (tmp_path / "inbound.json").write_text(json.dumps(FILTER))
    series = observed(tmp_path, monkeypatch)
    assert not any(name.startswith("signpost_queue") for name in series)
    assert series['signpost_filter_seconds_count["inbound"]'] == 3


def test_smtpd_that_does_not_say_what_waits_has_no_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 would be a lie."""
    silent = STATE | {"envelopes": None, "oldest": {}, "certificate": None, "blocks": None}
    (tmp_path / "state.json").write_text(json.dumps(silent))
    series = observed(tmp_path, monkeypatch)
    assert 'signpost_disk_free_bytes["data"]' in series
    assert not [name for name in series if "queue_" in name or "certificate" in name]


def test_only_its_path_is_answered_and_many_scrapes_cost_one(counting: Counting) -> None:
    now = 0.0
    exposition = Exposition(counting.registry, lambda: now)

    def get(path: str, method: str = "GET") -> tuple[int, bytes]:
        response = exposition.respond(HttpRequest(method, "a", path))
        return response.status, response.content

    status, first = get("/metrics")
    assert status == 200
    counting.take("connection")
    assert get("/metrics") == (200, first)
    now = 1.5
    assert get("/metrics")[1] != first
    assert get("/")[0] == 404
    assert get("/metrics/../etc/passwd")[0] == 404
    assert get("/metrics", "POST")[0] == 405
