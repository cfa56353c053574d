"""The ticker with real files and certificates; the servers are a value that remembers."""

from __future__ import annotations

import asyncio
import errno
import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from entrypoint.config.environ import load
from entrypoint.config.settings import HostFacts, Settings
from entrypoint.log_line import LogLine
from entrypoint.tls.acme import Acme, read_attempts
from entrypoint.tls.certbot import Result
from entrypoint.tls.pair import Pair, Paths, check_fit
from entrypoint.tls.pointing_here import NamesPointingHere
from entrypoint.tls.sources import (
    acme_folder,
    chosen,
    ensure_self_signed,
    issued_paths,
    self_signed_paths,
)
from entrypoint.tls.ticker import CertificateTicker

from ..certificates import Authority

HOST = "mail.example.org"
BASE = {"DOMAINS": "example.org", "ACCOUNTS": "alice@example.org:wonderland"}
DAY = timedelta(days=1)
LATER = datetime.now(UTC) + 90 * DAY


class Servers:
    """What the servers have; they show it at once."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.served_pairs = 0

    def digest(self) -> str:
        return self.pair.digest

    async def serve(self, pair: Pair) -> None:
        self.pair = pair
        self.served_pairs += 1

    async def served(self, host: str) -> Mapping[int, str]:
        shown = check_fit(self.pair, host, datetime.now(UTC).timestamp()).fingerprint
        return {25: shown, 465: shown}

    def restarting(self) -> bool:
        return False


class Client:
    """An ACME client that ends when it is told to."""

    def __init__(self) -> None:
        self.result: Result | None = None
        self.started = 0
        self.names: Sequence[str] = ()

    def __call__(self, settings: Settings, folder: Path, names: Sequence[str]) -> Client:
        self.started += 1
        self.names = names
        self.result = None
        return self

    def poll(self) -> Result | None:
        return self.result


class Dns:
    """What DNS says of names; while it is `slow` it says nothing."""

    def __init__(self) -> None:
        self.known: dict[str, bool] = {}
        self.slow = False
        self.asked = 0

    def __call__(self, settings: Settings, names: tuple[str, ...]) -> Dns:
        self.asked += 1
        return self

    def poll(self) -> Mapping[str, bool] | None:
        return None if self.slow else dict(self.known)

    def drop(self) -> None:
        pass


def tick(ticker: CertificateTicker, settings: Settings, now: float) -> list[LogLine]:
    return asyncio.run(ticker.tick(settings, now))


def lay(paths: Paths, pair: tuple[bytes, bytes]) -> None:
    paths.certificate.parent.mkdir(parents=True, exist_ok=True)
    paths.certificate.write_bytes(pair[0])
    paths.key.write_bytes(pair[1])


def with_a_weak_issuer(authority: Authority) -> tuple[bytes, bytes]:
    """The server's own certificate is fine, and another of the chain has a short key."""
    chain, key = authority.pair(HOST, LATER)
    weak = rsa.generate_private_key(65537, 1024)
    return chain + authority.pair("issuer.test", LATER, weak)[0], key


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    (tmp_path / "ca").mkdir()
    return Authority.make(tmp_path / "ca")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data/tls").mkdir(parents=True)
    return tmp_path / "data"


def settle(now: float = 5.0) -> float:
    """A time at which files that were just written have come to rest."""
    return datetime.now(UTC).timestamp() + now


