"""Which certificate each port shows. Knows nothing of where it comes from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ...entrypoint.certificates import Authority
from .signpost import Signpost
from .world import World

# Port → how openssl s_client asks for TLS.
_STARTTLS = {25: "smtp", 465: "", 587: "smtp", 143: "imap", 993: "", 4190: "sieve"}
PORTS = tuple(_STARTTLS)


def shown(world: World, signpost: Signpost, port: int) -> x509.Certificate | None:
    """The certificate that a port shows to a stranger; None where there is none."""
    protocol = _STARTTLS.get(port, "")
    how = f"-starttls {protocol}" if protocol else ""
    printed = world.exec_client(
        "sh", "-c", f"openssl s_client -connect {signpost.v4}:{port} {how} </dev/null 2>&1 || true"
    )
    pem = re.search(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", printed, re.DOTALL)
    return x509.load_pem_x509_certificate(pem[0]) if pem else None


def fingerprints(
    world: World, signpost: Signpost, ports: Iterable[int] = PORTS
) -> dict[int, str | None]:
    """SHA-256 of what each port shows, in hexadecimal."""
    found = {port: shown(world, signpost, port) for port in ports}
    return {port: of_certificate(each) if each else None for port, each in found.items()}


def of_certificate(certificate: x509.Certificate) -> str:
    """Its SHA-256, in hexadecimal."""
    der = certificate.public_bytes(Encoding.DER)
    return hashlib.sha256(der).hexdigest()


def of_pem(pem: bytes) -> str:
    """The same of the first certificate in PEM."""
    return of_certificate(x509.load_pem_x509_certificates(pem)[0])


def put_pair(folder: Path, authority: Authority, host: str) -> bytes:
    """A new certificate as cert.pem and its key as key.pem, as a program that renews writes them;
    the certificate.
    """
    chain, key = authority.pair(host, datetime.now(UTC) + timedelta(days=90))
    for name, content in (("key.pem", key), ("cert.pem", chain)):
        new = folder / f".{name}"
        new.write_bytes(content)
        new.rename(folder / name)
    return chain
