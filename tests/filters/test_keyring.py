"""Which keys sign, when they are read, and those that do not load."""

from pathlib import Path

import pytest

from filters.keyring import KeyRing, KeySpec
from filters.mailauth.dkim.signing_key import load_signing_key, public_record

from .signing_keys import write_key


def test_a_changed_key_is_used_and_a_broken_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "key"
    write_key(path)
    monkeypatch.setattr("filters.keyring.LOOK_EVERY", 0.0)
    ring = KeyRing([KeySpec.parse(f"example.org:s:{path}")])
    first = public_record(ring.keys_for("example.org")[0])
    write_key(tmp_path / "next")
    (tmp_path / "next").replace(path)
    second = public_record(ring.keys_for("example.org")[0])
    assert second != first
    path.write_text("no key at all, and longer than that")
    assert public_record(ring.keys_for("example.org")[0]) == second
    assert "not used" in caplog.text


def test_every_key_that_does_not_load_is_told(tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("nonsense")
    specs = [KeySpec.parse(f"a.example:s:{tmp_path}/bad"), KeySpec.parse("b.example:s:/nowhere")]
    with pytest.raises(ValueError, match=r"bad.*\n/nowhere"):
        KeyRing(specs)


def test_the_triples_may_stand_in_a_file(tmp_path: Path) -> None:
    write_key(tmp_path / "org")
    write_key(tmp_path / "net")
    path = tmp_path / "triples"
    path.write_text(
        f"# comment\n\n  example.org:s1:{tmp_path}/org\nexample.net:s2:{tmp_path}/net\n"
    )
    assert set(KeyRing([], path).domains) == {"example.org", "example.net"}
    path.write_text("example.org:s1\n:::\n")
    with pytest.raises(ValueError, match=r":1: .*\n.*:2: "):
        KeyRing([], path)


def test_a_key_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError):
        load_signing_key("example.org", "s", b"-----BEGIN NOTHING-----\n")
