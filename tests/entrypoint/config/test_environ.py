"""Right configuration: what is written → the Settings that it means."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from pydantic import SecretStr, ValidationError

from entrypoint.config.certificate import pem
from entrypoint.config.environ import ConfigurationError, load
from entrypoint.config.settings import Account, Alias, BroughtKey, HostFacts, Settings

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
    assert (settings.ssl_type, settings.dkim_selector.of("example.org")) == (
        "self-signed",
        "mail",
    )
    assert (settings.dkim_key_types, settings.dkim_keys) == (("rsa", "ed25519"), ())
    assert (settings.dkim_rotate_days, settings.dkim_required) == (None, False)
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


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("☃.example", "xn--n3h.example"),  # IDNA 2008 knows no symbols
        ("exämple。net", "xn--exmple-cua.net"),
        ("ﬁrst.example", "first.example"),
        ("ＢＡＮＫ.example", "bank.example"),  # noqa: RUF001
        ("1a.אב.example", "1a.xn--4dbc.example"),
        ("\u0378.example", "xn--zva.example"),
    ],
)
def test_a_name_that_one_version_refuses_is_that_of_the_others(written: str, name: str) -> None:
    """Nothing else can be meant, and what has worked so goes on."""
    assert name == written.encode("idna").decode()
    settings = loaded(DOMAINS=written, ACCOUNTS=f"alice@{written}:x")
    assert (settings.domains, settings.accounts[0].address) == ((name,), f"alice@{name}")


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


@pytest.mark.parametrize(
    ("written", "secret", "quota"),
    [
        ("wonderland", "wonderland", None),
        ("wonderland:quota=5G", "wonderland", 5_368_709_120),
        ("wonderland:quota=1048576", "wonderland", 1_048_576),
        ("wonderland:quota=NONE ", "wonderland", 0),
        ("wonder:land:quota=2t", "wonder:land", 2 * 1024**4),
        # A password may hold all of this, but not at its end.
        ("wonder:quota=5G:land", "wonder:quota=5G:land", None),
        ("wonder:quota=5G:quota=6G", "wonder:quota=5G", 6 * 1024**3),
        ("wonder:Quota=5G", "wonder:Quota=5G", None),
        ("quota=5G:quota=none", "quota=5G", 0),
    ],
)
def test_a_quota_stands_behind_the_password(written: str, secret: str, quota: int | None) -> None:
    (account,) = loaded(DOMAINS="example.org", ACCOUNTS=f"a@example.org:{written}").accounts
    assert (account.secret.get_secret_value(), account.quota) == (secret, quota)


def test_a_quota_stands_behind_a_hash_and_in_the_form_by_comma() -> None:
    hashed = "$6$abcdefghijklmnop$" + "a" * 85 + "."
    settings = loaded(
        DOMAINS="example.org",
        ACCOUNTS=f"a@example.org:{hashed}:quota=5M, b@example.org:x:quota=6M",
        DEFAULT_QUOTA="1000T",
    )
    assert [(each.hashed, each.quota) for each in settings.accounts] == [
        (True, 5 * 1024**2),
        (False, 6 * 1024**2),
    ]
    assert settings.default_quota == 1000 * 1024**4


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


def test_selectors_of_all_domains_and_of_some() -> None:
    settings = loaded(
        DOMAINS="example.org example.net",
        ACCOUNTS="a@example.org:x",
        DKIM_SELECTOR="Key, EXAMPLE.net=s2026",
    )
    selectors = settings.dkim_selector
    assert (selectors.of("example.org"), selectors.of("example.net")) == ("key", "s2026")
    assert settings.arc_selector == "key-arc"


def test_the_arc_key_is_named_after_its_home_s_selector() -> None:
    settings = loaded(**MINE, DKIM_SELECTOR="example.org=s2026")
    assert settings.dkim_selector.general == "mail"
    assert settings.arc_selector == "s2026-arc"
    alone = loaded(**MINE, MAIL_HOSTNAME="mx.example.net", DKIM_SELECTOR="mx.example.net=host")
    assert alone.signing_domains == ("example.org", "mx.example.net")
    assert alone.arc_selector == "host-arc"


@pytest.mark.parametrize(
    ("written", "types"),
    [("ed25519", ("ed25519",)), ("Ed25519 RSA", ("rsa", "ed25519")), ("rsa", ("rsa",))],
)
def test_key_types(written: str, types: tuple[str, ...]) -> None:
    assert loaded(DKIM_KEY_TYPES=written).dkim_key_types == types


def test_keys_from_elsewhere(tmp_path: Path) -> None:
    rsa_key, ed_key = tmp_path / "rsa.pem", tmp_path / "a,b:c.pem"
    rsa_key.write_bytes(pem(rsa.generate_private_key(65537, 2048)))
    ed_key.write_bytes(pem(ed25519.Ed25519PrivateKey.generate()))
    settings = loaded(
        **MINE, DKIM_KEYS=f"\nExample.org:Corp:{rsa_key}\n# old\nexample.org:corp-ed:{ed_key}\n"
    )
    assert settings.dkim_keys == (
        BroughtKey(domain="example.org", selector="corp", type="rsa", path=rsa_key),
        BroughtKey(domain="example.org", selector="corp-ed", type="ed25519", path=ed_key),
    )


def test_an_alias_may_lead_to_what_the_commands_keep() -> None:
    written = {
        "DOMAINS": "example.org",
        "ACCOUNTS": "alice@example.org:wonderland",
        "ALIASES": "info@example.org: dave+x@example.org, team@example.org\n"
        "team@example.org: info@example.net",
        "POSTMASTER_ADDRESS": "dave@example.org",
    }
    for kept in (["dave@example.org"], ["dave@example.org", "team@example.org"], None):
        settings = load(written, host=HOST, kept=kept)
        assert settings.postmaster_address == "dave@example.org"
    with pytest.raises(ConfigurationError) as caught:
        load(written, host=HOST, kept=["eve@example.org"])
    assert [line.partition(":")[0] for line in caught.value.errors] == [
        "POSTMASTER_ADDRESS",
        "ALIASES",
    ]
    itself = "a@example.org: a@example.org\n"
    for loop, kept in ((f"{itself}", []), (f"a@example.org: b@example.org\nb@{itself[2:]}", None)):
        with pytest.raises(ConfigurationError, match="alias loop"):
            load({**written, "ALIASES": loop, "POSTMASTER_ADDRESS": ""}, host=HOST, kept=kept)
    load({**written, "ALIASES": itself}, host=HOST)  # it may be the alias of an account


HASH_2Y = "$2y$05$abcdefghijklmnopqrstuuP7pP7pP7pP7pP7pP7pP7pP7pP7pP7pO"


@pytest.mark.parametrize("written", [HASH_2Y, f" {HASH_2Y} ", f"{HASH_2Y}:quota=5G"])
def test_a_hash_of_php_or_htpasswd_is_taken(written: str) -> None:
    (account,) = loaded(DOMAINS="example.org", ACCOUNTS=f"a@example.org:{written}").accounts
    assert account.hashed
    assert account.secret.get_secret_value() == HASH_2Y


@pytest.mark.parametrize(
    ("written", "targets"),
    [
        ("info@example.org: alice@example.org, x@far.example", {"info": ["alice", "x@"]}),
        ("info@example.org:alice@example.org,x@far.example,", {"info": ["alice", "x@"]}),
        (
            "info@example.org: alice@example.org, x@far.example, y@far.example, "
            "sales@example.org: y@far.example,@example.org: alice@example.org , x@far.example",
            {"info": ["alice", "x@", "y@"], "sales": ["y@"], "": ["alice", "x@"]},
        ),
        (
            "info@example.org: alice@example.org, sales@example.org: x@far.example",
            {"info": ["alice"], "sales": ["x@"]},
        ),
    ],
)
def test_aliases_on_one_line_may_have_several_targets(
    written: str, targets: dict[str, list[str]]
) -> None:
    settings = loaded(**MINE, ALIASES=written)
    assert {alias.address: alias.targets for alias in settings.aliases} == {
        f"{local}@example.org": tuple(
            f"{each}far.example" if each.endswith("@") else f"{each}@example.org" for each in names
        )
        for local, names in targets.items()
    }


def test_what_is_set_for_other_services_is_passed_over() -> None:
    """As Kubernetes sets it for services named accounts, dns-servers, mail and relay-host."""
    links: dict[str, str] = {}
    for name in ("ACCOUNTS", "DNS_SERVERS", "MAIL", "RELAY_HOST", "LOG_LEVEL", "ACCOUNT_FILE"):
        address, link = "10.96.0.7", "tcp://10.96.0.7:25"
        links |= {
            f"{name}_SERVICE_HOST": address,
            f"{name}_SERVICE_PORT": "25",
            f"{name}_SERVICE_PORT_SMTP": "25",
            f"{name}_PORT": link,
            f"{name}_PORT_25_TCP": link,
            f"{name}_PORT_25_TCP_PROTO": "tcp",
            f"{name}_PORT_25_TCP_PORT": "25",
            f"{name}_PORT_25_TCP_ADDR": address,
        }
    assert loaded(**MINE, **links) == loaded(**MINE)
    # The same names without such a service are slips, as ever.
    with pytest.raises(ConfigurationError, match="unknown variable; did you mean"):
        loaded(**MINE, RELAY_HOST_PORT="25")