class TestManual:
    @pytest.fixture
    def paths(self, tmp_path: Path, authority: Authority) -> Paths:
        paths = Paths(tmp_path / "own/cert.pem", tmp_path / "own/key.pem")
        lay(paths, authority.pair(HOST, LATER))
        return paths

    @pytest.fixture
    def settings(self, paths: Paths) -> Settings:
        files = {"SSL_CERT_PATH": str(paths.certificate), "SSL_KEY_PATH": str(paths.key)}
        return load({**BASE, "SSL_TYPE": "manual", **files}, host=HostFacts(ipv6=False))

    def test_a_new_one_goes_live_and_is_seen_on_the_ports(
        self, data: Path, authority: Authority, paths: Paths, settings: Settings
    ) -> None:
        servers = Servers(Pair.read(paths))
        ticker = CertificateTicker(data, servers)
        assert tick(ticker, settings, settle()) == []
        lay(paths, authority.pair(HOST, LATER + DAY))
        (live, seen) = tick(ticker, settings, settle())
        assert live[1].startswith("SSL_CERT_PATH: a new certificate, valid until ")
        assert seen[1].startswith("the new certificate is served on the ports 25 and 465 ")
        assert servers.pair == Pair.read(paths)
        assert tick(ticker, settings, settle(10)) == []

    def test_what_the_disk_does_not_take_is_told_once_until_it_does(
        self,
        data: Path,
        authority: Authority,
        paths: Paths,
        settings: Settings,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        servers = Servers(Pair.read(paths))
        ticker = CertificateTicker(data, servers)

        async def full(self: Servers, pair: Pair) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/run/signpost")

        for ends in (LATER + DAY, LATER + 2 * DAY):
            lay(paths, authority.pair(HOST, ends))
            with monkeypatch.context() as patch:
                patch.setattr(Servers, "serve", full)
                ((level, _),) = tick(ticker, settings, settle())
                assert level == "error"
                assert tick(ticker, settings, settle()) == []
            assert tick(ticker, settings, settle())
        assert servers.pair == Pair.read(paths)

    def test_half_of_a_new_one_does_nothing_until_the_other_half_comes(
        self, data: Path, authority: Authority, paths: Paths, settings: Settings
    ) -> None:
        servers = Servers(Pair.read(paths))
        ticker = CertificateTicker(data, servers)
        chain, key = authority.pair(HOST, LATER + DAY)
        paths.key.write_bytes(key)
        assert tick(ticker, settings, settle()) == []
        paths.certificate.write_bytes(chain)
        assert tick(ticker, settings, settle(7))
        assert servers.served_pairs == 1

    @pytest.mark.parametrize(
        ("pair", "said"),
        [
            (lambda a: a.pair("other.test", LATER), "SSL_CERT_PATH: .*does not cover"),
            (lambda a: a.pair(HOST, LATER - 200 * DAY), "SSL_CERT_PATH: .*expired on"),
            (lambda a: (a.pair(HOST, LATER)[0], a.pair(HOST, LATER)[1]), "SSL_KEY_PATH: .*match"),
            (lambda a: (b"", a.pair(HOST, LATER)[1]), "SSL_CERT_PATH: .*no PEM certificate"),
            (lambda a: (a.pair(HOST, LATER)[0], b"x"), "SSL_KEY_PATH: .*no PEM private key"),
            (
                lambda a: a.pair(HOST, LATER, ed25519.Ed25519PrivateKey.generate()),
                "SSL_CERT_PATH: .*smtpd cannot serve a key of this kind",
            ),
            (
                lambda a: a.pair(HOST, LATER, rsa.generate_private_key(65537, 1024)),
                "SSL_CERT_PATH: .*an RSA key of 1024 bits is too short",
            ),
            (with_a_weak_issuer, "SSL_CERT_PATH: .*OpenSSL does not take it"),
        ],
    )
    def test_a_broken_one_is_refused_and_the_old_one_stays(
        self,
        data: Path,
        authority: Authority,
        paths: Paths,
        settings: Settings,
        pair: object,
        said: str,
    ) -> None:
        servers = Servers(Pair.read(paths))
        ticker = CertificateTicker(data, servers)
        assert callable(pair)
        lay(paths, pair(authority))
        lines = [
            line for later in range(5, 60, 5) for line in tick(ticker, settings, settle(later))
        ]
        ((level, text),) = lines
        assert level == "error"
        assert re.search(said, text), text
        assert "the old one stays" in text
        assert servers.served_pairs == 0

    def test_files_that_are_away_are_told_once(
        self, data: Path, paths: Paths, settings: Settings
    ) -> None:
        ticker = CertificateTicker(data, Servers(Pair.read(paths)))
        paths.key.unlink()
        lines = [
            line for later in range(5, 60, 5) for line in tick(ticker, settings, settle(later))
        ]
        assert len(lines) == 1
        assert lines[0][1].startswith("SSL_KEY_PATH: ")
        assert "no such file" in lines[0][1]


class TestSelfSigned:
    def test_it_is_renewed_before_its_end_and_goes_live(self, data: Path) -> None:
        settings = load(BASE, host=HostFacts(ipv6=False))
        ensure_self_signed(settings, data)
        servers = Servers(Pair.read(self_signed_paths(data)))
        ticker = CertificateTicker(data, servers)
        assert tick(ticker, settings, settle()) == []
        before = servers.pair
        # Ten years, but 20 days.
        tick(ticker, settings, settle(3630 * 86_400))
        assert servers.pair != before


class TestAcme:
    @pytest.fixture
    def settings(self) -> Settings:
        return load({**BASE, "SSL_TYPE": "acme"}, host=HostFacts(ipv6=False))

    @pytest.fixture
    def client(self) -> Client:
        return Client()

    @pytest.fixture
    def servers(self, settings: Settings, data: Path) -> Servers:
        ensure_self_signed(settings, data)
        return Servers(Pair.read(chosen(settings, data)))

    def ticker(self, data: Path, servers: Servers, client: Client) -> CertificateTicker:
        return CertificateTicker(data, servers, Acme(data, client, lambda _: True))

    def test_from_none_to_one_that_is_served_and_renewed(
        self,
        data: Path,
        settings: Settings,
        authority: Authority,
        client: Client,
        servers: Servers,
    ) -> None:
        ticker = self.ticker(data, servers, client)
        now = settle()
        assert "is asked for at https://acme-v02.api" in tick(ticker, settings, now)[0][1]
        lay(issued_paths(settings, data), authority.pair(HOST, LATER))
        assert tick(ticker, settings, now + 5) == []  # the client may not have finished
        client.result = Result()
        said = "\n".join(text for _, text in tick(ticker, settings, now + 10))
        assert "has issued a certificate" in said
        assert "ACME: a new certificate" in said
        assert servers.pair == Pair.read(issued_paths(settings, data))
        ((_, told),) = tick(ticker, settings, now + 15)
        assert "; the next one is asked for on " in told
        for days in (1, 20, 50):
            assert tick(ticker, settings, now + days * 86_400) == []
        assert client.started == 1
        assert tick(ticker, settings, now + 62 * 86_400)
        assert client.started == 2

    def test_a_restart_with_a_valid_one_asks_for_none(
        self,
        data: Path,
        settings: Settings,
        authority: Authority,
        client: Client,
        servers: Servers,
    ) -> None:
        lay(issued_paths(settings, data), authority.pair(HOST, LATER))
        ticker = self.ticker(data, servers, client)
        tick(ticker, settings, settle())
        assert client.started == 0
        assert chosen(settings, data) == issued_paths(settings, data)

    def test_failures_are_told_with_the_next_try_and_wait_longer_each_time(
        self, data: Path, settings: Settings, client: Client, servers: Servers
    ) -> None:
        ticker = self.ticker(data, servers, client)
        now, gaps, errors = settle(), list[float](), list[str]()
        last = now
        for _ in range(4):
            while not (lines := tick(ticker, settings, now)):
                now += 5
            assert lines[0][0] == "info"
            gaps.append(now - last)
            last = now
            client.result = Result("connection: refused")
            errors += [text for level, text in tick(ticker, settings, now) if level == "error"]
        assert gaps == [0, 120, 600, 1200]
        assert len(errors) == 4
        assert "connection: refused; next try " in errors[0]

    def test_one_that_was_cut_off_by_a_restart_is_tried_again_at_once(
        self, data: Path, settings: Settings, client: Client, servers: Servers
    ) -> None:
        tick(self.ticker(data, servers, client), settings, settle())
        tick(self.ticker(data, servers, client), settings, settle())
        assert client.started == 2
        kept = read_attempts(acme_folder(settings, data))
        assert [each.outcome for each in kept] == ["begun", "begun"]

    def test_many_restarts_do_not_meet_the_limit(
        self, data: Path, settings: Settings, client: Client, servers: Servers
    ) -> None:
        for _ in range(20):
            tick(self.ticker(data, servers, client), settings, settle())
        assert client.started == 4

    def test_an_account_that_the_server_does_not_know_is_put_aside(
        self, data: Path, settings: Settings, client: Client, servers: Servers
    ) -> None:
        ticker, folder = self.ticker(data, servers, client), acme_folder(settings, data)
        tick(ticker, settings, settle())
        (folder / "accounts").mkdir()
        client.result = Result("Account x not found", stranger=True)
        tick(ticker, settings, settle())
        assert not (folder / "accounts").exists()
        assert list(folder.glob("accounts.unknown-*"))

    def test_without_a_volume_none_is_asked_for(
        self, data: Path, settings: Settings, client: Client, servers: Servers
    ) -> None:
        ticker = CertificateTicker(data, servers, Acme(data, client, lambda _: False))
        lines = [line for _ in range(3) for line in tick(ticker, settings, settle())]
        assert len(lines) == 1
        assert "is no volume" in lines[0][1]
        assert client.started == 0

    def test_a_book_that_cannot_be_read_asks_for_none(
        self, data: Path, settings: Settings, client: Client, servers: Servers
    ) -> None:
        folder = acme_folder(settings, data)
        folder.mkdir(parents=True)
        (folder / "attempts.json").write_text("[{}]")
        ticker = self.ticker(data, servers, client)
        lines = [line for _ in range(3) for line in tick(ticker, settings, settle())]
        assert len(lines) == 1
        assert "attempts.json: it cannot be read" in lines[0][1]
        assert client.started == 0

    def test_what_it_keeps_is_roots_alone(
        self, data: Path, settings: Settings, client: Client, servers: Servers
    ) -> None:
        tick(self.ticker(data, servers, client), settings, settle())
        for path in (acme_folder(settings, data), acme_folder(settings, data).parent):
            assert path.stat().st_mode & 0o777 == 0o700

    def test_another_server_is_another_folder(self, data: Path, settings: Settings) -> None:
        other = settings.model_copy(update={"acme_server": "https://acme.test:14000/dir"})
        assert acme_folder(settings, data) != acme_folder(other, data)
        assert acme_folder(other, data).parent == data / "tls/acme"


MORE = ("mta-sts.example.org", "autoconfig.example.org", "autodiscover.example.org")
STS, CONFIG, DISCOVER = MORE
MINUTE = 60


class FurtherNames:
    """A ticker with settings that ask for further names, a client, DNS, and a calendar."""

    def __init__(self, data: Path, authority: Authority, **variables: str) -> None:
        wanted = {"SSL_TYPE": "acme", "MTA_STS": "testing", "ENABLE_AUTOCONFIG": "yes"}
        self.settings = load({**BASE, **wanted, **variables}, host=HostFacts(ipv6=False))
        self.data, self.authority = data, authority
        self.client, self.dns = Client(), Dns()
        self.paths = issued_paths(self.settings, data)
        self.now = settle()
        ensure_self_signed(self.settings, data)
        self.servers = Servers(Pair.read(chosen(self.settings, data)))
        self.restart()

    def restart(self) -> None:
        acme = Acme(self.data, self.client, lambda _: True, NamesPointingHere(self.dns))
        self.ticker = CertificateTicker(self.data, self.servers, acme)

    def tick(self, seconds: float = 2.0) -> str:
        self.now += seconds
        return "\n".join(
            f"{level}: {text}" for level, text in tick(self.ticker, self.settings, self.now)
        )

    def hold(self, *further: str, days: int = 90) -> None:
        """Lay a certificate with further names."""
        ends = datetime.fromtimestamp(self.now, UTC) + days * DAY
        lay(self.paths, self.authority.pair(HOST, ends, more=further))

    def issue(self) -> str:
        """The client ends well."""
        self.hold(*self.client.names[1:])
        self.client.result = Result()
        return self.tick()

    def refuse(self, *blamed: str) -> str:
        self.client.result = Result("connection: no", blamed=blamed)
        return self.tick()


class TestFurtherNames:
    @pytest.fixture
    def further(self, data: Path, authority: Authority) -> FurtherNames:
        return FurtherNames(data, authority)

    def test_the_host_first_then_all_that_lead_here(self, further: FurtherNames) -> None:
        further.dns.known = {STS: True, CONFIG: True, DISCOVER: False}
        further.tick()
        assert further.client.names == (HOST,)
        assert further.dns.asked == 0  # nothing has to be known for that
        assert "has issued a certificate for mail.example.org" in further.issue()
        said = further.tick()
        assert further.client.names == (HOST, STS, CONFIG)
        assert "for mail.example.org, mta-sts.example.org and autoconfig.example.org" in said
        further.issue()
        assert further.servers.pair == Pair.read(further.paths)
        assert further.client.started == 2

    def test_one_that_begins_to_lead_here_is_asked_for_soon(self, further: FurtherNames) -> None:
        further.hold(STS)
        further.dns.known = {STS: True, CONFIG: False}
        further.tick(10)
        assert further.client.started == 0
        for _ in range(29):
            further.tick()
        assert further.dns.asked == 1
        further.dns.known[CONFIG] = True
        further.tick()
        further.tick()
        assert further.dns.asked == 2
        assert further.client.names == (HOST, STS, CONFIG)

    def test_dns_is_asked_less_often_after_an_hour_and_not_at_all_when_all_is_there(
        self, further: FurtherNames
    ) -> None:
        further.hold(STS)
        for _ in range(180):
            further.tick(60)
        assert further.dns.asked == pytest.approx(60 + 12, abs=2)
        further.hold(*MORE)
        asked = further.dns.asked
        for _ in range(60):
            further.tick(600)
        assert further.dns.asked == asked

    def test_slow_dns_holds_nothing_up(self, further: FurtherNames) -> None:
        further.hold(STS)
        further.dns.slow = True
        further.tick()
        # Another certificate that is laid there goes live meanwhile.
        further.hold(STS, CONFIG)
        further.now = settle()
        further.tick(10)
        assert further.servers.pair == Pair.read(further.paths)

    def test_what_dns_does_not_know_now_stays_in_the_certificate(
        self, further: FurtherNames
    ) -> None:
        further.hold(STS, CONFIG, days=1)
        further.dns.known = {CONFIG: False}
        further.tick(20 * 3600)
        assert further.client.names == (HOST, STS)

    def test_one_that_fails_is_told_once_and_the_renewal_goes_on_at_once(
        self, further: FurtherNames
    ) -> None:
        further.dns.known = dict.fromkeys(MORE, True)
        further.hold(*MORE, days=1)
        further.tick(20 * 3600)
        assert further.client.names == (HOST, *MORE)
        said = further.refuse(CONFIG, DISCOVER)
        assert said.startswith(
            "warning: autoconfig.example.org and autodiscover.example.org cannot be in the "
            "certificate yet: connection: no; next try "
        )
        further.tick()
        assert further.client.names == (HOST, STS)
        further.issue()
        assert [
            each.outcome for each in read_attempts(acme_folder(further.settings, further.data))
        ] == [
            "failed",
            "issued",
        ]

    def test_the_hosts_own_failure_is_an_error_and_waits(self, further: FurtherNames) -> None:
        further.dns.known = dict.fromkeys(MORE, True)
        further.hold(*MORE, days=1)
        further.tick(20 * 3600)
        assert further.refuse(HOST, CONFIG).startswith("error: no certificate from https://")
        further.tick()
        assert further.client.started == 1
        further.tick(2 * MINUTE)
        assert further.client.names == (HOST, STS, DISCOVER)

    def test_a_name_that_goes_on_failing_meets_no_limit(self, further: FurtherNames) -> None:
        further.dns.known = {CONFIG: True}
        further.hold()
        tries = []
        for _ in range(24 * 60):
            if f" for {HOST} and {CONFIG}" in further.tick(60):
                tries.append(further.now)
                further.refuse(CONFIG)
        assert 4 <= len(tries) <= 6
        assert read_attempts(acme_folder(further.settings, further.data))[-1].blamed == (CONFIG,)

    def test_switched_on_by_a_restart_they_are_asked_for_at_once(
        self, further: FurtherNames
    ) -> None:
        further.dns.known = dict.fromkeys(MORE, True)
        wanted, further.settings = (
            further.settings,
            load({**BASE, "SSL_TYPE": "acme"}, host=HostFacts(ipv6=False)),
        )
        further.hold()
        assert "the next one is asked for on " in further.tick()
        assert further.dns.asked == 0
        further.settings = wanted
        further.restart()
        further.tick()
        assert further.client.names == (HOST, *MORE)

    def test_more_names_than_a_certificate_has_are_told_once(
        self, data: Path, authority: Authority
    ) -> None:
        domains = [f"d{n}.example" for n in range(60)]
        accounts = "\n".join(f"alice@{domain}:wonderland" for domain in domains)
        further = FurtherNames(
            data,
            authority,
            DOMAINS=",".join(domains),
            ACCOUNTS=accounts,
            MAIL_HOSTNAME=HOST,
            MTA_STS="no",
        )
        further.dns.known = {
            f"{label}.{domain}": True
            for label in ("autoconfig", "autodiscover")
            for domain in domains
        }
        further.hold()
        said = further.tick()
        assert (
            "120 names beside MAIL_HOSTNAME point here, and a certificate has room for 99" in said
        )
        assert len(further.client.names) == 100
        assert "mail.example.org, autoconfig.d0.example" in said
        assert "and 94 more" in said
        further.issue()
        assert "120 names" not in further.tick() + further.tick()
