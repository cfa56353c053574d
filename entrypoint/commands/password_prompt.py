"""A password as a person gives it to a command: typed on a terminal, or piped in.

It must not know what the password is for.
"""

from __future__ import annotations

import sys

import click

from entrypoint.accounts.changes import ChangeRefusedError
from entrypoint.config.passwords import SHORT, hash_password, is_hash, is_short
from entrypoint.config.problems import BrokenRuleError

_MOST = 8192  # characters of standard input


def asked_hash(otherwise: str = "") -> str:
    """The hash of the password that is typed twice on a terminal, or stands on standard input.

    otherwise: what can be done where neither has one.
    A hash that is given in its place is taken as it is, as in ACCOUNTS. Raises ChangeRefusedError.
    """
    secret = _typed() if sys.stdin.isatty() else _piped(sys.stdin.read(_MOST), otherwise)
    try:
        if is_hash(secret):
            return secret
        if is_short(secret):
            click.echo(f"warning: the password {SHORT}", err=True)
        return hash_password(secret)
    except BrokenRuleError as error:
        raise ChangeRefusedError([f"{error.rule}; {error.cure}"]) from None
    except UnicodeError:
        raise ChangeRefusedError(
            ["the password is not UTF-8; type it on a UTF-8 terminal"]
        ) from None


def _typed() -> str:
    typed: str = click.prompt(
        "Password", hide_input=True, confirmation_prompt="The same again", err=True
    )
    return typed


def _piped(text: str, otherwise: str) -> str:
    """The first line; a second one must be the same."""
    first, *rest = text.splitlines() or [""]
    if len(text) == _MOST or any(rest[1:]):
        raise ChangeRefusedError(["more than a password and its repetition on standard input"])
    if rest and rest[0] not in ("", first):
        raise ChangeRefusedError(["the two passwords on standard input differ"])
    if not first:
        raise ChangeRefusedError(
            [
                "no password on standard input; give a terminal (docker compose exec), or pipe it "
                f"in (docker compose exec -T){otherwise}"
            ]
        )
    return first
