"""Hashes are crypt(3)'s own, verify within 10 ms, and a costly one is known without paying."""

from __future__ import annotations

import ctypes

import pytest

from entrypoint.passwords import hash_password, verify_seconds, well_formed

BCRYPT = "$2b$05$abcdefghijklmnopqrstuu"


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
    assert verify_seconds(hashed) > 0


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
        *("$5$rounds=5001$./AZ$", BCRYPT, "$y$j75$abcdefghijklmnop$", "$y$j9T$abcdefghijklmnop$"),
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


def test_the_cost_of_a_costly_hash_is_known_without_paying_it() -> None:
    tail = crypt("x", BCRYPT)[7:]
    assert verify_seconds(f"$2b$12${tail}") > 0.05
    assert verify_seconds(f"$2b$31${tail}") > 60
    sha = crypt("x", "$6$rounds=5000$abcdefgh$")
    assert verify_seconds(sha.replace("=5000", "=999999999")) > 60
    yescrypt = crypt("x", "$y$j9T$abcdefghijklmnop$")
    assert verify_seconds(yescrypt.replace("$j9T", "$jNT")) > 1


def test_a_hash_that_crypt_does_not_know_has_no_cost() -> None:
    with pytest.raises(ValueError):
        verify_seconds("$nonsense$")
