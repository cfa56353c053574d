"""Settings without effect, or with a costly one: allowed, and probably not what was meant."""

from __future__ import annotations

from collections.abc import Iterator

from entrypoint.config.passwords import SHORT, is_short, seconds_in_words
from entrypoint.config.reading import is_quoted
from entrypoint.config.settings import Account, Settings
from filters.hash_cost import SLOW, check_seconds, fit_a_question

_CURE = "set ENABLE_IMAP=yes, or leave it out"
_QUICKER = "a $6$ hash with the usual rounds is quicker"


def ineffective_settings(settings: Settings) -> Iterator[str]:
    """A line each, for warnings. settings: with the accounts that commands stored."""
    for account in settings.accounts:
        yield from _slow_hashes(account)
    accounts = {account.address for account in settings.accounts}
    for each in settings.send_as:
        if each.account not in accounts:
            yield f"SEND_AS: {each.account} is no account; add it, or leave this out"
    if not settings.junk_filter:
        for listed in settings.dnsbl:
            if listed.scores:
                yield (
                    f"DNSBL: {listed.zone}=score has no effect without JUNK_FILTER=yes; set that, "
                    f"or write {listed.zone} to refuse whom it lists"
                )
    if settings.enable_imap:
        return
    # Dovecot is who counts.
    if settings.default_quota:
        yield f"DEFAULT_QUOTA: a quota has no effect with ENABLE_IMAP=no; {_CURE}"
    for account in settings.accounts:
        if account.quota:
            yield f"{account.address}: its quota has no effect with ENABLE_IMAP=no; {_CURE}"


def doubtful_passwords(settings: Settings) -> Iterator[str]:
    """The same for passwords as they are written, before they are hashed."""
    for account in () if settings.demo else settings.accounts:
        plain = account.secret.get_secret_value()
        if not account.hashed:
            yield from _doubts(f"{account.address}: its password", plain)
            if is_short(plain):
                yield f"{account.address}: its password {SHORT}"
    if settings.relay_password is not None:
        yield from _doubts("RELAY_PASSWORD: it", settings.relay_password.get_secret_value())


def _doubts(what: str, plain: str) -> Iterator[str]:
    if is_quoted(plain):
        yield f"{what} begins and ends with a quote, which belongs to it; take it out if not meant"


def _slow_hashes(account: Account) -> Iterator[str]:
    secrets = [account.secret] if account.hashed else []
    secrets += [each.hash for each in account.app_passwords]
    hashes = [each.get_secret_value().encode() for each in secrets]
    slowest = max(map(check_seconds, hashes), default=0.0)
    # Refused today, but an older version may have stored it.
    if not fit_a_question(hashes):
        yield (
            f"{account.address}: it cannot log in, for checking its hash takes too long "
            f"({seconds_in_words(slowest)}); signpost account passwd sets another"
        )
    elif slowest > SLOW:
        yield (
            f"{account.address}: checking its hash takes up to {seconds_in_words(slowest)}, "
            f"and other logins wait meanwhile; {_QUICKER}"
        )
