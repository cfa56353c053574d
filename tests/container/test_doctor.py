"""`signpost doctor` in a real container: from no record at all to all green, and on its own."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from typing import Any

import pytest

from .harness.signpost import Signpost
from .harness.world import World

HOST = "mail.doctor.test"
CONFIGURED = {
    "DOMAINS": "doctor.test",
    "ACCOUNTS": "alice@doctor.test:alice-has-a-secret",
    "DOCTOR_PROBE_DOMAIN": "far.test",
    "DOCTOR_EVERY": "5m",
}


@pytest.fixture(scope="module")
def doctored(world: World, image: None) -> Iterator[Signpost]:
    # Docker's own resolver makes up names for its addresses; nsd is asked directly.
    server = {"DNS_SERVERS": world.address(53)[0]}
    with world.signpost({**CONFIGURED, **server}, place=110) as signpost:
        yield signpost


def examine(signpost: Signpost) -> tuple[int, list[dict[str, Any]]]:
    """Exit status and findings."""
    done = signpost.attempt("signpost", "doctor", "--json")
    return done.returncode, json.loads(done.stdout)


def failing(findings: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
    return [(each["check"], each["domain"]) for each in findings if each["status"] == "fail"]


def reverse(address: str) -> str:
    return ipaddress.ip_address(address).reverse_pointer


def publish(world: World, signpost: Signpost) -> None:
    """Everything that `signpost dns` prints, as it prints it, and what only a provider can do."""
    printed = signpost.exec("signpost", "dns", "doctor.test").splitlines()
    records = [line for line in printed if " IN " in line and not line.startswith(";")]
    if not any(line.startswith(f"{HOST}. IN A ") for line in records):
        records += [f"{HOST}. IN A {signpost.v4}", f"{HOST}. IN AAAA {signpost.v6}"]
    world.ns.publish("doctor.test", *records)
    world.ns.publish("10.in-addr.arpa", f"{reverse(signpost.v4)}. IN PTR {HOST}.")
    world.ns.publish("d.f.ip6.arpa", f"{reverse(signpost.v6)}. IN PTR {HOST}.")


def test_from_no_record_to_all_green(world: World, doctored: Signpost) -> None:
    status, findings = examine(doctored)
    assert status == 2
    of_domain = {(check, "doctor.test") for check in ("mx", "dkim", "dmarc")}
    assert set(failing(findings)) == {*of_domain, ("address", None)}
    # Without an address there is nothing that these could be asked about.
    skipped = {each["check"] for each in findings if each["status"] == "skipped"}
    assert {"spf", "ptr", "reach", "open-relay"} <= skipped

    publish(world, doctored)
    status, findings = examine(doctored)
    assert failing(findings) == [], findings
    warnings = [(each["check"], each["detail"]) for each in findings if each["status"] == "warn"]
    # What must be one here: the network of the tests is nobody's, and nobody signed.
    assert [check for check, _ in warnings] == ["address"] * 2 + ["certificate"], warnings
    assert all("cannot be reached from the internet" in said for _, said in warnings[:2])
    # All ports show the same certificate, so it is said once.
    assert warnings[2][1].startswith("ports 25, 465, 587, 993: self-signed, valid until ")
    assert status == 1
    skipped = [each["check"] for each in findings if each["status"] == "skipped"]
    assert skipped == ["clients"]  # nobody has written yet


def test_each_check_has_been_made(doctored: Signpost) -> None:
    _, findings = examine(doctored)
    of_domain = {each["check"] for each in findings if each["domain"] == "doctor.test"}
    assert of_domain == {"mx", "spf", "spf-lookups", "dkim", "dmarc", "alignment"}
    of_host = {each["check"] for each in findings if each["domain"] is None}
    assert of_host == {
        *("address", "ptr", "spf", "spf-lookups", "alignment", "port", "reach", "certificate"),
        *("open-relay", "outbound", "clients", "clock", "disk", "queue"),
    }
    said = {each["check"]: each["detail"] for each in findings}
    assert said["open-relay"].endswith("mail from strangers to foreign domains is refused")
    assert said["outbound"].startswith("the MX of far.test")
    assert said["queue"] == "the queue is empty"


def test_nothing_was_sent(world: World, doctored: Signpost) -> None:
    examine(doctored)
    assert "smtp message" not in doctored.logs()
    assert world.outside.received("relay-test@example.com") == []


def test_the_table_is_plain_where_no_terminal_is(doctored: Signpost) -> None:
    done = doctored.attempt("signpost", "doctor")
    assert b"\x1b" not in done.stdout
    assert done.stderr == b""
    lines = done.stdout.decode().splitlines()
    assert lines[0] == "doctor.test"
    assert f"{HOST} (this server)" in lines
    assert lines[-1].endswith(" ok, 1 skipped, 3 warnings, 0 failures")


def test_it_looks_by_itself_and_logs_what_is_not_well(doctored: Signpost) -> None:
    # Its first look may have been before or after the records were there.
    doctored.wait_for_log(r"doctor: \d+ of \d+ checks are ok, \d+ skipped$", timeout=90)
    assert "warning doctor: certificate: ports 25, 465, 587, 993: self-signed" in doctored.logs()


def test_it_keeps_no_secret_for_that(doctored: Signpost) -> None:
    kept = doctored.exec("cat", "/run/signpost/settings.json")
    assert "alice-has-a-secret" not in kept
    assert "$" not in kept
