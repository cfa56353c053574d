"""SSL_TYPE=acme with a web service: one certificate for every name that leads here, and MTA-STS.

certbot answers on port 80 through the web service; the names are those of client set-up and of the
MTA-STS policy. pebble's root is laid where Debian has the authorities that a machine trusts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from .harness.certificates import PORTS, shown
from .harness.shell import wait_until
from .harness.signpost import Signpost
from .harness.world import World

SERVED = r"new certificate is served"
READY = r"info maintenance: (\S+): MTA-STS is ready; publish what `signpost dns \S+` has now: (.*)$"


@pytest.fixture(scope="module")
def folder(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is mounted: the authority of the ACME server itself."""
    folder = tmp_path_factory.mktemp("acme")
    (folder / "ca.pem").write_bytes(world.acme.authority())
    return folder


def web(
    world: World, folder: Path, domain: str, place: int, *records: str, **environment: str
) -> Signpost:
    """One whose host is found at a place, with further records of its domain."""
    v4, v6 = world.address(place)
    host = f"mail.{domain}"
    world.ns.publish("web.test", f"{host}. A {v4}", f"{host}. AAAA {v6}", *records)
    settings = {
        "DOMAINS": domain,
        "ACCOUNTS": f"alice@{domain}:alice-has-a-secret",
        "SSL_TYPE": "acme",
        "ACME_SERVER": world.acme.long,
        "ACME_CA_FILE": "/acme/ca.pem",
        "ENABLE_AUTOCONFIG": "yes",
        "MTA_STS": "testing",
        # Docker's own resolver makes up names for its addresses; nsd is asked directly.
        "DNS_SERVERS": world.address(53)[0],
    }
    return world.signpost(settings | environment, place=place, mounts={"/acme": folder})


def alias(name: str, domain: str) -> str:
    return f"{name}.{domain}. CNAME mail.{domain}."


def names(world: World, server: Signpost, port: int = 25) -> list[str]:
    """Those of the certificate that a port shows; none while the server starts anew."""
    certificate = shown(world, server, port)
    if certificate is None:
        return []
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return sorted(found.value.get_values_for_type(x509.DNSName))


def attempts(server: Signpost) -> list[tuple[str, list[str], list[str]]]:
    """Outcome, names and blamed ones of each."""
    book = json.loads(server.files("sh", "-c", "cat /data/tls/acme/*/attempts.json"))
    return [(each["outcome"], each["names"], each["blamed"]) for each in book]


FULL = "full.web.test"
FULL_NAMES = sorted(f"{name}.{FULL}" for name in ("mail", "mta-sts", "autoconfig", "autodiscover"))


@pytest.fixture(scope="module")
def full(world: World, image: None, folder: Path) -> Iterator[Signpost]:
    root = world.acme.root()
    (folder / "root.pem").write_bytes(root)
    hashed = world.exec_client("openssl", "x509", "-noout", "-hash", stdin=root).decode()
    further = (alias(name, FULL) for name in ("mta-sts", "autoconfig", "autodiscover"))
    server = web(world, folder, FULL, 113, *further)
    server.mounts[f"/etc/ssl/certs/{hashed.strip()}.0"] = folder / "root.pem"
    with server:
        server.wait_for_log(READY, 120)
        server.wait_for_log(rf"(?s){SERVED}.*{SERVED}", 60)
        yield server


