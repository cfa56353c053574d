"""From the environment to TestSettings. All mistakes are reported at once, and what is without
effect is said.

It must not know what is made of the settings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import get_args

from pydantic import SecretStr

from entrypoint.config import values as scalars
from entrypoint.config import variables as production
from entrypoint.config.accounts import read_accounts
from entrypoint.config.certificate import check_kind, check_pair, load_certificate, load_key
from entrypoint.config.domain_names import domain_name
from entrypoint.config.entries import words
from entrypoint.config.mode import MODE, TEST_VARIABLES
from entrypoint.config.passwords import is_hash
from entrypoint.config.problems import BrokenRuleError, Problems
from entrypoint.config.reading import Reading, gather, note_unknown
from entrypoint.config.settings import Account, HostFacts, LogFormat, LogLevel
from entrypoint.test_mode.mailpit import is_mailpits, note_mailpit
from entrypoint.test_mode.settings import VARIABLES, Accept, PlainLogin, TestSettings
from entrypoint.test_target.api.webhook_url import check_url

# The fields that are one value and depend on no other.
_SINGLE: Mapping[str, Callable[[str], object]] = {
    "accept": partial(scalars.choice, allowed=get_args(Accept)),
    "zone_file": scalars.file_path,
    "keep": scalars.quota,
    "smtp_accept_any": scalars.boolean,
    "smtp_require_tls": scalars.boolean,
    "smtp_require_starttls": scalars.boolean,
    "mail_hostname": domain_name,
    "recipient_delimiter": scalars.delimiter,
    "message_size_limit": scalars.size,
    "enable_imap": scalars.boolean,
    "ssl_cert_path": scalars.file_path,
    "ssl_key_path": scalars.file_path,
    "dmarc_enforce": scalars.enforcement,
    "log_level": partial(scalars.choice, allowed=get_args(LogLevel)),
    "log_format": partial(scalars.choice, allowed=get_args(LogFormat)),
    "tz": scalars.time_zone,
}

# Fields of production whose variables would have something asked or sent outside.
_OUTSIDE = {
    "dns_servers": "the test target has a name server of its own, and asks no other",
    "dnsbl": "the test target asks no blocklist",
    **dict.fromkeys(
        ("relay_host", "relay_port", "relay_user", "relay_password", "relay_tls"),
        "the test target sends nothing out",
    ),
    **dict.fromkeys(
        ("acme_server", "acme_email", "acme_ca_file", "acme_dns_hook"),
        "the test target asks no certificate authority",
    ),
    **dict.fromkeys(
        ("extra_filters_inbound", "extra_filters_submission"),
        "the test target runs no filters of others, which could ask anybody",
    ),
    "doctor_every": "the test target has no doctor, which would ask the world",
}


def load(environ: Mapping[str, str], host: HostFacts) -> tuple[TestSettings, list[str]]:
    """The settings, and what is without effect. Raises ConfigurationError with every mistake."""
    problems, warnings = Problems(), list[str]()
    known = {**production.VARIABLES, **VARIABLES, "mode": MODE}
    # What Mailpit has and this has not is told by note_mailpit.
    ours = {name: value for name, value in environ.items() if not is_mailpits(name)}
    note_unknown(ours, known, problems)
    note_mailpit(
        environ, {name for each in VARIABLES.values() for name in each.names}, problems, warnings
    )
    _note_others(environ, problems, warnings)
    reading = Reading(gather(environ, VARIABLES, problems), problems)
    values: dict[str, object] = {
        field: value
        for field, parse in _SINGLE.items()
        if (value := reading.value(field, parse)) is not None
    }
    values |= _lists(reading)
    values |= _certificate(reading, values)
    values |= _accounts(reading, values, warnings)
    values |= _webhook(reading)
    if "zone_file" in values and not Path(str(values["zone_file"])).is_file():
        reading.note("zone_file", "no such file", "mount it", str(values["zone_file"]))
    if values.get("smtp_require_tls") and values.get("smtp_require_starttls"):
        reading.note("smtp_require_starttls", "set with MP_SMTP_REQUIRE_TLS", "keep one of them")
    reading.note_quotes(environ)
    problems.raise_any()
    return TestSettings.model_validate({**values, "host": host}), warnings


def _note_others(environ: Mapping[str, str], problems: Problems, warnings: list[str]) -> None:
    """What only production knows, and TEST_ variables that nobody knows."""
    given = gather(
        environ,
        {name: each for name, each in production.VARIABLES.items() if name not in VARIABLES},
        Problems(),
    )
    idle = []
    for field, value in given.items():
        name = value.name if value else production.VARIABLES[field].names[0]
        if why := _OUTSIDE.get(field):
            problems.add(name, why, f"unset {name}, or MODE=test")
        else:
            idle.append(name)
    known = {form for name in TEST_VARIABLES for form in (name, f"{name}_FILE")}
    idle += sorted(name for name in environ if name.startswith("TEST_") and name not in known)
    warnings += [f"{name}: without effect in a test target" for name in idle]


def _lists(reading: Reading) -> dict[str, object]:
    found: dict[str, object] = {}
    for field, parse in (
        ("http_hosts", _host_name),
        ("http_cors", _origin),
    ):
        given = reading.raw(field)
        found[field] = reading.each(field, words(given.text), parse) if given else ()
    for field in ("ui_logins", "send_logins"):
        logins = reading.secret(field, partial(_logins, of=_plain_login))
        found[field] = tuple(logins or ())
    logins = reading.secret("smtp_logins", partial(_logins, of=_smtp_login))
    found["smtp_logins"] = tuple(logins or ())
    label = reading.value("label", _label)
    return found | ({} if label is None else {"label": label})


def _host_name(text: str) -> str:
    return text if text == "*" else domain_name(text)


def _origin(text: str) -> str:
    if text == "*":
        return text
    scheme, _, rest = text.partition("://")
    if scheme not in {"http", "https"} or not rest or "/" in rest or not text.isascii():
        raise BrokenRuleError("not an origin", "write it like http://localhost:3000")
    return text.lower()


def _label(text: str) -> str:
    if not text.isprintable() or any(char in text for char in "\"'`\\") or len(text) > 100:
        raise BrokenRuleError("not a label", "write at most 100 characters, without quotes")
    return text


def _logins(text: str, of: Callable[[str, str], object]) -> list[object]:
    """`name:password`, by white space, as Mailpit has it."""
    found: dict[str, object] = {}
    for number, entry in enumerate(text.split(), 1):
        name, colon, password = entry.partition(":")
        if not colon or not name or not password:
            raise BrokenRuleError(
                f"entry {number} is not name:password", "write one or more, by space or newline"
            )
        if name in found:
            raise BrokenRuleError(f"entry {number} has the name of another", "take one of the two")
        try:
            found[name] = of(name, password)
        except BrokenRuleError as error:
            raise BrokenRuleError(f"entry {number}: {error.rule}", error.cure) from None
    return list(found.values())


def _plain_login(name: str, password: str) -> PlainLogin:
    if password.startswith(("$2", "$apr1$", "{SHA}")):
        raise BrokenRuleError("a hash", "write the password itself: these are of tests")
    return PlainLogin(name=_login_name(name), password=SecretStr(password))


def _smtp_login(name: str, password: str) -> Account:
    return Account(
        address=_login_name(name).lower(), secret=SecretStr(password), hashed=is_hash(password)
    )


def _login_name(name: str) -> str:
    if not name.isprintable() or any(char in name for char in "\"'`\\"):
        raise BrokenRuleError("a name with quotes or control characters", "write another")
    return name


def _accounts(
    reading: Reading, values: Mapping[str, object], warnings: list[str]
) -> dict[str, object]:
    given = reading.raw("accounts")
    if given is None:
        if values.get("accept") == "accounts" and not reading.is_set("accounts"):
            reading.note("accept", "set without ACCOUNTS", "set ACCOUNTS, or TEST_ACCEPT=any")
        return {}
    delimiter = values.get("recipient_delimiter", "+")
    read = read_accounts(given.name, given.text, None, str(delimiter), reading.problems)
    if values.get("accept") != "accounts":
        warnings.append(f"{given.name}: without effect unless TEST_ACCEPT=accounts")
    return {"accounts": read.accounts}


def _certificate(reading: Reading, values: Mapping[str, object]) -> dict[str, object]:
    """A pair of files is a certificate of one's own, whatever its name and dates."""
    acme = "the test target asks no certificate authority"
    given = reading.raw("ssl_type")
    if given is not None and given.text.strip().lower() == "acme":
        reading.note("ssl_type", acme, "use self-signed or manual", "acme")
        kind: object = None
    else:
        allowed = ("self-signed", "manual")
        kind = reading.value("ssl_type", partial(scalars.choice, allowed=allowed))
    paths = [values.get("ssl_cert_path"), values.get("ssl_key_path")]
    if kind == "manual" or any(reading.is_set(f"ssl_{each}_path") for each in ("cert", "key")):
        for field in ("ssl_cert_path", "ssl_key_path"):
            if not reading.is_set(field):
                reading.note(field, "not set, and the other of the two is needed", "set both")
        if kind == "self-signed":
            reading.note("ssl_type", "self-signed, with a certificate of your own", "set manual")
    elif kind is None:
        return {}
    if None not in paths:
        _check_pair(reading, Path(str(paths[0])), Path(str(paths[1])))
        return {"ssl_type": "manual"}
    return {}


def _check_pair(reading: Reading, cert_path: Path, key_path: Path) -> None:
    try:
        certificate = load_certificate(cert_path)
        check_kind(certificate)
    except BrokenRuleError as error:
        reading.note("ssl_cert_path", error.rule, error.cure, str(cert_path))
        return
    try:
        check_pair(certificate, load_key(key_path))
    except BrokenRuleError as error:
        reading.note("ssl_key_path", error.rule, error.cure, str(key_path))


def _webhook(reading: Reading) -> dict[str, object]:
    found: dict[str, object] = {}
    url = reading.secret("webhook_url", _url)
    if url is not None:
        found["webhook_url"] = SecretStr(url)
    limit = reading.value("webhook_limit", _limit)
    return found | ({} if limit is None else {"webhook_limit": limit})


def _url(text: str) -> str:
    try:
        check_url(text.strip())
    except ValueError as error:
        raise BrokenRuleError("not a URL that is called", str(error)) from None
    return text.strip()


def _limit(text: str) -> float:
    return float(scalars.number(text, least=0, most=1000))
