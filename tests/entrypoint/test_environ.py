"""Right configuration: what is written → the Settings that it means."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from entrypoint.environ import load
from entrypoint.settings import Account, Alias, HostFacts, Settings

HOST = HostFacts(ipv6=True, gateways=("192.0.2.1",))
MINE = {"DOMAINS": "example.org", "ACCOUNTS": "alice@example.org:wonderland"}


def loaded(**environ: str) -> Settings:
    return load(environ, host=HOST)


def test_nothing_set_is_the_demo() -> None:
    settings = loaded()
    assert settings.demo
    assert settings.domains == ("signpost.test",)
    assert settings.mail_hostname == "mail.signpost.test"
    assert settings.accounts == (
        Account(address="postmaster@signpost.test", secret=SecretStr(""), hashed=False),
    )
    assert settings.postmaster_address == "postmaster@signpost.test"


def test_the_defaults_of_ones_own_domain() -> None:
    settings = loaded(**MINE)
    assert not settings.demo
    assert settings.mail_hostname == "mail.example.org"
    assert settings.postmaster_address == "alice@example.org"
    assert settings.recipient_delimiter == "+"
    assert settings.message_size_limit == 36_700_160
    assert (settings.ssl_type, settings.dkim_selector, settings.dkim_required) == (
        "self-signed",
        "mail",
        False,
    )
    assert (settings.relay_host, settings.srs_secret, settings.dns_servers) == (None, None, ())
    assert (settings.dns_timeout, settings.spf, settings.tz) == (20, True, "UTC")
    assert (settings.log_level, settings.log_format) == ("info", "text")
    assert settings.host == HOST


def test_an_empty_value_is_an_unset_one() -> None:
    assert loaded(**MINE, RELAY_HOST="", TZ=" ", DOMAINS_FILE="") == loaded(**MINE)


@pytest.mark.parametrize(
    "written",
    ["example.org,exämple.net", "Example.ORG xn--exmple-cua.net", "example.org\nEXÄMPLE.net."],
)
def test_domains_are_lower_case_a_labels(written: str) -> None:
    settings = loaded(DOMAINS=written, ACCOUNTS="Alice@EXÄMPLE.net:x")
    assert settings.domains == ("example.org", "xn--exmple-cua.net")
    assert settings.accounts[0].address == "alice@xn--exmple-cua.net"


def test_accounts_one_a_line_keep_commas_and_colons_in_passwords() -> None:
    settings = loaded(
        DOMAINS="example.org",
        ACCOUNTS="\n  alice@example.org:a,b:c d\"'$x\r\n# carol left\nbob@example.org:{\n",
    )
    secrets = [account.secret.get_secret_value() for account in settings.accounts]
    assert secrets == ["a,b:c d\"'$x", "{"]


def test_accounts_by_comma() -> None:
    settings = loaded(DOMAINS="example.org", ACCOUNTS="a@example.org:1, b@example.org:2")
    assert [account.address for account in settings.accounts] == ["a@example.org", "b@example.org"]
    assert settings.accounts[0].secret.get_secret_value() == "1"


def test_a_hash_is_told_from_a_password_that_only_begins_like_an_old_one() -> None:
    hashed = "$6$abcdefghijklmnop$" + "a" * 86 + "\n"
    hashed = hashed.replace("a\n", ".")
    settings = loaded(
        DOMAINS="example.org", ACCOUNTS=f"a@example.org:{hashed}\nb@example.org:$1$in$my$pocket"
    )
    assert [account.hashed for account in settings.accounts] == [True, False]
    assert settings.accounts[0].secret.get_secret_value() == hashed


def test_aliases_on_one_line_with_its_newline_may_have_several_targets() -> None:
    settings = loaded(
        **MINE, ALIASES="Info@example.org: alice@example.org, bob@elsewhere.example\n"
    )
    assert settings.aliases == (
        Alias(
            address="info@example.org",
            targets=("alice@example.org", "bob@elsewhere.example"),
        ),
    )


def test_targets_may_be_tagged_or_a_role_or_the_catch_all_s() -> None:
    settings = loaded(
        **MINE,
        ALIASES="a@example.org: alice+a@example.org\n"
        "b@example.org: abuse@example.org\n"
        "c@example.org: anybody@example.org\n"
        "@example.org: alice@example.org",
    )
    assert [alias.address for alias in settings.aliases][-1] == "@example.org"


def test_every_domain_has_a_postmaster_and_an_abuse_address() -> None:
    settings = loaded(
        DOMAINS="example.org example.net",
        ACCOUNTS="alice@example.org:x\nabuse@example.net:y",
        ALIASES="postmaster@example.net: alice@example.org",
        POSTMASTER_ADDRESS="me@elsewhere.example",
    )
    assert settings.implied_aliases == (
        Alias(address="postmaster@example.org", targets=("me@elsewhere.example",)),
        Alias(address="abuse@example.org", targets=("me@elsewhere.example",)),
        # RCPT TO:<postmaster> means the host's own (RFC 5321 §4.5.1).
        Alias(address="postmaster@mail.example.org", targets=("me@elsewhere.example",)),
        Alias(address="abuse@mail.example.org", targets=("me@elsewhere.example",)),
    )
    assert settings.all_aliases == settings.aliases + settings.implied_aliases


def test_the_postmaster_s_own_address_is_no_alias_of_itself() -> None:
    settings = loaded(DOMAINS="example.org", ACCOUNTS="postmaster@example.org:x")
    assert [alias.address for alias in settings.implied_aliases] == [
        "abuse@example.org",
        "postmaster@mail.example.org",
        "abuse@mail.example.org",
    ]


def test_a_postmaster_that_the_catch_all_takes_is_no_alias_of_itself() -> None:
    settings = loaded(
        **MINE,
        ALIASES="@example.org: alice@example.org",
        POSTMASTER_ADDRESS="postmaster@example.org",
    )
    assert [alias.address for alias in settings.implied_aliases] == [
        "abuse@example.org",
        "postmaster@mail.example.org",
        "abuse@mail.example.org",
    ]


@pytest.mark.parametrize(
    ("written", "size"),
    [("35m", 36_700_160), ("1G", 1_073_741_824), ("64K", 65_536), ("65536", 65_536)],
)
def test_sizes(written: str, size: int) -> None:
    assert loaded(MESSAGE_SIZE_LIMIT=written).message_size_limit == size


@pytest.mark.parametrize(
    ("written", "meant"), [("YES", True), ("True", True), ("1", True), ("no", False), ("0", False)]
)
def test_booleans(written: str, meant: bool) -> None:
    assert loaded(DKIM_REQUIRED=written, SPF=written).dkim_required is meant


@pytest.mark.parametrize(
    ("environ", "host", "port"),
    [
        ({"RELAY_HOST": "Smtp.Example.net"}, "smtp.example.net", 25),
        ({"RELAYHOST": "[smtp.example.net]:587"}, "smtp.example.net", 587),
        ({"RELAY_HOST": "smtp.example.net:465"}, "smtp.example.net", 465),
        ({"RELAY_HOST": "mail_relay"}, "mail_relay", 25),
        ({"RELAY_HOST": "2001:DB8::1"}, "2001:db8::1", 25),
        ({"RELAY_HOST": "[2001:db8::1]", "RELAY_PORT": "26"}, "2001:db8::1", 26),
        ({"RELAY_HOST": "r.example", "RELAY_USER": "u", "RELAY_PASSWORD": "p"}, "r.example", 587),
    ],
)
def test_relay_hosts(environ: dict[str, str], host: str, port: int) -> None:
    settings = loaded(**environ)
    assert (settings.relay_host, settings.relay_port) == (host, port)
    assert settings.relay_tls == "yes"
    assert settings.relay_authenticated is ("RELAY_USER" in environ)
    assert settings.relay_implicit_tls is (port == 465)


def test_values_from_files_lose_their_last_newlines_and_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(b"\xef\xbb\xbfwonder land\r\n\n")
    (tmp_path / "accounts").write_bytes(b"alice@example.org:wonder,land\n")
    settings = loaded(
        DOMAINS="example.org",
        ACCOUNTS_FILE=str(tmp_path / "accounts"),
        RELAYHOST="smtp.example.net",
        RELAY_USER="me",
        RELAY_PASSWORD_FILE=str(tmp_path / "password"),
    )
    assert settings.accounts[0].secret.get_secret_value() == "wonder,land"
    assert settings.relay_password == SecretStr("wonder land")


def test_the_variables_of_others_are_none_of_our_business() -> None:
    names = (
        "HOSTNAME HOME PATH LANG TERM MAIL USER SSL_CERT_FILE LC_ALL PYTHONUNBUFFERED container "
    )
    names += "DEBIAN_FRONTEND http_proxy KUBERNETES_SERVICE_HOST GPG_KEY SHLVL MAILTO SMTP_HOST _"
    assert loaded(**dict.fromkeys(names.split(), "x")) == loaded()


def test_settings_cannot_be_changed_nor_hold_what_they_do_not_know() -> None:
    settings = loaded()
    with pytest.raises(ValidationError):
        setattr(settings, "tz", "Europe/Paris")  # noqa: B010
    with pytest.raises(ValidationError):
        Settings.model_validate({**dict(settings), "surprise": 1})


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\0b", 'a"b', "a'b", "a`b", "a\\b"])
def test_the_model_itself_refuses_what_could_break_out_of_a_file(text: str) -> None:
    settings = loaded()
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({**dict(settings), "relay_user": text})
    assert text not in str(caught.value)
    with pytest.raises(ValidationError):
        Settings.model_validate({**dict(settings), "domains": (text,)})
    with pytest.raises(ValidationError):
        Settings.model_validate({**dict(settings), "ssl_key_path": Path("/" + text)})


@pytest.mark.parametrize("secret", ["a\nb", "a\rb", "a\0b"])
def test_the_model_itself_refuses_a_secret_that_ends_a_line(secret: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Account(address="alice@example.org", secret=SecretStr(secret), hashed=False)
    assert secret not in str(caught.value)


def test_secrets_do_not_show() -> None:
    settings = loaded(**MINE, SRS_SECRET="0123456789abcdef")
    assert "wonderland" not in repr(settings)
    assert "0123456789abcdef" not in repr(settings)
