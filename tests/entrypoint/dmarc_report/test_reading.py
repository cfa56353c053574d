"""`signpost dmarc-report`: what it reads."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from entrypoint.dmarc_report.feedback import (
    DkimAuthResult,
    Reason,
    SpfAuthResult,
    read_report,
)
from entrypoint.dmarc_report.read import read_files

from .reports import (
    GOOGLE,
    MAIL,
    PACKED,
    RFC9990,
    SAMPLES,
    YAHOO,
    mailed,
    run,
    sample,
    zipped,
)


def test_a_google_report_is_read_whole() -> None:
    report = sample("google.xml")
    assert (report.reporter, report.report_id) == ("google.com", "1" * 19)
    assert (report.begin, report.end) == (1767225600, 1767311999)
    assert (report.policy.domain, report.policy.p, report.policy.np) == (
        *("example.org", "reject", "reject"),
    )
    good, forged, forwarded = report.records
    assert good.passes
    assert good.dkim_results == (DkimAuthResult("example.org", "mail", "pass", ""),)
    assert forged.source_ip == "2001:db8::bad"
    assert (forged.count, forged.disposition, forged.passes) == (7, "reject", False)
    assert forged.spf_results == (SpfAuthResult("spammer.example", "", "softfail", ""),)
    assert forwarded.reasons == (Reason("local_policy", "arc=pass"),)
    assert [found.domain for found in forwarded.dkim_results] == ["example.org", "list.example"]


def test_a_microsoft_report_names_the_envelope() -> None:
    (record,) = sample("microsoft.xml").records
    assert (record.envelope_from, record.envelope_to) == (
        *("bounces.example.org", "contoso.example"),
    )
    assert record.spf_results == (SpfAuthResult("bounces.example.org", "mfrom", "temperror", ""),)


def test_a_report_of_rfc_9990_has_its_namespace_and_its_new_elements() -> None:
    report = sample("rfc9990.xml")
    assert report.namespace == "urn:ietf:params:xml:ns:dmarc-2.0"
    assert report.generator == "example-reporter/2.1"
    assert report.errors == ("sp=rejct: no such policy",)
    assert (report.policy.discovery_method, report.policy.testing) == ("treewalk", "y")
    passing, failing = report.records
    assert (passing.disposition, passing.spf_results, passing.envelope_from) == ("pass", (), "")
    assert failing.reasons == (Reason("policy_test_mode", ""),)


def test_elements_of_an_extension_are_not_taken_for_ours() -> None:
    assert b"<x:record>" in RFC9990
    assert b"<x:count>-1" in RFC9990
    assert [record.count for record in sample("rfc9990.xml").records] == [123, 5]


@pytest.mark.parametrize(
    "change",
    [
        lambda xml: xml.replace(
            b"<feedback>", b'<feedback xmlns="http://dmarc.org/dmarc-xml/0.1">'
        ),
        # RFC 7489's schema leaves the elements below the root without a namespace.
        lambda xml: xml.replace(b"<feedback>", b'<d:feedback xmlns:d="urn:x">').replace(
            b"</feedback>", b"</d:feedback>"
        ),
        lambda xml: b"\xef\xbb\xbf" + xml,
        lambda xml: b"\r\n " + xml + b"\0\0\n",
        lambda xml: xml.replace(b"UTF-8", b"windows-1252"),
        lambda xml: xml.replace(b"UTF-8", b"UTF-16").decode().encode("utf-16"),
        lambda xml: xml.replace(b"<disposition>none", b"<disposition>None"),
        lambda xml: xml.replace(b"<domain>example.org<", b"<domain>Example.ORG.<"),
        lambda xml: xml.replace(b"<auth_results>", b"<auth_results><dkim/>"),
        lambda xml: xml.replace(b"<count>120<", b"<count>\n 0120 <"),
    ],
)
def test_what_receivers_do_differently_makes_no_difference(
    change: Callable[[bytes], bytes],
) -> None:
    changed = change(GOOGLE)
    assert changed != GOOGLE
    report = read_report(changed)
    assert (report.policy, report.records) == (
        sample("google.xml").policy,
        sample("google.xml").records,
    )


@pytest.mark.parametrize("plain", PACKED)
def test_packed_and_mailed_it_is_the_same_report(plain: str) -> None:
    (packed,), errors = read_files([str(SAMPLES / PACKED[plain])])
    assert errors == []
    assert packed.report == sample(plain)


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    for number, content in enumerate([YAHOO, gzip.compress(YAHOO), zipped(("a", YAHOO)), MAIL]):
        (tmp_path / f"{number}.txt").write_bytes(content)
    assert run(*sorted(tmp_path.iterdir())).exit_code == 0


@pytest.mark.parametrize(
    "mail",
    [
        pytest.param(MAIL.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(MAIL.rpartition(b"\n--_mpm")[0], id="cut before the last delimiter"),
        pytest.param(
            b"From: me@example.org\nContent-Type: message/rfc822\n\n" + MAIL, id="forwarded"
        ),
        pytest.param(mailed(gzip.compress(YAHOO)), id="name in Content-Type"),
        pytest.param(mailed(zipped(("r.xml", YAHOO)), name="r.zip"), id="zip called gzip"),
        pytest.param(
            b"Subject: x\nFrom: a@b.example\nContent-Type: text/xml\n"
            b"Content-Transfer-Encoding: quoted-printable\n\n" + YAHOO.replace(b"=", b"=3D"),
            id="the mail is the report",
        ),
    ],
)
def test_a_mail_is_read_from_standard_input(mail: bytes) -> None:
    done = run("-", "--json", stdin=mail)
    assert done.stderr == ""
    assert json.loads(done.stdout)["totals"]["reports"] == 1
