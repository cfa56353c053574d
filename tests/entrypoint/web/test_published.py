"""Settings → the records that lead to the web service, and the names its certificate is to have."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from entrypoint.config.settings import Settings
from entrypoint.dns_records import records
from entrypoint.tls.self_signed import self_signed
from entrypoint.web.mta_sts import policy
from entrypoint.web.published import names, site_of
from entrypoint.web.readiness import readiness
from entrypoint.web.site import Site

from ..certificates import Authority
from .sites import configured

SOON = datetime.now(UTC) + timedelta(days=1)
ORG, NET = "example.org", "example.net"


def shown(settings: Settings, passing: tuple[str, ...] = ()) -> list[str]:
    """The zone lines of example.org that a server without a web service has not."""
    plain = records(configured(), [])[ORG]
    found = records(settings, [], passing=passing)[ORG]
    return [record.zone_line() for record in found if record not in plain]


def test_by_default_there_is_no_such_record() -> None:
    assert shown(configured(), (ORG, NET)) == []


def test_the_records_of_client_set_up() -> None:
    assert shown(configured(ENABLE_AUTOCONFIG="yes")) == [
        "autoconfig.example.org. IN CNAME mail.example.org.",
        "autodiscover.example.org. IN CNAME mail.example.org.",
        "_autodiscover._tcp.example.org. IN SRV 0 1 443 mail.example.org.",
    ]


def test_a_host_is_no_alias_of_itself() -> None:
    found = shown(configured(ENABLE_AUTOCONFIG="yes", MAIL_HOSTNAME="autoconfig.example.org"))
    assert not [line for line in found if line.startswith("autoconfig.") and "CNAME" in line]


def test_mta_sts_counts_only_where_the_certificate_passes() -> None:
    settings = configured(MTA_STS="enforce")
    place = "mta-sts.example.org. IN CNAME mail.example.org."
    assert shown(settings, (NET,)) == [place]
    identity = hashlib.sha256(policy("enforce", "mail.example.org").encode()).hexdigest()[:32]
    assert shown(settings, (ORG,)) == [
        place,
        f'_mta-sts.example.org. IN TXT "v=STSv1; id={identity}"',
        '_smtp._tls.example.org. IN TXT "v=TLSRPTv1; rua=mailto:postmaster@example.org"',
    ]


def test_another_policy_has_another_id() -> None:
    found = {
        line
        for mode in ("testing", "enforce", "withdraw")
        for line in shown(configured(MTA_STS=mode), (ORG,))
        if line.startswith("_mta-sts")
    }
    assert len(found) == 3
    # RFC 8461 §3.1: 1 to 32 letters and digits.
    assert all(re.search(r'id=[a-zA-Z0-9]{1,32}"$', line) for line in found)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ()),
        ({"MTA_STS": "testing"}, ("mta-sts.example.org", "mta-sts.example.net")),
        (
            {"ENABLE_AUTOCONFIG": "yes", "MAIL_HOSTNAME": "autoconfig.example.net"},
            ("autoconfig.example.org", "autodiscover.example.org", "autodiscover.example.net"),
        ),
    ],
)
def test_the_names_of_the_certificate(variables: dict[str, str], expected: tuple[str, ...]) -> None:
    assert names(configured(**variables)) == expected


def test_the_file_of_the_site_says_what_the_settings_say() -> None:
    made = site_of(configured(ENABLE_AUTOCONFIG="yes", MTA_STS="testing"))
    assert Site.from_json(made.to_json()) == made
    assert not site_of(configured(MTA_STS="testing")).services
    for broken in ("", "[]", "{}", made.to_json().replace('"number"', '"other"')):
        with pytest.raises(ValueError):
            Site.from_json(broken)


# -- would a sender be content with the certificate? ----------------------------------------


def served(tmp_path: Path, certificate: bytes, key: bytes) -> None:
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls/cert.pem").write_bytes(certificate)
    (tmp_path / "tls/key.pem").write_bytes(key)


MX = "mail.example.org"
STS = ("mta-sts.example.org", "mta-sts.example.net")


@pytest.mark.parametrize(
    ("host", "more", "org", "net"),
    [
        (MX, STS, None, None),
        (MX, STS[:1], None, "mta-sts.example.net: Hostname mismatch"),
        (MX, ("*.example.org",), None, "mta-sts.example.net: Hostname mismatch"),
        (MX, (), "mta-sts.example.org: Hostname mismatch", "mta-sts.example.net: Hostname"),
        ("other.example.org", STS, f"{MX}: Hostname mismatch", f"{MX}: Hostname mismatch"),
    ],
)
def test_the_certificate_has_to_cover_the_mx_and_each_policy_host(
    tmp_path: Path, host: str, more: tuple[str, ...], org: str | None, net: str | None
) -> None:
    authority = Authority.make(tmp_path)
    served(tmp_path, *authority.pair(host, SOON, more=more))
    trust = authority.trust()
    trust.check_hostname = True
    found = readiness(configured(MTA_STS="testing"), tmp_path, trust)
    for domain, expected in ((ORG, org), (NET, net)):
        assert (found[domain] or "").startswith(expected or ""), found
        assert (found[domain] is None) == (expected is None)


def test_an_expired_one_does_not_pass(tmp_path: Path) -> None:
    authority = Authority.make(tmp_path)
    past = datetime.now(UTC) - timedelta(minutes=1)
    served(tmp_path, *authority.pair(MX, past, more=STS))
    found = readiness(configured(MTA_STS="testing"), tmp_path, authority.trust())
    assert found[ORG] == f"{MX}: certificate has expired"


def test_public_roots_do_not_know_ours(tmp_path: Path) -> None:
    served(tmp_path, *self_signed(MX))
    found = readiness(configured(MTA_STS="testing"), tmp_path)
    assert found == dict.fromkeys((ORG, NET), f"{MX}: self-signed certificate")


def test_nothing_passes_before_anything_is_served(tmp_path: Path) -> None:
    assert readiness(configured(), tmp_path) == {}
    found = readiness(configured(MTA_STS="enforce"), tmp_path)
    assert found == dict.fromkeys((ORG, NET), "no certificate is served yet")
