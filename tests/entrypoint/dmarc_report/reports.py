"""Reports for the tests of `signpost dmarc-report`.

The samples are written in the manner of the receivers that they are named after; whatever is
hostile is built in the tests.
"""

from __future__ import annotations

import base64
import io
import zipfile
from pathlib import Path

from click.testing import CliRunner, Result

from entrypoint.cli import signpost
from entrypoint.dmarc_report.feedback import AggregateReport, read_report

SAMPLES = Path(__file__).parent / "samples"
GOOGLE = (SAMPLES / "google.xml").read_bytes()
YAHOO = (SAMPLES / "yahoo.xml").read_bytes()
RFC9990 = (SAMPLES / "rfc9990.xml").read_bytes()
MAIL = (SAMPLES / "microsoft.eml").read_bytes()
PACKED = {
    "google.xml": "google.com!example.org!1767225600!1767311999.zip",
    "yahoo.xml": "yahoo.com!example.org!1767312000!1767398399.xml.gz",
    "microsoft.xml": "microsoft.eml",
}


def run(*arguments: str | Path, stdin: bytes = b"", color: bool = False) -> Result:
    words = ["dmarc-report", *map(str, arguments)]
    return CliRunner().invoke(signpost, words, input=stdin, color=color, catch_exceptions=False)


def sample(name: str) -> AggregateReport:
    return read_report((SAMPLES / name).read_bytes())


def zipped(*files: tuple[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", how) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return stream.getvalue()


def mailed(*attachments: bytes, name: str = "report.xml.gz") -> bytes:
    parts = [
        b'--b\nContent-Type: application/gzip; name="%b"\nContent-Transfer-Encoding: base64\n\n%b'
        % (name.encode(), base64.encodebytes(content))
        for content in attachments
    ]
    start = b"From: a@b.example\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
    return start + b"\n".join(parts) + b"\n--b--\n"


MBOX = b"From reports@b.example Thu Jan  1 02:03:04 2026\n"


def failure(fields: bytes = b"", header: bytes = b"", original: bytes = b"message/rfc822") -> bytes:
    """A mail in the form of RFC 6591, Appendix B."""
    standard = (
        b"Feedback-Type: auth-failure\nUser-Agent: Reporter/1.0\nVersion: 1\n"
        b"Auth-Failure: dmarc\nIdentity-Alignment: none\nSource-IP: 192.0.2.66\n"
        b"Authentication-Results: mx.example; dmarc=fail\n header.from=example.org\n"
        b"Original-Mail-From: <bounce@evil.example>\nReported-Domain: Example.ORG.\n"
        b"Arrival-Date: Thu, 1 Jan 2026 02:03:04 +0100\nDelivery-Result: reject\n"
    )
    return (
        b"From: reports@mx.example\nMIME-Version: 1.0\n"
        b"Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n"
        b"--b\nContent-Type: text/plain\n\nA message failed.\n"
        b"--b\nContent-Type: message/feedback-report\n"
        + header
        + b"\n"
        + (fields or standard)
        + b"\n--b\nContent-Type: "
        + original
        + b"\n\n"
        b"From: =?utf-8?q?B=C3=BCcher?= <info@example.org>\nSubject: Your account\n"
        b"Message-ID: <1@evil.example>\nDate: Thu, 1 Jan 2026 01:03:04 +0000\n"
        b"Content-Type: multipart/mixed; boundary=c\n\n--c\nContent-Type: text/xml\n\n"
        + YAHOO
        + b"\n--c--\n--b--\n"
    )


def changed(old: bytes, new: bytes, xml: bytes = GOOGLE) -> bytes:
    assert old in xml
    return xml.replace(old, new, 1)
