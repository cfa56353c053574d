"""No variable's value becomes anything but data, whatever it holds: it is refused, or it is
rendered as the one word that it was in the place of.

Each variable, each piece that could break out of something, and each place in a value that works.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from entrypoint import render
from entrypoint.completion import preview
from entrypoint.config.environ import ConfigurationError, load
from entrypoint.config.settings import HostFacts, Settings
from entrypoint.config.variables import VARIABLES

from .configurations import dovecot_settings, shell_words, smtpd_lines, supervisor_settings

HOST = HostFacts(ipv6=True, gateways=("10.0.0.1",))
HASH = "$6$rounds=1000$abcdefgh$T4IxfLekGaBeQnTAwBiF44khEyJ0Me902qgy/TUTljtDBGek0yXtln/VLwcluRKTXc0yr5n2UBkCl7H2BREdh0"  # noqa: E501 -- of wonderland
BASE = {"DOMAINS": "example.org, example.net", "ACCOUNTS": f"alice@example.org:{HASH}"}
RELAY = {"RELAY_HOST": "relay.example.com", "RELAY_USER": "someone", "RELAY_PASSWORD": "secret"}
ACME = {"SSL_TYPE": "acme"}
DEMO = {"DOMAINS": "", "ACCOUNTS": ""}
MANUAL = {
    "SSL_TYPE": "manual",
    "SSL_CERT_PATH": "/tls/cert.pem",
    "SSL_KEY_PATH": "/tls/key.pem",
}
# A value that works, and what it works with.
WORKING: dict[str, tuple[str, dict[str, str]]] = {
    "MAIL_HOSTNAME": ("mail.example.org", {}),
    "OVERRIDE_HOSTNAME": ("mail.example.org", {}),
    "DOMAINS": ("example.org, example.net", {}),
    "ACCOUNTS": ("alice@example.org:wonderland", {}),
    "DEFAULT_QUOTA": ("5G", {}),
    "ALIASES": ("info@example.org: alice@example.org, x@far.example", {}),
    "SEND_AS": ("alice@example.org: news@example.net, @example.net", {}),
    "POSTMASTER_ADDRESS": ("someone@far.example", {}),
    "RECIPIENT_DELIMITER": ("+", {}),
    "MESSAGE_SIZE_LIMIT": ("20M", {}),
    "ENABLE_IMAP": ("yes", {}),
    "ENABLE_POP3": ("yes", {}),
    "SSL_TYPE": ("self-signed", {}),
    "SSL_CERT_PATH": ("/tls/cert.pem", MANUAL),
    "SSL_KEY_PATH": ("/tls/key.pem", MANUAL),
    "ACME_SERVER": ("https://acme.example.com/directory", ACME),
    "ACME_EMAIL": ("someone@far.example", ACME),
    "ACME_CA_FILE": ("/tls/ca.pem", ACME),
    "ACME_DNS_HOOK": ("/bin/true --fast", ACME),
    "ENABLE_AUTOCONFIG": ("yes", {}),
    "ENABLE_FAST_FILE_COUNT": ("no", {}),
    "MTA_STS": ("testing", {}),
    "DKIM_SELECTOR": ("mail, example.org=s2026", {}),
    "DKIM_KEY_TYPES": ("rsa, ed25519", {}),
    "DKIM_KEYS": ("example.org:s1:/keys/s1.pem", {}),
    "DKIM_ROTATE_DAYS": ("90", {}),
    "DKIM_REQUIRED": ("yes", {}),
    "RELAY_HOST": ("relay.example.com", {}),
    "RELAYHOST": ("relay.example.com", {}),
    "RELAY_PORT": ("2525", RELAY),
    "RELAY_USER": ("someone", RELAY),
    "RELAY_PASSWORD": ("secret", RELAY),
    "RELAY_TLS": ("yes", RELAY),
    "SRS_SECRET": ("a secret of mine", {}),
    "DNS_SERVERS": ("192.0.2.53, 2001:db8::53", {}),
    "DNS_TIMEOUT": ("20", {}),
    "SPF": ("yes", {}),
    "DMARC_ENFORCE": ("quarantine", {}),
    "ARC_SEAL": ("yes", {}),
    "ARC_TRUSTED_SEALERS": ("sealer.example", {}),
    "DNSBL": ("zen.example.com=score", {"JUNK_FILTER": "yes"}),
    "JUNK_FILTER": ("yes", {}),
    "JUNK_DAYS": ("30", {}),
    "GREYLIST": ("5m", {}),
    "MESSAGE_RATELIMIT": ("300/h", {}),
    "PUBLIC_IPV4": ("192.0.2.1", {}),
    "PUBLIC_IPV6": ("2001:db8::1", {}),
    "DOCTOR_PROBE_DOMAIN": ("far.example", {}),
    "DOCTOR_EVERY": ("1h", {}),
    "EXTRA_FILTERS_INBOUND": ("/bin/true --fast", {}),
    "EXTRA_FILTERS_SUBMISSION": ("/bin/true --fast", {}),
    "LOG_LEVEL": ("debug", {}),
    "LOG_FORMAT": ("json", {}),
    "TRACE_DAYS": ("30", {}),
    "ANONYMIZE_EMAILS": ("yes", {}),
    "METRICS_PORT": ("9154", {}),
    "TZ": ("Europe/Paris", {}),
}
PIECES = [
    *("\n", "\r", "\r\nlisten on 0.0.0.0 port 2525", '\nmatch from any for any action "out"'),
    *("\nmail_full_filesystem_access = yes\n", "\n[program:x]\ncommand = id", "\\\n", '"\nmatch'),
    *('"', "'", '" #', "\\", '\\"', "`id`", "$(id)", "${IFS}", "$IFS", ";id", "|id", "&& id"),
    *(">/tmp/x", "%{user}", "%{env:HOME}", "%(here)s", "%n", "{{ 7*7 }}", "{% raw %}", "{", "}"),
    *("\0", "\x1b[2J", "#", " # x", "\t", " ", ":", "::::", ",", "=", "-x", "--spool=/tmp", "*"),
    *("!include /etc/passwd", 'include "/etc/passwd"', "</etc/passwd", "../../etc/passwd", "~"),
    *("\u2028", "\x85", "\uff02", "\uff0c", "\uff1a", "\u202e", "\u037e", "\xa0", "é", "x" * 5000),
    *("[::1]", "true\n", "0x10", "1e9", "9" * 40, "-1", "\ufeff", "\udc80"),
]


def values(working: str) -> Iterator[str]:
    """The pieces alone, behind a value that works and in its middle."""
    half = len(working) // 2
    for piece in PIECES:
        yield from (piece, working + piece, working[:half] + piece + working[half:])


def settings_of(environ: dict[str, str]) -> Settings:
    loaded = load({**BASE, **environ}, host=HOST)
    secret = loaded.srs_secret
    found = preview(loaded)
    return found.model_copy(update={"srs_secret": secret}) if secret else found


def taken(name: str) -> Iterator[tuple[str, Settings]]:
    """Each value that is not refused; what is refused is refused by its own name."""
    working, context = WORKING[name]
    for value in values(working):
        try:
            yield value, settings_of({**context, name: value})
        except ConfigurationError as error:
            refused = error.errors
        else:
            continue
        assert all(line.isprintable() for line in refused), (value, refused)
        assert any(name in line for line in refused), (value, refused)


# Together they render every line of every template.
EVERYTHING = (
    {},
    {**RELAY, "ENABLE_POP3": "yes", "ENABLE_AUTOCONFIG": "yes", "DOCTOR_EVERY": "1h"},
    {"METRICS_PORT": "9154"},
    {"JUNK_FILTER": "yes", "JUNK_DAYS": "30", "DNSBL": "zen.example.com=score, bl.example.com"},
    {"ENABLE_IMAP": "no", "EXTRA_FILTERS_INBOUND": "/bin/true"},
    {"EXTRA_FILTERS_SUBMISSION": "/bin/true", "ARC_SEAL": "yes"},
    {**RELAY, "RELAY_USER": "", "RELAY_PASSWORD": "", "RELAY_TLS": "no-verify"},
)


@cache
def words_of_ours() -> frozenset[str]:
    """What stands outside of quotes in smtpd.conf, with nothing but values that work."""
    texts = [files(settings_of(environ))["smtpd.conf"] for environ in EVERYTHING]
    return frozenset(
        word.text
        for text in texts
        for line in smtpd_lines(text)
        for word in line
        if not word.quoted
    )


@cache
def settings_of_ours() -> tuple[frozenset[str], frozenset[tuple[str, str]]]:
    dovecot, supervisor = set[str](), set[tuple[str, str]]()
    for environ in EVERYTHING:
        found = files(settings_of(environ))
        supervisor |= set(supervisor_settings(found["supervisord.conf"]))
        if "dovecot.conf" in found:
            dovecot |= {key for key, _ in dovecot_settings(found["dovecot.conf"])}
    return frozenset(dovecot), frozenset(supervisor)


@pytest.fixture(autouse=True, scope="module")
def one_environment() -> Iterator[None]:
    """The templates are compiled once: it is what takes the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(render, "template_environment", cache(render.template_environment))
        yield


