"""Is the certificate that is served good for a stranger, and how long yet?

One finding a certificate, whichever ports show it. It must not know sockets: it judges what
entrypoint.probe.look has seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509

from entrypoint.config.certificate import check_dates, check_name
from entrypoint.config.problems import BrokenRuleError
from entrypoint.doctor.chain import ChainVerdict, IssuedBy, judge_chain, left
from entrypoint.doctor.finding import Finding, skipped
from entrypoint.doctor.ports import ports_of
from entrypoint.probe.look import Look

_SOON = timedelta(days=15)


def judge_certificates(
    here: Sequence[Look], public: Sequence[Look], host: str, now: datetime, source: IssuedBy
) -> list[Finding]:
    """here: every port as seen from inside. public: at our addresses. now: a time with a zone."""
    seen = [each for each in (*here, *public) if not each.error and _has_tls(each)]
    if not seen:
        return [skipped("certificate", None, "no port answers")]
    found: dict[tuple[object, ...], list[Look]] = {}
    for each in seen:
        found.setdefault((each.chain, each.tls_error, each.distrust), []).append(each)
    return [
        _finding(looks, here, _trouble(looks[0], host, now, source)) for looks in found.values()
    ]


def has_name(certificate: bytes, name: str) -> bool:
    """Does a certificate, DER, have a name? One that cannot be read has none."""
    try:
        check_name(x509.load_der_x509_certificate(certificate), name)
    except (BrokenRuleError, ValueError):
        return False
    return True


def _has_tls(seen: Look) -> bool:
    """Is a certificate to be expected there?"""
    return seen.port.protocol != "http" or seen.port.implicit_tls


def _finding(looks: Sequence[Look], here: Sequence[Look], trouble: ChainVerdict) -> Finding:
    order = [each.port for each in here]
    shown = {each.port: each for each in sorted(looks, key=lambda each: order.index(each.port))}
    ports = ports_of(list(shown.values()))
    if not any(each in here for each in looks):
        addresses = dict.fromkeys(each.address for each in looks)
        ports = f"{', '.join(addresses)} {ports}"
    return Finding(
        "certificate", None, trouble.status, f"{ports}: {trouble.detail}", trouble.cure, ports
    )


def _trouble(seen: Look, host: str, now: datetime, source: IssuedBy) -> ChainVerdict:
    """What there is to say of a certificate, "ok" included."""
    if not seen.chain:
        return ChainVerdict(
            "fail", f"no TLS: {seen.tls_error}", "the container's log says why; restart it"
        )
    try:
        sent = [x509.load_der_x509_certificate(each) for each in seen.chain]
        check_dates(sent[0], now)
        check_name(sent[0], host)
    except BrokenRuleError as error:
        return ChainVerdict("fail", error.rule, error.cure)
    except ValueError:
        return ChainVerdict("fail", "a certificate that cannot be read", "make a new one")
    if seen.distrust:
        return judge_chain(sent, seen.distrust_code, seen.distrust, now, source)
    if sent[0].not_valid_after_utc - now < _SOON:
        cure = "renew it: the server takes up the new one by itself"
        return ChainVerdict("warn", left(sent[0], now), cure)
    return ChainVerdict("ok", f"it is for {host}, {left(sent[0], now)}", "")
