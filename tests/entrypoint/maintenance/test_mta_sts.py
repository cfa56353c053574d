"""What the log says of MTA-STS as the served certificate changes: each change, once."""

from __future__ import annotations

import asyncio
import re
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from entrypoint.config.settings import Settings
from entrypoint.maintenance.mta_sts import MtaStsTicker

from ..certificates import Authority
from ..web.sites import configured

HOST, ORG, NET = "mail.example.org", "example.org", "example.net"
STS = tuple(f"mta-sts.{domain}" for domain in (ORG, NET))
NOW = datetime.now(UTC).timestamp()


class Served:
    """A folder with what is served, and a ticker whose senders trust the tests' authority."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now = folder, NOW
        self.authority = Authority.make(folder)
        (folder / "tls").mkdir()
        self.ticker = MtaStsTicker(folder, self.trust())

    def trust(self) -> ssl.SSLContext:
        context = self.authority.trust()
        context.check_hostname = True
        return context

    def serve(self, *more: str, host: str = HOST, days: float = 90) -> None:
        ends = datetime.now(UTC) + timedelta(days=days)
        pair = self.authority.pair(host, ends, more=more)
        for name, content in zip(("cert.pem", "key.pem"), pair, strict=True):
            (self.folder / "tls" / name).write_bytes(content)

    def tick(self, settings: Settings, seconds: float = 5.0) -> list[tuple[str, str]]:
        self.now += seconds
        return list(asyncio.run(self.ticker.tick(settings, self.now)))


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return Served(tmp_path)


@pytest.mark.parametrize("mode", ["testing", "enforce", "withdraw"])
def test_when_it_becomes_ready_the_records_are_told_once(served: Served, mode: str) -> None:
    settings = configured(MTA_STS=mode)
    served.serve()
    assert served.tick(settings) == []  # the start has told
    served.serve(*STS[:1])
    ((level, text),) = served.tick(settings)
    assert level == "info"
    assert re.fullmatch(
        r"example\.org: MTA-STS is ready; publish what `signpost dns example\.org` has now: "
        r'_mta-sts\.example\.org\. IN TXT "v=STSv1; id=[0-9a-f]{32}"; '
        r'_smtp\._tls\.example\.org\. IN TXT "v=TLSRPTv1; rua=mailto:postmaster@example\.org"',
        text,
    )
    assert [served.tick(settings, 300) for _ in range(9)] == [[]] * 9
    served.serve(*STS)
    ((_, text),) = served.tick(settings)
    assert text.startswith("example.net: MTA-STS is ready")


@pytest.mark.parametrize(
    ("mode", "expected", "meaning"),
    [
        ("enforce", "error", "hold back their mail"),
        ("testing", "warning", "deliver, and report it"),
        ("withdraw", "warning", "nobody hears that the policy is taken back"),
    ],
)
def test_when_it_ceases_to_be_so_the_reason_is_told_once(
    served: Served, mode: str, expected: str, meaning: str
) -> None:
    settings = configured(MTA_STS=mode)
    served.serve(*STS)
    assert served.tick(settings) == []
    served.serve(*STS[:1])
    ((level, text),) = served.tick(settings)
    assert level == expected
    assert text.endswith(meaning)
    assert text.startswith(
        "example.net: MTA-STS is no longer ready: mta-sts.example.net: Hostname mismatch"
    )
    served.serve(host="other.example.org")
    ((_, text),) = served.tick(settings)
    assert "example.org: MTA-STS is no longer ready: mail.example.org: Hostname mismatch" in text
    assert [served.tick(settings, 300) for _ in range(9)] == [[]] * 9


def test_a_certificate_that_expires_is_noticed_though_no_file_changes(served: Served) -> None:
    settings = configured(MTA_STS="testing")
    served.serve(*STS)
    assert served.tick(settings) == []
    before = {path: path.stat() for path in (served.folder / "tls").iterdir()}
    # Senders go by their own clock; here that of the context is the machine's.
    served.ticker._trust = ssl.create_default_context()
    assert served.tick(settings) == []
    assert len(served.tick(settings, 601)) == 2
    assert before == {path: path.stat() for path in (served.folder / "tls").iterdir()}


def test_a_domain_that_is_added(served: Served) -> None:
    served.serve(*STS)
    assert served.tick(configured(MTA_STS="testing", DOMAINS=ORG)) == []
    both = configured(MTA_STS="testing")
    assert [text[:40] for _, text in served.tick(both)] == [
        "example.net: MTA-STS is ready; publish w"
    ]
    accounts = "alice@example.org:x"
    third = configured(MTA_STS="testing", DOMAINS=f"{ORG}, {NET}, third.test", ACCOUNTS=accounts)
    ((level, text),) = served.tick(third)
    assert level == "warning"
    assert text.startswith("third.test: no MTA-STS record yet: mta-sts.third.test: Hostname")


def test_nothing_is_told_where_it_is_not_asked_for(served: Served) -> None:
    served.serve()
    assert served.tick(configured()) == []
    served.serve(*STS)
    assert served.tick(configured()) == []
