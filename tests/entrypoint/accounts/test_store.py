"""The file in /data/accounts: what is written is read, and what is none is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from entrypoint.accounts.store import AccountStore, as_text, read_stored
from entrypoint.accounts.stored import Stored, StoredAccount, StoredPassword
from entrypoint.config.problems import ConfigurationError

STORED = Stored(
    {
        "dave@example.org": StoredAccount("$6$hash", 5 * 1024**3),
        "e@example.org": StoredAccount("x"),
    },
    {"@example.org": ("dave@example.org", "y@far.example")},
    {"dave@example.org": (StoredPassword("Dörte's phone", "$5$hash", "2026-11-25T08:20:40Z"),)},
)


def store(folder: Path) -> AccountStore:
    return AccountStore(folder / "accounts", root=folder.owner())


def test_what_is_kept_is_read_again() -> None:
    assert read_stored(as_text(STORED)) == STORED
    assert read_stored(as_text(Stored())) == Stored()


def test_nothing_is_kept_at_first(tmp_path: Path) -> None:
    assert store(tmp_path).load() == Stored()


def test_the_file_is_its_owner_s_alone_and_nothing_else_is_left(tmp_path: Path) -> None:
    place = store(tmp_path)
    with place.locked():
        (place.folder / f".{place.path.name}.123").touch()  # by a process that was killed
        place.save(STORED)
        place.save(STORED)
    assert place.load() == STORED
    assert place.path.stat().st_mode & 0o777 == 0o600
    assert {path.name for path in place.folder.iterdir()} == {"accounts.json", ".lock"}
    json.loads(place.path.read_text())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"version": 2, "accounts": {}, "aliases": {}, "app_passwords": {}}',
        '{"version": 1, "accounts": {}, "aliases": {}}',
        '{"version": 1, "accounts": [], "aliases": {}, "app_passwords": {}}',
        '{"version": 1, "accounts": {"a@b.c": {"hash": "$6$secret"}}, "aliases": {},'
        ' "app_passwords": {}}',
        '{"version": 1, "accounts": {"a@b.c": {"hash": "$6$secret", "quota": -1}}, "aliases": {},'
        ' "app_passwords": {}}',
        '{"version": 1, "accounts": {"a@b.c": {"hash": "$6$secret", "quota": true}},'
        ' "aliases": {}, "app_passwords": {}}',
        '{"version": 1, "accounts": {}, "aliases": {"a@b.c": [1]}, "app_passwords": {}}',
        "\xff",
    ],
)
def test_a_file_that_is_none_is_refused_with_its_name_and_without_its_secrets(
    tmp_path: Path, text: str
) -> None:
    place = store(tmp_path)
    place.folder.mkdir()
    place.path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigurationError) as caught:
        place.load()
    assert str(place.path) in str(caught.value)
    assert "secret" not in str(caught.value)