class TestAllNamesLeadHere:
    def test_every_port_shows_all_of_them(self, world: World, full: Signpost) -> None:
        for port in (*PORTS, 443):
            assert names(world, full, port) == FULL_NAMES
        assert [(outcome, len(asked)) for outcome, asked, _ in attempts(full)] == [
            ("issued", 1),
            ("issued", 4),
        ]

    def test_the_web_service_answered_the_challenges(self, full: Signpost) -> None:
        kept = full.files("sh", "-c", "cat /data/tls/acme/*/renewal/*.conf")
        assert "authenticator = webroot" in kept
        assert full.exec("find", "/run/signpost/acme", "-type", "f") == ""

    def test_it_is_told_once_that_mta_sts_is_ready(self, full: Signpost) -> None:
        ((domain, told),) = re.findall(READY, full.logs(), re.M)
        assert domain == FULL
        printed = full.exec("signpost", "dns", FULL)
        for record in told.split("; ", 1)[0], told[told.index("_smtp") :]:
            assert re.search(rf"^{re.escape(record)}", printed, re.M)
        assert "v=STSv1; id=" in told
        # While only the host had its certificate the start had said why not.
        assert f"warning signpost: {FULL}: no MTA-STS record yet: mail.{FULL}: " in full.logs()

    def test_a_sender_gets_the_policy(self, world: World, full: Signpost) -> None:
        world.exec_client("sh", "-c", "cat > /tmp/pebble.pem", stdin=world.acme.root())
        url = f"https://mta-sts.{FULL}/.well-known/mta-sts.txt"
        body = world.exec_client(
            *("curl", "--silent", "--show-error", "--fail", "--max-time", "20"),
            *("--cacert", "/tmp/pebble.pem", url),
        )
        assert body.splitlines()[:3] == [
            b"version: STSv1",
            b"mode: testing",
            f"mx: mail.{FULL}".encode(),
        ]

    def test_the_doctor_finds_all_of_it_well(self, world: World, full: Signpost) -> None:
        printed = full.exec("signpost", "dns", FULL).splitlines()
        waiting = [line for line in printed if line.startswith(("_mta-sts.", "_smtp._tls."))]
        assert len(waiting) == 2
        world.ns.publish("web.test", f"{FULL}. MX 10 mail.{FULL}.", *waiting)
        found = json.loads(full.attempt("signpost", "doctor", "--json").stdout)
        checks = ("autoconfig", "mta-sts", "mta-sts-policy", "tls-rpt", "certificate")
        of_face = [each for each in found if each["check"] in checks]
        assert {each["check"] for each in of_face} == set(checks)
        assert [each for each in of_face if each["status"] != "ok"] == []
        said = [each["detail"] for each in found]
        assert f"{full.v4} answers on ports 80, 443" in said
        assert f"{full.v6} answers on ports 80, 443" in said
        assert f"autoconfig.{FULL}: it points here, and the certificate covers it" in said
        assert f"senders get it: mode testing, mx mail.{FULL}" in said

    def test_health_looks_at_both_ports(self, full: Signpost) -> None:
        assert full.exec("signpost", "health").endswith("; 80 and 443 answer\n")
        web = full.exec("id", "-u", "web").strip()
        listed = full.processes("ps", "-eo", "pid,uid,args").decode()
        (pid,) = re.findall(rf"(\d+) +{web} .*entrypoint\.web", listed)
        # It stands still, as if it hung; supervisor does not see that.
        full.processes("kill", "-STOP", pid)
        try:
            told = full.attempt("signpost", "health")
        finally:
            full.processes("kill", "-CONT", pid)
        assert told.returncode == 1
        assert told.stdout == b"unhealthy: web is stopped (SIGSTOP): no answer on 80 and 443\n"

    def test_a_restart_asks_for_no_other(self, world: World, full: Signpost) -> None:
        count = world.acme.issued()
        full.restart()
        full.wait_for_log(r"(?s)signpost ready.* signpost: signpost \d.*the next one is asked for")
        assert names(world, full) == FULL_NAMES
        assert world.acme.issued() == count


def test_a_name_that_leads_elsewhere_is_left_out_until_it_leads_here(
    world: World, image: None, folder: Path
) -> None:
    domain = "part.web.test"
    elsewhere = f"autodiscover.{domain}. A {world.address(99)[0]}"
    with web(world, folder, domain, 114, alias("autoconfig", domain), elsewhere) as server:
        server.wait_for_log(rf"(?s){SERVED}.*{SERVED}", 120)
        assert names(world, server) == [f"autoconfig.{domain}", f"mail.{domain}"]
        # The policy's host, too, which was nowhere.
        world.ns.publish("web.test", alias("mta-sts", domain))
        server.restart()  # else the next names are collected for some minutes
        wait_until(
            lambda: (
                names(world, server)
                == [f"autoconfig.{domain}", f"mail.{domain}", f"mta-sts.{domain}"]
            ),
            "the new name to be in the certificate",
            90,
        )
        assert [outcome for outcome, _, _ in attempts(server)] == ["issued"] * 3


def test_a_name_whose_challenge_fails_costs_the_host_nothing(
    world: World, image: None, folder: Path
) -> None:
    """Here the name leads here; the ACME server's name server knows better."""
    domain = "fails.web.test"
    v4, v6 = world.address(115)
    world.ns2.publish(
        "web.test",
        *(f"mail.{domain}. A {v4}", f"mail.{domain}. AAAA {v6}"),
        *(alias(name, domain) for name in ("autoconfig", "mta-sts")),
    )
    server = web(
        world,
        folder,
        domain,
        115,
        alias("mta-sts", domain),
        f"autoconfig.{domain}. A {world.address(99)[0]}",
        ACME_SERVER=world.acme.short,
        DNS_SERVERS=world.address(54)[0],
    )
    with server:
        server.wait_for_log(SERVED, 90)
        told = server.wait_for_log(
            r"warning maintenance: (.*) cannot be in the certificate yet: ", 90
        )
        assert told[1] == f"autoconfig.{domain}"
        # The other one comes at once, and the renewal a minute later does not wait for it.
        server.wait_for_log(rf"(?s){SERVED}.*{SERVED}.*{SERVED}", 150)
        assert names(world, server) == [f"mail.{domain}", f"mta-sts.{domain}"]
        whole, rest = [f"mail.{domain}", f"mta-sts.{domain}"], [f"autoconfig.{domain}"]
        assert [(outcome, sorted(asked), blamed) for outcome, asked, blamed in attempts(server)][
            :4
        ] == [
            ("issued", whole[:1], []),
            ("failed", sorted([*whole, *rest]), rest),
            ("issued", whole, []),
            ("issued", whole, []),
        ]
        assert len(re.findall("cannot be in the certificate yet", server.logs())) == 1
