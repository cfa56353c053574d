"""Hashes are crypt(3)'s own, quick to check, and a costly one is known without paying."""

from __future__ import annotations

import ctypes
import time

import pytest

from entrypoint.config.passwords import (
    LONGEST_CHECK,
    generate_password,
    hash_generated,
    hash_password,
    is_hash,
    well_formed,
)
from entrypoint.config.problems import BrokenRuleError
from filters.credentials import MOST_PASSWORDS, matches
from filters.hash_cost import SLOW, check_seconds, fit_a_question

BCRYPT = "$2b$05$abcdefghijklmnopqrstuu"
BCRYPT_2Y = BCRYPT.replace("$2b$", "$2y$")


def crypt(phrase: str, setting: str) -> str:
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    result: bytes = library.crypt(phrase.encode(), setting.encode())
    return result.decode()


@pytest.mark.parametrize(
    "plain", ["x", "correct horse", "pässwörd", "'\"$\\{", "l" * 128, "l" * 511]
)
def test_crypt_verifies_our_hashes(plain: str) -> None:
    hashed = hash_password(plain)
    assert hashed.startswith("$6$")
    assert well_formed(hashed)
    assert crypt(plain, hashed) == hashed
    assert crypt(plain + "x" if len(plain) < 511 else plain[:-1], hashed) != hashed


def test_two_hashes_of_one_password_differ() -> None:
    assert hash_password("x") != hash_password("x")


@pytest.mark.parametrize(("plain", "rounds"), [("x", 5000), ("l" * 127, 5000), ("l" * 511, 1000)])
def test_a_long_password_takes_fewer_rounds(plain: str, rounds: int) -> None:
    """The cost grows with rounds and length: both ways a check stays within milliseconds."""
    hashed = hash_password(plain)
    assert crypt(plain, hashed) == hashed
    assert hashed.startswith("$6$" if rounds == 5000 else f"$6$rounds={rounds}$")
    assert ("rounds=" in hashed) == (rounds != 5000)
    assert check_seconds(hashed.encode()) < SLOW


@pytest.mark.parametrize("plain", ["", "a\nb", "a\rb", "a\0b", "l" * 512])
def test_what_cannot_be_a_password_is_refused_without_showing_it(plain: str) -> None:
    with pytest.raises(ValueError) as caught:
        hash_password(plain)
    assert not plain or plain not in str(caught.value)


@pytest.mark.parametrize("plain", ["x", "y" * 20, "ä"])
@pytest.mark.parametrize(
    "setting",
    [
        *("$6$abcdefghijklmnop$", "$6$a$", "$6$rounds=1000$abcd$", "$5$abcdefgh$"),
        *(
            "$5$rounds=5001$./AZ$",
            BCRYPT,
            BCRYPT_2Y,
            "$y$j75$abcdefghijklmnop$",
            "$y$j9T$abcdefghijklmnop$",
        ),
    ],
)
def test_what_crypt_makes_is_well_formed(plain: str, setting: str) -> None:
    hashed = crypt(plain, setting)
    assert well_formed(hashed)
    assert not well_formed(hashed[:-1])
    assert not well_formed(hashed + "a")
    assert not well_formed(hashed + "\n")
    assert not well_formed(hashed.replace(hashed[-1], ":"))


@pytest.mark.parametrize(
    "text", ["", "$6$", "plain", "$1$abcdefgh$0123456789012345678901", "$6$a$*0"]
)
def test_what_is_no_hash_is_not_well_formed(text: str) -> None:
    assert not well_formed(text)


TAIL = "abcdefghijklmnopqrstuu" + "a" * 30 + "a"
SHA, SHORT_SHA = "a" * 85 + ".", "a" * 42 + "."


@pytest.mark.parametrize(
    ("hashed", "least", "most"),
    [
        (f"$6$abcdefgh${SHA}", 0.010, SLOW),
        (f"$5$abcdefgh${SHORT_SHA}", 0.010, SLOW),
        (f"$6$rounds=656000$abcdefgh${SHA}", 1, 3),
        (f"$6$rounds=999999999$abcdefgh${SHA}", 60, 1e9),
        (f"$2b$10${TAIL}", SLOW, LONGEST_CHECK),
        (f"$2b$12${TAIL}", 0.1, LONGEST_CHECK),
        (f"$2b$13${TAIL}", LONGEST_CHECK, 1),
        (f"$2b$31${TAIL}", 3600, 1e9),
        (f"$y$j9T$abcdefgh${SHORT_SHA}", 0.010, SLOW),
        (f"$y$jFT$abcdefgh${SHORT_SHA}", 0.5, 3),
        (f"$y$jNT$abcdefgh${SHORT_SHA}", 60, 1e9),
        (f"$y$j9T/..$abcdefgh${SHORT_SHA}", 1e9, float("inf")),
        ("$nonsense$", 1e9, float("inf")),
    ],
)
def test_the_cost_of_a_hash_is_known_without_paying_it(
    hashed: str, least: float, most: float
) -> None:
    assert least < check_seconds(hashed.encode()) <= most


@pytest.mark.parametrize(
    "setting",
    ["$6$saltsalt$", "$5$rounds=9000$saltsalt$", BCRYPT.replace("05", "08"), "$y$j8T$saltsalt$"],
)
def test_the_cost_is_about_right(setting: str) -> None:
    """Of a machine that may be busy, or old: what matters is that no scheme is far off."""

    def seconds() -> float:
        started = time.thread_time()  # of the processor: others may have it meanwhile
        crypt("l" * 511, setting)
        return time.thread_time() - started

    assert 0.05 < min(seconds() for _ in range(5)) / check_seconds(setting.encode()) < 20


@pytest.mark.parametrize(
    "slow",
    [f"$2b$13${TAIL}", f"$6$rounds=656000$abcdefgh${SHA}", f"$y$jFT$abcdefgh${SHORT_SHA}"],
)
def test_a_hash_that_logins_would_wait_for_too_long_is_refused(slow: str) -> None:
    assert well_formed(slow)
    with pytest.raises(BrokenRuleError, match=r"^a hash that takes [0-9]+ (ms|s) to check: "):
        is_hash(slow)


@pytest.mark.parametrize("own", [f"$2b$12${TAIL}", f"$6$rounds=120000$abcdefgh${SHA}"])
def test_what_is_taken_leaves_room_for_every_app_password(own: str) -> None:
    assert is_hash(own)
    further = [hash_generated(generate_password()).encode()] * (MOST_PASSWORDS - 1)
    assert fit_a_question([own.encode(), *further])
    assert not fit_a_question([f"$2b$13${TAIL}".encode(), *further])


def test_2y_is_2b_and_what_only_begins_like_it_a_password() -> None:
    hashed = crypt("wonderland", BCRYPT_2Y)
    assert hashed.startswith("$2y$")
    assert is_hash(hashed)
    assert matches(b"wonderland", hashed.encode())
    assert matches(b"wonderland", hashed.replace("$2y$", "$2b$").encode())
    assert check_seconds(hashed.encode()) == check_seconds(crypt("x", BCRYPT).encode())
    # As before: what is no whole hash may be somebody's password.
    for plain in ("$2y$in$my$pocket", hashed[:-1], f"{hashed}x"):
        assert not is_hash(plain)
    with pytest.raises(BrokenRuleError, match="a hash that takes 999 ms"):
        is_hash(hashed.replace("$05$", "$14$"))
