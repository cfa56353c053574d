"""Is the certificate that a port serves good for a stranger, and how long yet?

It must not know sockets: it judges what entrypoint.probe.look has seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509

from entrypoint.config.certificate import check_dates, check_name
from entrypoint.config.problems import BrokenRuleError
from entrypoint.doctor.finding import STATUSES, Finding, Status
from entrypoint.probe.look import Look

_SOON = timedelta(days=15)


def judge_certificate(looks: Sequence[Look], host: str, now: datetime) -> Finding:
    """The worst of what is to be said about one port, seen at several addresses.

    looks: at least one, of those that greet. now: a time with a zone.
    """
    findings = [_of_look(each, host, now) for each in looks]
    return max(findings, key=lambda finding: STATUSES.index(finding.status))


def has_name(certificate: bytes, name: str) -> bool:
    """Does a certificate, DER, have a name? One that cannot be read has none."""
    try:
        check_name(x509.load_der_x509_certificate(certificate), name)
    except (BrokenRuleError, ValueError):
        return False
    return True


def _of_look(seen: Look, host: str, now: datetime) -> Finding:
    port = str(seen.port.number)

    def finding(status: Status, detail: str, cure: str = "") -> Finding:
        return Finding("certificate", None, status, f"port {port}: {detail}", cure, port)

    if not seen.certificate:
        return finding(
            "fail", f"no TLS: {seen.tls_error}", "the container's log says why; restart it"
        )
    try:
        certificate = x509.load_der_x509_certificate(seen.certificate)
        check_dates(certificate, now)
        check_name(certificate, host)
    except BrokenRuleError as error:
        return finding("fail", error.rule, error.cure)
    except ValueError:
        return finding("fail", "a certificate that cannot be read", "make a new one")
    ends = certificate.not_valid_after_utc
    left = f"valid until {ends:%Y-%m-%d}, {(ends - now).days} days left"
    if seen.distrust and certificate.issuer == certificate.subject:
        return finding(
            "warn",
            f"self-signed, {left}: mail programs will warn",
            "set SSL_TYPE=acme, or manual with a certificate for the host's name",
        )
    if seen.distrust:
        return finding(
            "fail",
            f"it does not verify: {seen.distrust}",
            "give the full chain in SSL_CERT_PATH, the server's own certificate first",
        )
    if ends - now < _SOON:
        return finding("warn", left, "renew it: the server takes up the new one by itself")
    return finding("ok", f"it is for {host}, {left}")
