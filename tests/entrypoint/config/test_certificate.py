"""A certificate of one's own is judged before anything starts, by its messages."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from entrypoint.config.environ import ConfigurationError, load, load_to_start
from entrypoint.config.settings import HostFacts, Settings

KEY = ec.generate_private_key(ec.SECP256R1())
DAY = timedelta(days=1)
NOW = datetime.now(UTC)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A short path: an error cuts a long one."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def certificate(*names: str, begins: datetime = NOW - DAY, ends: datetime = NOW + DAY) -> bytes:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.signpost.test")])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
    builder = builder.public_key(KEY.public_key()).serial_number(1)
    builder = builder.not_valid_before(begins).not_valid_after(ends)
    if names:
        alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = builder.add_extension(alternative, critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def private(key: ec.EllipticCurvePrivateKey = KEY, password: bytes | None = None) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption(),
    )


def environment(folder: Path, cert: bytes | None, key: bytes | None) -> dict[str, str]:
    for name, content in (("cert.pem", cert), ("key.pem", key)):
        if content is not None:
            (folder / name).write_bytes(content)
    return {
        "SSL_TYPE": "manual",
        "SSL_CERT_PATH": str(folder / "cert.pem"),
        "SSL_KEY_PATH": str(folder / "key.pem"),
    }


def loaded(folder: Path, cert: bytes | None, key: bytes | None) -> Settings:
    return load_to_start(environment(folder, cert, key), host=HostFacts(ipv6=False))


def errors(folder: Path, cert: bytes | None, key: bytes | None) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        loaded(folder, cert, key)
    assert "BEGIN" not in str(caught.value)
    return [line.replace(str(folder), "") for line in caught.value.errors]


@pytest.mark.parametrize("cert", [None, b"nothing", certificate("other.example", ends=NOW - DAY)])
def test_a_server_that_runs_is_not_held_up_by_a_broken_one(
    tmp_path: Path, cert: bytes | None
) -> None:
    environ = environment(tmp_path, cert, None)
    settings = load(environ, host=HostFacts(ipv6=False))
    assert settings.ssl_cert_path == tmp_path / "cert.pem"


def test_a_start_tells_a_broken_one_with_all_other_mistakes(tmp_path: Path) -> None:
    environ = environment(tmp_path, certificate("mail.signpost.test", ends=NOW - DAY), private())
    with pytest.raises(ConfigurationError) as caught:
        load_to_start({**environ, "LOG_LEVEL": "loud"}, host=HostFacts(ipv6=False))
    assert [line.partition(":")[0] for line in caught.value.errors] == [
        "LOG_LEVEL",
        "SSL_CERT_PATH",
    ]


@pytest.mark.parametrize("name", ["mail.signpost.test", "MAIL.signpost.test", "*.signpost.test"])
def test_a_certificate_that_fits_is_taken(tmp_path: Path, name: str) -> None:
    settings = loaded(tmp_path, certificate("other.example", name), private())
    assert settings.ssl_type == "manual"
    assert settings.ssl_cert_path == tmp_path / "cert.pem"
    assert settings.ssl_key_path == tmp_path / "key.pem"


def test_the_first_certificate_of_a_chain_counts(tmp_path: Path) -> None:
    chain = certificate("mail.signpost.test") + certificate("issuer.example")
    assert loaded(tmp_path, chain, private())


@pytest.mark.parametrize("names", [(), ("other.test",), ("*.test",), ("*.mail.signpost.test",)])
def test_it_must_cover_the_host_name(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert errors(tmp_path, certificate(*names), private()) == [
        'SSL_CERT_PATH: the certificate does not cover mail.signpost.test; "/cert.pem"; get one '
        "with that name, or set MAIL_HOSTNAME to the name that it has"
    ]


def test_it_must_match_its_key(tmp_path: Path) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    assert errors(tmp_path, certificate("mail.signpost.test"), private(other)) == [
        'SSL_KEY_PATH: the certificate does not match the key; "/key.pem"; give the key that the '
        "certificate was made for, and the server's own certificate first in its file"
    ]


def test_it_must_not_have_expired(tmp_path: Path) -> None:
    old = certificate("mail.signpost.test", begins=NOW - 3 * DAY, ends=NOW - 2 * DAY)
    assert errors(tmp_path, old, private()) == [
        f'SSL_CERT_PATH: the certificate expired on {NOW - 2 * DAY:%Y-%m-%d}; "/cert.pem"; renew it'
    ]


def test_it_must_be_valid_already(tmp_path: Path) -> None:
    young = certificate("mail.signpost.test", begins=NOW + 2 * DAY, ends=NOW + 3 * DAY)
    assert errors(tmp_path, young, private()) == [
        f"SSL_CERT_PATH: the certificate is not valid before {NOW + 2 * DAY:%Y-%m-%d}; "
        '"/cert.pem"; check the clock, or wait'
    ]


def test_files_that_do_not_load_are_both_told(tmp_path: Path) -> None:
    assert errors(tmp_path, private(), certificate("mail.signpost.test")) == [
        'SSL_CERT_PATH: no PEM certificate in this file; "/cert.pem"; give the full chain, the '
        "server's own first",
        'SSL_KEY_PATH: no PEM private key in this file; "/key.pem"; give the key that the '
        "certificate was made for",
    ]


def test_files_that_are_not_there(tmp_path: Path) -> None:
    assert errors(tmp_path, None, None) == [
        'SSL_CERT_PATH: no such file; "/cert.pem"; mount it, and give its path in the container',
        'SSL_KEY_PATH: no such file; "/key.pem"; mount it, and give its path in the container',
    ]


def test_an_encrypted_key_is_told_how_to_be_opened(tmp_path: Path) -> None:
    cert = certificate("mail.signpost.test")
    assert errors(tmp_path, cert, private(password=b"wonderland")) == [
        'SSL_KEY_PATH: the key is encrypted; "/key.pem"; take its password off: openssl pkey -in '
        "KEY -out NEW"
    ]


def test_all_that_is_wrong_with_a_certificate_is_told_at_once(tmp_path: Path) -> None:
    old = certificate("other.test", begins=NOW - 3 * DAY, ends=NOW - 2 * DAY)
    other = ec.generate_private_key(ec.SECP256R1())
    assert len(errors(tmp_path, old, private(other))) == 3