def files(settings: Settings) -> dict[str, str]:
    return {Path(file.path).name: file.content for file in render.render(settings)}


HOST_NAME = r"[a-z0-9-]+(\.[a-z0-9-]+)*"
ADDRESS = re.compile(r"[a-z0-9!#$%&*+=?^_{}~.-]*@?[a-z0-9.-]+")


def assert_smtpd(text: str) -> None:
    for line in smtpd_lines(text):
        for word in line:
            assert word.quoted or word.text in words_of_ours() or word.text.isdigit(), (line, word)
        is_command = [word.text for word in line[::2]][:2] == ["filter", "proc-exec"]
        # What an extra filter's command is, is the operator's own.
        if is_command and not line[1].text.startswith("extra"):
            program = shell_words(line[3].text)
            assert program[:2] == ["/opt/signpost/bin/python", "-m"], line


def assert_dovecot(text: str) -> None:
    assert {key for key, _ in dovecot_settings(text)} <= settings_of_ours()[0]


def assert_supervisor(text: str) -> None:
    assert set(supervisor_settings(text)) <= settings_of_ours()[1]


def assert_virtuals(text: str) -> None:
    for line in text.splitlines():
        key, _, targets = line.partition(" ")
        assert ADDRESS.fullmatch(key), line
        for target in targets.split(","):
            assert re.fullmatch(rf"{ADDRESS.pattern}|:include:/run/signpost/\S+", target), line


