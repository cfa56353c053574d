"""Which files the variables name, each in its own way."""

from __future__ import annotations

from pathlib import Path

from entrypoint.config.environ import load
from entrypoint.config.named_files import named_files
from entrypoint.config.settings import BroughtKey, HostFacts

SETTINGS = load({}, host=HostFacts(ipv6=False))


def test_every_way_to_name_a_file_is_known() -> None:
    settings = SETTINGS.model_copy(
        update={
            "ssl_cert_path": Path("/tls/cert.pem"),
            "ssl_key_path": Path("/tls/key.pem"),
            "acme_ca_file": Path("/tls/ca.pem"),
            "dkim_keys": (
                BroughtKey(
                    domain="example.org", selector="s", type="rsa", path=Path("/run/secrets/dkim")
                ),
            ),
            "extra_filters_inbound": ("/opt/scan --fast", "'/opt/with space' x"),
            "extra_filters_submission": ("/opt/scan", "/opt/it's"),
            "acme_dns_hook": "/opt/hook example.org",
        }
    )
    environ = {
        "ACCOUNTS_FILE": " /run/secrets/accounts ",
        "RELAY_PASSWORD_FILE": "/run/secrets/accounts",
        "RELAYHOST_FILE": "/run/secrets/relay",
        "ALIASES_FILE": " ",
        "DOMAINS": "example.org",
        "OTHER_FILE": "/x",
    }
    assert named_files(environ, settings) == {
        Path("/run/secrets/accounts"): ["ACCOUNTS_FILE", "RELAY_PASSWORD_FILE"],
        Path("/run/secrets/relay"): ["RELAYHOST_FILE"],
        Path("/tls/cert.pem"): ["SSL_CERT_PATH"],
        Path("/tls/key.pem"): ["SSL_KEY_PATH"],
        Path("/tls/ca.pem"): ["ACME_CA_FILE"],
        Path("/run/secrets/dkim"): ["DKIM_KEYS"],
        Path("/opt/scan"): ["EXTRA_FILTERS_INBOUND", "EXTRA_FILTERS_SUBMISSION"],
        Path("/opt/with space"): ["EXTRA_FILTERS_INBOUND"],
        Path("/opt/it's"): ["EXTRA_FILTERS_SUBMISSION"],
        Path("/opt/hook"): ["ACME_DNS_HOOK"],
    }
    assert named_files({}, SETTINGS) == {}
