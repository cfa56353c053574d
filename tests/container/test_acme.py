"""SSL_TYPE=acme against pebble: issue, renewal, failures, and restarts in between."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from .conftest import STANDARD
from .harness.certificates import PORTS, shown
from .harness.shell import wait_until
from .harness.signpost import Signpost
from .harness.world import World

HOST = STANDARD["MAIL_HOSTNAME"]
ISSUED = r"has issued a certificate"
SERVED = r"new certificate is served"

HOOK = """#!/bin/sh
# What a person's hook does at a DNS provider: here the test looks at the file, and is the provider.
echo "$@" >> /tmp/hook
"""


@pytest.fixture(scope="module")
def authority(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("acme") / "ca.pem"
    file.write_bytes(world.acme.authority())
    return file


def acme(world: World, authority: Path, place: int, **environment: str) -> Signpost:
    settings = {
        "SSL_TYPE": "acme",
        "ACME_SERVER": world.acme.long,
        "ACME_EMAIL": "postmaster@example.org",
        "ACME_CA_FILE": "/acme/ca.pem",
    }
    return world.signpost(
        STANDARD | settings | environment, place=place, mounts={"/acme": authority.parent}
    )


def issuers(world: World, server: Signpost) -> set[str]:
    found = [shown(world, server, port) for port in PORTS]
    return {"none" if each is None else each.issuer.rfc4514_string() for each in found}


def from_pebble(world: World, server: Signpost) -> bool:
    return all("Pebble Intermediate" in issuer for issuer in issuers(world, server))


def host(world: World, name: str, place: int) -> str:
    """A host of example.org that is found at a place."""
    v4, v6 = world.address(place)
    world.ns.publish("example.org", f"{name}.example.org. A {v4}", f"{name}.example.org. AAAA {v6}")
    return f"{name}.example.org"


@pytest.fixture(scope="module")
def issued(world: World, image: None, authority: Path) -> Iterator[Signpost]:
    name = host(world, "acme1", 121)
    with acme(world, authority, 121, MAIL_HOSTNAME=name) as signpost:
        signpost.wait_for_log(SERVED, 90)
        yield signpost


class TestIssue:
    def test_the_self_signed_one_serves_until_it_comes(self, issued: Signpost) -> None:
        log = issued.logs()
        assert log.index("signpost ready") < log.index(SERVED)

    def test_every_port_shows_it(self, world: World, issued: Signpost) -> None:
        assert from_pebble(world, issued)
        certificate = shown(world, issued, 25)
        assert certificate is not None
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        assert names.value.get_values_for_type(x509.DNSName) == ["acme1.example.org"]

    def test_nobody_listens_on_port_80_afterwards(self, world: World, issued: Signpost) -> None:
        tried = world.exec_client("bash", "-c", f": </dev/tcp/{issued.v4}/80 && echo open || true")
        assert tried == b""

    def test_account_and_keys_are_roots_alone(self, issued: Signpost) -> None:
        found = issued.files(
            "find", "/data/tls", "-name", "*priv*key*", "-type", "f", "-printf", "%m %U %p\\n"
        )
        assert "accounts" in found
        assert "archive" in found
        assert {line[:5] for line in found.splitlines()} <= {"600 0", "400 0"}
        assert issued.files("stat", "-c", "%a %u", "/data/tls/acme").split() == ["700", "0"]

    def test_the_doctor_knows_a_private_authority(self, issued: Signpost) -> None:
        found = json.loads(issued.attempt("signpost", "doctor", "--json").stdout)
        (certificate,) = [each for each in found if each["check"] == "certificate"]
        assert certificate["status"] == "warn"
        assert certificate["detail"].startswith(
            'ports 25, 465, 587, 993: issued by "Pebble Root CA'
        )
        assert "leave ACME_SERVER out" in certificate["cure"]

    def test_a_restart_serves_it_at_once_and_asks_for_no_other(
        self, world: World, issued: Signpost
    ) -> None:
        count, looked = world.acme.issued(), r"; the next one is asked for on "
        issued.restart()
        assert from_pebble(world, issued)
        issued.start()  # another container with the same volumes
        assert from_pebble(world, issued)
        issued.wait_for_log(looked)
        assert world.acme.issued() == count


def test_it_is_renewed_when_a_third_of_its_life_is_left(
    world: World, image: None, authority: Path
) -> None:
    name = host(world, "acme2", 122)
    server = acme(world, authority, 122, MAIL_HOSTNAME=name, ACME_SERVER=world.acme.short)
    with server:
        server.wait_for_log(SERVED, 90)
        first = shown(world, server, 465)
        server.wait_for_log(rf"(?s){SERVED}.*the next certificate is asked for.*{SERVED}", 120)
        second = shown(world, server, 465)
        assert first is not None
        assert second is not None
        assert second.serial_number != first.serial_number
        assert from_pebble(world, server)


def test_a_challenge_that_fails_is_told_and_tried_again(
    world: World, image: None, authority: Path
) -> None:
    world.ns.publish("example.org", f"acme3.example.org. A {world.address(99)[0]}")
    with acme(world, authority, 123, MAIL_HOSTNAME="acme3.example.org") as server:
        told = server.wait_for_log(r"error .*no certificate from (.*); next try (.*)$", 90)
        assert "connection: " in told[1]
        assert issuers(world, server) == {"CN=acme3.example.org"}  # its own
        kept = json.loads(server.files("sh", "-c", "cat /data/tls/acme/*/attempts.json"))
        assert [each["outcome"] for each in kept] == ["failed"]


def test_a_server_that_is_down_is_told_and_a_restart_tries_again(
    world: World, image: None, authority: Path
) -> None:
    name = host(world, "acme4", 124)
    with world.acme.down():
        server = acme(world, authority, 124, MAIL_HOSTNAME=name)
        try:
            server.start()
            server.wait_for_log(r"error .*no certificate from https://acme.test.*next try", 120)
        except BaseException:
            server.remove()
            raise
    try:
        server.restart()
        server.wait_for_log(SERVED, 90)
        assert from_pebble(world, server)
    finally:
        server.remove()


def test_a_restart_in_the_middle_of_an_order_loses_nothing(
    world: World, image: None, authority: Path
) -> None:
    name = host(world, "acme5", 125)
    server = acme(world, authority, 125, MAIL_HOSTNAME=name)
    try:
        server.launch()
        server.wait_for_log("a certificate is asked for", 60)
        server.restart()
        # The first order or the second: nobody knows how far the first one was.
        wait_until(lambda: from_pebble(world, server), "pebble's certificate on every port", 180)
    finally:
        server.remove()


def test_by_dns_with_a_hook(world: World, image: None, authority: Path) -> None:
    """The host is found nowhere: only the record proves it."""
    hook = authority.parent / "hook"
    hook.write_text(HOOK)
    hook.chmod(0o755)
    name = "acme6.example.org"
    with acme(world, authority, 126, MAIL_HOSTNAME=name, ACME_DNS_HOOK="/acme/hook") as server:

        def called(step: str) -> re.Match[str] | None:
            said = server.attempt("cat", "/tmp/hook").stdout.decode()
            return re.search(rf"(?m)^{step} (\S+) (\S+)$", said)

        present = wait_until(lambda: called("present"), "the hook to be called", 180)
        assert present is not None
        assert present[1] == f"_acme-challenge.{name}."
        # certbot would let the server look now; it waits for the name servers.
        assert not re.search(ISSUED, server.logs())
        world.ns.publish("example.org", f'{present[1]} 1 IN TXT "{present[2]}"')
        server.wait_for_log(SERVED, 90)
        assert called("cleanup")
        assert from_pebble(world, server)