def every_line(pattern: str) -> Callable[[str], None]:
    def assert_lines(text: str) -> None:
        for line in text.split("\n")[:-1]:
            assert re.fullmatch(pattern, line), line

    return assert_lines


READERS: dict[str, Callable[[str], object]] = {
    "smtpd.conf": assert_smtpd,
    "dovecot.conf": assert_dovecot,
    "supervisord.conf": assert_supervisor,
    "virtuals": assert_virtuals,
    "domains": every_line(HOST_NAME),
    "mailname": every_line(HOST_NAME),
    "mailboxes": every_line(r"[^:\s]+@[a-z0-9.-]+"),
    "users": every_line(r"[^:\s]+:::::::(userdb_quota/user/storage_size=\w+)?"),
    "dkim-keys": every_line(r"# DOMAIN.*|[a-z0-9.-]+:[A-Za-z0-9._-]+:/[^\s:]+"),
    "addresses.json": json.loads,
    "logins.json": json.loads,
}


def assert_relay_secrets(text: str, settings: Settings) -> None:
    """As smtpd reads it: it takes off white space at both ends, and behind the label."""
    assert settings.relay_password is not None
    (line,) = text.split("\n")[:-1]
    label, _, login = line.strip(" \t").partition(" ")
    user, _, password = login.lstrip(" \t").partition(":")
    assert (label, user) == ("relay", settings.relay_user)
    assert password == settings.relay_password.get_secret_value()


def test_every_variable_has_a_value_that_works() -> None:
    assert set(WORKING) == {name for each in VARIABLES.values() for name in each.names}


@pytest.mark.parametrize("name", WORKING)
def test_a_value_is_data_or_refused(name: str) -> None:
    seen = set[tuple[str, str]]()
    for value, settings in taken(name):
        found = files(settings)
        try:
            for file in found.items() - seen:
                READERS.get(file[0], str)(file[1])
            if settings.relay_authenticated:
                assert_relay_secrets(found["relaysecrets"], settings)
        except Exception as error:
            raise AssertionError(f"{name}={value!r}: {error!r}") from error
        seen |= found.items()
