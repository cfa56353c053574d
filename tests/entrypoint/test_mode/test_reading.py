"""MODE, and the variables of a test target: what they mean, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrypoint.config.environ import load as load_production
from entrypoint.config.environ import mode
from entrypoint.config.mode import TEST_VARIABLES
from entrypoint.config.problems import ConfigurationError
from entrypoint.config.settings import HostFacts
from entrypoint.test_mode.passwords import hashed
from entrypoint.test_mode.reading import load
from entrypoint.test_mode.render import render, render_masked, target_settings
from entrypoint.test_mode.settings import VARIABLES, TestSettings, variable_table
from entrypoint.test_target.settings import read_settings
from entrypoint.tls.self_signed import self_signed

HOST = HostFacts(ipv6=True)


def settings_of(**environ: str) -> TestSettings:
    settings, warnings = load({"MODE": "test", **environ}, HOST)
    assert not warnings
    return settings


def errors_of(**environ: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load({"MODE": "test", **environ}, HOST)
    return caught.value.errors


def warnings_of(**environ: str) -> list[str]:
    return load({"MODE": "test", **environ}, HOST)[1]


class TestTheMode:
    def test_is_production_unless_it_is_test(self) -> None:
        assert mode({}) == mode({"MODE": ""}) == mode({"MODE": "Production"}) == "production"
        assert mode({"MODE": " test\n"}) == "test"

    def test_another_value_is_a_mistake(self) -> None:
        with pytest.raises(ConfigurationError) as caught:
            mode({"MODE": "tset"})
        assert caught.value.errors == ['MODE: unknown value; "tset"; use production or test']

    @pytest.mark.parametrize(
        "name", ["TEST_ACCEPT", "TEST_ZONE_FILE", "TEST_UI_AUTH_FILE", "MP_UI_AUTH", "MP_SMTP_AUTH"]
    )
    def test_the_variables_of_a_target_are_a_mistake_without_it(self, name: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            load_production({name: "any"}, host=HOST)
        assert caught.value.errors == [
            f"{name}: a variable of the test target, without MODE=test; set MODE=test, or unset it"
        ]

    def test_what_is_for_mail_servers_says_that_this_is_none(self) -> None:
        with pytest.raises(ConfigurationError) as caught:
            load_production({"MODE": "test"}, host=HOST)
        assert caught.value.errors[0].startswith("MODE: this is a test target, which knows start")

    def test_its_variables_are_known_in_production_by_name(self) -> None:
        own = {
            name
            for variable in VARIABLES.values()
            for name in variable.names
            if name.startswith("TEST_")
        }
        assert own == set(TEST_VARIABLES)


class TestDefaults:
    def test_nothing_but_the_mode_is_needed(self) -> None:
        settings = settings_of()
        assert settings.mail_hostname == "mail.test"
        assert settings.accept == "any"
        assert settings.right_logins == ()
        assert settings.dmarc_enforce == "no"
        assert settings.keep == 10 * 1024**3

    def test_the_table_has_all_of_it(self) -> None:
        rows = variable_table().splitlines()[2:]
        assert len(rows) == len(VARIABLES) + 1
        assert all(row.count("|") == 4 and "None" not in row for row in rows)


class TestMailpit:
    def test_what_its_containers_set(self, tmp_path: Path) -> None:
        """testcontainers' MailpitContainer with users, and pytest-mailpit's additions."""
        cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
        for path, content in zip((cert, key), self_signed("mydomain.com"), strict=True):
            path.write_bytes(content)
        settings = settings_of(
            MP_SMTP_AUTH="Jane:secret ron:pass2",
            MP_SMTP_AUTH_ACCEPT_ANY="0",
            MP_SMTP_REQUIRE_TLS="1",
            MP_SMTP_TLS_CERT=str(cert),
            MP_SMTP_TLS_KEY=str(key),
            MP_SMTP_DISABLE_RDNS="true",
            MP_ENABLE_CHAOS="true",
            MP_DISABLE_VERSION_CHECK="true",
        )
        assert [each.address for each in settings.right_logins] == ["jane", "ron"]
        assert settings.smtp_tls == "implicit"
        assert settings.ssl_type == "manual"

    def test_starttls_is_offered_with_a_certificate_of_ones_own(self, tmp_path: Path) -> None:
        cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
        for path, content in zip((cert, key), self_signed("mydomain.com"), strict=True):
            path.write_bytes(content)
        own = {"MP_SMTP_TLS_CERT": str(cert), "MP_SMTP_TLS_KEY": str(key)}
        for given, offered in (
            ({}, False),
            (own, True),
            ({"MP_SMTP_REQUIRE_TLS": "1"}, True),
            ({"MP_SMTP_REQUIRE_STARTTLS": "1"}, True),
        ):
            settings = settings_of(**given)
            target = target_settings(settings, "1", lambda secret: secret.get_secret_value())
            assert (target.tls is not None) == offered, given

    def test_any_login_where_it_says_so(self) -> None:
        settings = settings_of(MP_SMTP_AUTH="jane:secret", MP_SMTP_AUTH_ACCEPT_ANY="1")
        assert settings.right_logins == ()
        target = target_settings(settings, "1", lambda secret: secret.get_secret_value())
        assert target.logins is None
        assert not target.smtp_login_required

    def test_what_is_without_effect_is_said(self) -> None:
        assert warnings_of(MP_MAX_MESSAGES="500", MP_THEME="dark") == [
            "MP_MAX_MESSAGES: without effect; all messages are kept until they take TEST_KEEP",
            "MP_THEME: without effect in a test target",
        ]

    @pytest.mark.parametrize("name", ["MP_SMTP_RELAY_HOST", "MP_SMTP_FORWARD_CONFIG"])
    def test_what_would_send_out_is_refused(self, name: str) -> None:
        assert errors_of(**{name: "x"}) == [
            f"{name}: the test target sends nothing out; unset {name}"
        ]

    def test_what_closed_something_is_not_passed_over(self) -> None:
        for name in ("MP_POP3_AUTH", "MP_POP3_AUTH_FILE", "MP_UI_TLS_CERT"):
            (error,) = errors_of(**{name: "a:b"})
            assert error.startswith(f"{name}: not supported; ")

    def test_logins_in_a_file_and_a_hash_where_none_can_be(self, tmp_path: Path) -> None:
        file = tmp_path / "auth"
        file.write_text("a:one\nb:two\n")
        assert [each.name for each in settings_of(MP_UI_AUTH_FILE=str(file)).ui_logins] == [
            "a",
            "b",
        ]
        logins = settings_of(MP_UI_AUTH="a:b  c:d:e").ui_logins
        assert [(each.name, each.password.get_secret_value()) for each in logins] == [
            ("a", "b"),
            ("c", "d:e"),
        ]
        (error,) = errors_of(MP_UI_AUTH="a")
        assert error.startswith("MP_UI_AUTH: entry 1 is not name:password; ")
        assert errors_of(MP_UI_AUTH="a:$2y$10$abc") == [
            "MP_UI_AUTH: entry 1: a hash; write the password itself: these are of tests"
        ]

    def test_the_webhook_is_near(self) -> None:
        settings = settings_of(MP_WEBHOOK_URL="http://app:3000/hook", MP_WEBHOOK_LIMIT="5")
        assert settings.webhook_limit == 5
        assert errors_of(MP_WEBHOOK_URL="http://8.8.8.8/secret-path") == [
            "MP_WEBHOOK_URL: not a URL that is called; "
            "only loopback and private addresses are called"
        ]


class TestMistakes:
    def test_whatever_would_ask_outside_all_at_once(self) -> None:
        errors = errors_of(
            SSL_TYPE="acme",
            ACME_SERVER="https://ca.example/",
            RELAYHOST="relay.example",
            DNS_SERVERS="192.0.2.53",
            DNSBL="bl.example",
            DOCTOR_EVERY="1h",
            EXTRA_FILTERS_INBOUND="/bin/cat",
        )
        assert sorted(error.partition(":")[0] for error in errors) == [
            "ACME_SERVER",
            "DNSBL",
            "DNS_SERVERS",
            "DOCTOR_EVERY",
            "EXTRA_FILTERS_INBOUND",
            "RELAYHOST",
            "SSL_TYPE",
        ]
        assert all(" the test target " in error and "; u" in error for error in errors)

    def test_what_only_a_mail_server_does_is_said(self) -> None:
        given = {"GREYLIST": "yes", "JUNK_FILTER": "yes", "JUNK_DAYS": "30"}
        assert warnings_of(**given, TEST_DATABASE_URL="x") == [
            *(f"{name}: without effect in a test target" for name in ("JUNK_FILTER", "JUNK_DAYS")),
            "GREYLIST: without effect in a test target",
            "TEST_DATABASE_URL: without effect in a test target",
        ]

    def test_a_name_that_is_almost_right(self) -> None:
        assert errors_of(TEST_ACEPT="any") == [
            "TEST_ACEPT: unknown variable; did you mean TEST_ACCEPT?"
        ]

    def test_accounts_alone_need_some(self) -> None:
        assert errors_of(TEST_ACCEPT="accounts") == [
            "TEST_ACCEPT: set without ACCOUNTS; set ACCOUNTS, or TEST_ACCEPT=any"
        ]
        assert warnings_of(ACCOUNTS="a@one.example:secret") == [
            "ACCOUNTS: without effect unless TEST_ACCEPT=accounts"
        ]

    def test_a_zone_file_that_is_not_there(self) -> None:
        assert errors_of(TEST_ZONE_FILE="/nowhere/zone.yaml") == [
            'TEST_ZONE_FILE: no such file; "/nowhere/zone.yaml"; mount it'
        ]

    def test_a_certificate_without_its_key(self) -> None:
        assert errors_of(SSL_CERT_PATH="/c.pem") == [
            "SSL_KEY_PATH: not set, and the other of the two is needed; set both"
        ]


class TestRendered:
    SECRETS = ("page-secret", "smtp-secret", "hook-secret")

    def settings(self) -> TestSettings:
        return settings_of(
            MP_UI_AUTH="page:page-secret",
            MP_SMTP_AUTH="jane:smtp-secret",
            MP_WEBHOOK_URL="http://127.0.0.1/hook-secret",
        )

    def test_nothing_sends_out(self) -> None:
        for environ in ({}, {"TEST_ACCEPT": "accounts", "ACCOUNTS": "a@one.example:secret"}):
            files = {file.path.name: file.content for file in render(settings_of(**environ), "1")}
            actions = [line for line in files["smtpd.conf"].splitlines() if "action " in line]
            assert [line.split()[2] for line in actions if line.startswith("action")] == ["mda"]
            assert "relay" not in files["smtpd.conf"].replace("relays", "")
            assert "-B queue=null" in files["supervisord.conf"]
            assert "sieve" not in files["dovecot.conf"]

    def test_the_target_can_read_what_is_written_for_it(self, tmp_path: Path) -> None:
        (file,) = (
            each for each in render(self.settings(), "1.2") if each.path.name == "target.json"
        )
        assert (file.owner, file.group, file.mode) == ("root", "target", 0o640)
        path = tmp_path / "target.json"
        path.write_text(file.content)
        target = read_settings(path)
        assert target.ui_logins == {"page": "page-secret"}
        assert target.webhook_url == "http://127.0.0.1/hook-secret"
        assert target.smtp_login_required
        assert target.version == "1.2"

    def test_secrets_are_masked_for_a_person_and_smtp_s_are_hashed(self) -> None:
        shown = "".join(file.content for file in render_masked(hashed(self.settings()), "1"))
        assert not [secret for secret in self.SECRETS if secret in shown]
        written = "".join(file.content for file in render(hashed(self.settings()), "1"))
        assert "smtp-secret" not in written
