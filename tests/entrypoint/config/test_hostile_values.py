"""Properties that hold for any environment, however hostile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from entrypoint.config.environ import ConfigurationError, load
from entrypoint.config.settings import HostFacts, Settings
from entrypoint.config.variables import VARIABLES

HOST = HostFacts(ipv6=False)

# On a busy machine the first draw and single examples are slow; that says nothing of the code.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

# Right values, pieces of them and what could break out of something.
PIECES = st.sampled_from(
    [
        *("example.org", "alice@example.org", "bob@example.org", "@example.org", "exämple.org"),
        *(":", ": ", ",", "\n", "\r", "\r\n", "\0", " ", "\t", '"', "'", "\\", "`", "$", "{", "%"),
        *("#", "|", "/", "..", "+", "-", "[", "]", "\x1b[2J", "\u2028", "\x85", "\udc80", "ß"),
        *(
            "yes",
            "no-verify",
            "25",
            "465",
            "35M",
            "::1",
            "fe80::1%",
            "manual",
            "xn--",
            "$6$",
            "UTC",
        ),
        *("\u202e", "\uff0c", "\u3002", "℀", "\uff11"),
    ]
)
VALUES = st.lists(PIECES | st.text(max_size=5), max_size=8).map("".join)
NAMES = st.sampled_from([name for variable in VARIABLES.values() for name in variable.names])
ENVIRONS = st.dictionaries(NAMES, VALUES, max_size=6)


def texts(value: object) -> Iterator[str]:
    """Every text that a template could write, secrets apart."""
    if isinstance(value, BaseModel):
        for _, inner in value:
            yield from texts(inner)
    elif isinstance(value, tuple):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, (str, Path)):
        yield str(value)


def secrets_of(loaded: Settings) -> list[str]:
    found = [account.secret for account in loaded.accounts]
    found += [secret for secret in (loaded.relay_password, loaded.srs_secret) if secret]
    return [secret.get_secret_value() for secret in found]


def result(environ: dict[str, str]) -> Settings | list[str]:
    try:
        return load(environ, host=HOST)
    except ConfigurationError as error:
        return error.errors


@unhurried
@given(ENVIRONS)
def test_no_text_ends_a_line_or_a_string(environ: dict[str, str]) -> None:
    outcome = result(environ)
    if isinstance(outcome, Settings):
        for text in texts(outcome):
            assert text.isprintable()
            assert not set(text) & set("\"'`\\")
        for secret in secrets_of(outcome):
            assert not set(secret) & set("\0\r\n")
            secret.encode()


@unhurried
@given(ENVIRONS)
def test_an_error_is_one_printable_line_that_names_a_variable(environ: dict[str, str]) -> None:
    outcome = result(environ)
    if not isinstance(outcome, Settings):
        assert outcome
        assert len(set(outcome)) == len(outcome)
        for line in outcome:
            assert line.isprintable()
            assert line.partition(":")[0].partition(" and ")[0] in {
                name for variable in VARIABLES.values() for name in variable.names
            }


@unhurried
@given(NAMES, VALUES)
def test_each_variable_by_itself_is_taken_or_refused(name: str, value: str) -> None:
    base = {"DOMAINS": "example.org", "ACCOUNTS": "alice@example.org:wonderland"}
    result(base | {name: value})


LETTERS = st.text("QXZ", min_size=6, max_size=12)  # letters that no message and no base value holds


@unhurried
@given(
    LETTERS,
    st.sampled_from(["", "\n", "\r", "\0", ",", " ", ":", "@", '"', "$6$", "{SHA}", "/"]),
    LETTERS,
)
def test_no_error_holds_a_piece_of_a_secret(left: str, between: str, right: str) -> None:
    secret = left + between + right
    for name in ("ACCOUNTS", "RELAY_PASSWORD", "SRS_SECRET"):
        for written in (
            secret,
            f"{between}{left}",
            f"alice@example.org:{secret}",
            f"alice@example.org:{secret}:alice@example.org:{secret}",
            f"alice@example.org:x\nbob@example.org:{secret}\nbob@example.org:{secret}",
        ):
            for variable in (name, f"{name}_FILE"):
                outcome = result({"DOMAINS": "example.org", "TZ": "nowhere!", variable: written})
                assert not isinstance(outcome, Settings)
                assert left not in "\n".join(outcome)
                assert right not in "\n".join(outcome)


# What isprintable() takes; a space may stand inside.
PRINTABLE = st.characters(exclude_categories=["C", "Z"])
PASSWORDS = st.builds("{}{}{}".format, PRINTABLE, st.text(PRINTABLE | st.just(" ")), PRINTABLE)


@unhurried
@given(PASSWORDS)
def test_a_plain_password_is_kept_to_the_letter(password: str) -> None:
    assume(not password.startswith(("$", "{")))
    loaded = load(
        {"DOMAINS": "example.org", "ACCOUNTS": f"alice@example.org:{password}\n#"}, host=HOST
    )
    assert loaded.accounts[0].secret == SecretStr(password)
