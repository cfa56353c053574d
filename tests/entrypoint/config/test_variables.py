"""The README's table is made from Settings, and each field of Settings is in it."""

from __future__ import annotations

from entrypoint.config.settings import Settings
from entrypoint.config.variables import VARIABLES, variable_table

# What the design promises to administrators who know other mail servers.
PROMISED = [
    "MAIL_HOSTNAME",
    "OVERRIDE_HOSTNAME",
    "DOMAINS",
    "POSTMASTER_ADDRESS",
    "ACCOUNTS",
    "ALIASES",
    "RECIPIENT_DELIMITER",
    "MESSAGE_SIZE_LIMIT",
    "DEFAULT_QUOTA",
    "ENABLE_IMAP",
    "ENABLE_POP3",
    "SSL_TYPE",
    "SSL_CERT_PATH",
    "SSL_KEY_PATH",
    "ACME_SERVER",
    "ACME_EMAIL",
    "ACME_CA_FILE",
    "ACME_DNS_HOOK",
    "ENABLE_AUTOCONFIG",
    "ENABLE_FAST_FILE_COUNT",
    "MTA_STS",
    "DKIM_SELECTOR",
    "DKIM_KEY_TYPES",
    "DKIM_KEYS",
    "DKIM_ROTATE_DAYS",
    "DKIM_REQUIRED",
    "RELAY_HOST",
    "RELAYHOST",
    "RELAY_PORT",
    "RELAY_USER",
    "RELAY_PASSWORD",
    "RELAY_TLS",
    "SEND_AS",
    "SRS_SECRET",
    "DNS_SERVERS",
    "DNS_TIMEOUT",
    "SPF",
    "DMARC_ENFORCE",
    "ARC_SEAL",
    "ARC_TRUSTED_SEALERS",
    "DNSBL",
    "GREYLIST",
    "JUNK_FILTER",
    "JUNK_DAYS",
    "MESSAGE_RATELIMIT",
    "PUBLIC_IPV4",
    "PUBLIC_IPV6",
    "DOCTOR_PROBE_DOMAIN",
    "DOCTOR_EVERY",
    "EXTRA_FILTERS_INBOUND",
    "EXTRA_FILTERS_SUBMISSION",
    "METRICS_PORT",
    "LOG_LEVEL",
    "LOG_FORMAT",
    "TRACE_DAYS",
    "ANONYMIZE_EMAILS",
    "TZ",
]


def test_the_variables_are_those_promised() -> None:
    assert sorted(name for each in VARIABLES.values() for name in each.names) == sorted(PROMISED)


def test_every_field_comes_from_a_variable_of_its_name_or_from_none_at_all() -> None:
    assert set(Settings.model_fields) - set(VARIABLES) == {"demo", "host", "loop_key", "signing"}
    assert all(field.upper() == variable.names[0] for field, variable in VARIABLES.items())


def test_the_table_has_one_whole_row_for_each() -> None:
    header, rule, *rows = variable_table().splitlines()
    assert header.count("|") == rule.count("|") == 4
    names = [*VARIABLES, "mode"]
    assert len(rows) == len(names)
    for row, name in zip(rows, names, strict=True):
        assert row.startswith(f"| `{name.upper()}`")
        assert row.count("|") == 4
        assert "None" not in row


def test_defaults_in_the_table_are_those_of_the_model() -> None:
    fields = Settings.model_fields
    for name in ("recipient_delimiter", "ssl_type", "relay_tls", "log_level"):
        assert VARIABLES[name].default == f"`{fields[name].default}`"
    assert VARIABLES["dkim_selector"].default == f"`{fields['dkim_selector'].default.general}`"
    assert VARIABLES["dkim_key_types"].default == f"`{', '.join(fields['dkim_key_types'].default)}`"
    assert VARIABLES["message_size_limit"].default == "`35M`"
    assert fields["message_size_limit"].default == 35 * 1024**2
