"""The records to publish: which there are, and the same bytes in each of the three forms."""

from __future__ import annotations

import dns.rdata
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from entrypoint.config import environ
from entrypoint.config.settings import HostFacts, Settings
from entrypoint.dns_records import Record, missing_addresses, records, strings
from filters.mailauth.dkim.signing_key import SigningKey

MINE = {"DOMAINS": "example.org", "ACCOUNTS": "alice@example.org:x"}
RSA = SigningKey("example.org", "mail", "rsa-sha256", rsa.generate_private_key(65537, 2048))
EDWARDS = SigningKey(
    "example.org", "mail-ed25519", "ed25519-sha256", ed25519.Ed25519PrivateKey.generate()
)


def configured(**variables: str) -> Settings:
    return environ.load(MINE | variables, host=HostFacts(ipv6=False))


def shown(settings: Settings) -> dict[str, list[str]]:
    """What is to be published, keys cut short."""
    return {
        domain: [record.value_line().partition(" p=M")[0] for record in of_domain]
        for domain, of_domain in records(settings, [RSA]).items()
    }


def test_all_records_of_a_domain_with_its_host() -> None:
    settings = configured(PUBLIC_IPV4="192.0.2.25", PUBLIC_IPV6="2001:db8::25")
    assert shown(settings) == {
        "example.org": [
            "example.org MX 10 mail.example.org",
            "example.org TXT v=spf1 mx -all",
            "mail._domainkey.example.org TXT v=DKIM1; k=rsa;",
            "_dmarc.example.org TXT v=DMARC1; p=quarantine; rua=mailto:postmaster@example.org",
            "_submissions._tcp.example.org SRV 0 1 465 mail.example.org",
            "_submission._tcp.example.org SRV 0 1 587 mail.example.org",
            "_imaps._tcp.example.org SRV 0 1 993 mail.example.org",
            "_sieve._tcp.example.org SRV 0 1 4190 mail.example.org",
            "mail.example.org A 192.0.2.25",
            "mail.example.org AAAA 2001:db8::25",
            "mail.example.org TXT v=spf1 a -all",
        ]
    }


@pytest.mark.parametrize(
    ("variables", "services"),
    [
        ({}, ["_imaps", "_sieve"]),
        ({"ENABLE_POP3": "yes"}, ["_imaps", "_pop3s", "_sieve"]),
        ({"ENABLE_IMAP": "no"}, []),
    ],
)
def test_a_service_is_published_where_it_is_served(
    variables: dict[str, str], services: list[str]
) -> None:
    (found,) = shown(configured(**variables)).values()
    names = [line.partition(".")[0] for line in found if " SRV " in line]
    assert names == ["_submissions", "_submission", *services]


def test_a_host_that_is_a_domain_has_one_spf_record() -> None:
    (found,) = shown(configured(MAIL_HOSTNAME="example.org", PUBLIC_IPV4="192.0.2.25")).values()
    assert [line for line in found if "v=spf1" in line] == ["example.org TXT v=spf1 mx -all"]
    assert "example.org A 192.0.2.25" in found


def test_a_host_below_no_domain_has_records_of_its_own() -> None:
    found = shown(configured(MAIL_HOSTNAME="mx.example.net"))
    assert found["mx.example.net"] == ["mx.example.net TXT v=spf1 a -all"]


@pytest.mark.parametrize(
    ("relay", "spf"),
    [
        ("smtp.example.net", "v=spf1 mx a:smtp.example.net ~all"),
        ("192.0.2.9", "v=spf1 mx ip4:192.0.2.9 ~all"),
        ("2001:db8::9", "v=spf1 mx ip6:2001:db8::9 ~all"),
        ("smarthost", "v=spf1 mx ~all"),
    ],
)
def test_spf_lets_the_relay_host_send_and_forbids_nobody(relay: str, spf: str) -> None:
    (found,) = shown(configured(RELAY_HOST=relay)).values()
    assert f"example.org TXT {spf}" in found


def test_what_a_key_is_for_is_said() -> None:
    listed = records(configured(), [RSA, EDWARDS], {("example.org", "mail-ed25519"): "waits"})
    purposes = {r.name: r.purpose for r in listed["example.org"] if "_domainkey" in r.name}
    assert purposes == {
        "mail._domainkey.example.org": "the key that verifies our DKIM signatures or ARC seals",
        "mail-ed25519._domainkey.example.org": "waits",
    }


def test_each_form_has_the_same_bytes() -> None:
    for record in records(configured(PUBLIC_IPV4="192.0.2.25"), [RSA, EDWARDS])["example.org"]:
        name, in_class, rdtype, value = record.zone_line().split(" ", 3)
        assert (name, in_class, rdtype) == (f"{record.name}.", "IN", record.type)
        parsed = dns.rdata.from_text("IN", rdtype, value)
        start = f"{record.name} {record.type} "
        assert record.value_line() == start + record.value
        assert record.string_line().startswith(start)
        if rdtype == "TXT":
            joined = b"".join(parsed.strings)  # type: ignore[attr-defined]
            assert joined == record.value.encode()
            assert record.string_line() == start + value
        else:
            assert parsed.to_text().replace(". ", " ").rstrip(".") == record.value
            assert record.string_line() == record.value_line()


@pytest.mark.parametrize(
    ("value", "pieces"),
    [
        ("a", ['"a"']),
        ("a" * 255, ['"' + "a" * 255 + '"']),
        ("a" * 256, ['"' + "a" * 255 + '"', '"a"']),
        ('"\\', ['"\\"\\\\"']),
        # Escapes are no octets of the value, and none is torn apart.
        ('"' * 256, ['"' + '\\"' * 255 + '"', '"\\""']),
    ],
)
def test_strings_of_at_most_255_octets(value: str, pieces: list[str]) -> None:
    assert strings(value) == pieces


def test_k_is_always_written() -> None:
    values = [
        record.value
        for record in records(configured(), [RSA, EDWARDS])["example.org"]
        if "_domainkey" in record.name
    ]
    assert [value.split("; ")[:2] for value in values] == [
        ["v=DKIM1", "k=rsa"],
        ["v=DKIM1", "k=ed25519"],
    ]


def test_an_address_has_no_dot_at_its_end() -> None:
    assert Record("a.example", "A", "192.0.2.1", "").zone_line() == "a.example. IN A 192.0.2.1"


@pytest.mark.parametrize(
    ("variables", "ipv6", "said"),
    [
        ({}, True, "its A and AAAA records are not listed"),
        ({}, False, "its A and AAAA records are not listed"),
        ({"PUBLIC_IPV6": "2001:db8::25"}, True, "no A record is listed; set PUBLIC_IPV4"),
        ({"PUBLIC_IPV4": "192.0.2.25"}, True, "no AAAA record is listed; if"),
        ({"PUBLIC_IPV4": "192.0.2.25"}, False, None),
        ({"PUBLIC_IPV4": "192.0.2.25", "PUBLIC_IPV6": "2001:db8::25"}, True, None),
    ],
)
def test_addresses_that_are_not_among_them_are_named(
    variables: dict[str, str], ipv6: bool, said: str | None
) -> None:
    settings = environ.load(MINE | variables, host=HostFacts(ipv6=ipv6))
    found = missing_addresses(settings)
    assert (found is None) == (said is None)
    assert found is None or (found.startswith("mail.example.org: ") and str(said) in found)
