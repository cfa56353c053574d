"""What is remembered of right passwords, and what its file gives away."""

from __future__ import annotations

import hmac
import json
from pathlib import Path

import pytest

from filters import right_passwords
from filters.right_passwords import RightPasswords

ALICE, BOB, SECRET = b"alice@example.org", b"bob@example.org", b"a secret"
OWN, PHONE, NEW = b"$6$salt$own", b"$5$salt$phone", b"$6$other$own"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "right-passwords.json"


@pytest.fixture
def right(path: Path) -> RightPasswords:
    right = RightPasswords(path)
    right.add(ALICE, SECRET, OWN)
    return right


def test_the_hash_that_it_was_right_for_is_found(right: RightPasswords) -> None:
    assert right.find(ALICE, SECRET, [PHONE, OWN], 5) == OWN


@pytest.mark.parametrize(
    ("login", "password", "hashes"),
    [
        (BOB, SECRET, [OWN]),
        (ALICE, b"a secreT", [OWN]),
        (ALICE, SECRET, [PHONE]),
        (ALICE, SECRET, [NEW]),  # the same password, given anew: it has to be hashed once
        (ALICE, SECRET, []),
        (ALICE + SECRET[:1], SECRET[1:], [OWN]),
        (ALICE, SECRET + OWN[:1], [OWN[1:]]),
    ],
)
@pytest.mark.parametrize("restarted", [False, True])
def test_nothing_else_is(
    right: RightPasswords,
    path: Path,
    login: bytes,
    password: bytes,
    hashes: list[bytes],
    restarted: bool,
) -> None:
    if restarted:
        right.finish()
        right = RightPasswords(path)
    assert right.find(login, password, hashes, 5) is None


def test_is_kept_over_a_restart_in_a_file_of_ones_own(right: RightPasswords, path: Path) -> None:
    right.finish()
    assert path.stat().st_mode & 0o777 == 0o600
    again = RightPasswords(path)
    assert again.find(ALICE, SECRET, [OWN]) == OWN
    again.add(BOB, SECRET, PHONE)
    again.finish()
    third = RightPasswords(path)
    assert third.find(ALICE, SECRET, [OWN]) == OWN
    assert third.find(BOB, SECRET, [PHONE]) == PHONE


def test_the_file_names_neither_login_nor_password_nor_hash(
    right: RightPasswords, path: Path
) -> None:
    right.finish()
    content = path.read_bytes()
    for word in (ALICE, SECRET, OWN):
        assert word not in content
        assert word.hex().encode() not in content


def test_another_servers_key_makes_other_digests(right: RightPasswords, path: Path) -> None:
    right.finish()
    found = json.loads(path.read_text())
    other = RightPasswords(path.with_name("other"))
    other.add(ALICE, SECRET, OWN)
    other.finish()
    theirs = json.loads(path.with_name("other").read_text())
    assert theirs["key"] != found["key"]
    assert theirs["right"] != found["right"]


@pytest.mark.parametrize(
    "broken",
    [
        *("", "[]", "{}", '{"key": 1, "right": []}', '{"key": "", "right": []}', "\xff"),
        '{"key": "00", "right": []}',
        json.dumps({"key": "00" * 32, "right": ["00"]}),
        json.dumps({"key": "00" * 32, "right": [1]}),
        json.dumps({"key": "00" * 32, "right": {"a": 1}}),
    ],
)
def test_a_broken_file_is_begun_afresh(path: Path, broken: str) -> None:
    path.write_bytes(broken.encode("latin-1"))
    right = RightPasswords(path)
    assert right.find(ALICE, SECRET, [OWN]) is None
    right.add(ALICE, SECRET, OWN)
    right.finish()
    assert RightPasswords(path).find(ALICE, SECRET, [OWN]) == OWN


def test_a_file_that_cannot_be_written_costs_the_memory_over_a_restart_alone(
    tmp_path: Path,
) -> None:
    path = tmp_path / "missing" / "right.json"
    right = RightPasswords(path)
    right.add(ALICE, SECRET, OWN)
    right.finish()
    assert right.find(ALICE, SECRET, [OWN]) == OWN
    path.parent.mkdir()
    right.finish()  # there is room again
    assert RightPasswords(path).find(ALICE, SECRET, [OWN]) == OWN


@pytest.mark.parametrize("hashes", [[], [PHONE], [OWN], [OWN, PHONE], [PHONE, NEW, OWN]])
def test_it_takes_as_long_whatever_there_is_to_compare(
    right: RightPasswords, hashes: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    digest = hmac.digest
    monkeypatch.setattr(hmac, "digest", lambda *each: made.append(each) or digest(*each))
    right.find(ALICE, SECRET, hashes, 3)
    assert len(made) == 3


def test_the_one_that_was_used_last_stays(
    right: RightPasswords, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(right_passwords, "MOST_RIGHT", 3)
    for number in range(10):
        right.add(BOB, b"%d" % number, PHONE)
        assert right.find(ALICE, SECRET, [OWN]) == OWN
    right.finish()
    assert len(json.loads(path.read_text())["right"]) == 3
