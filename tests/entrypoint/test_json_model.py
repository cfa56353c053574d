"""Small files of JSON: what is of the known form is read, anything else is named by its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from entrypoint.dkim_keys.model import DomainKeys, Key, Observation
from entrypoint.dkim_keys.state_file import as_text, read_state
from entrypoint.json_model import JsonModel, read_json
from entrypoint.tls.acme import read_attempts, write_attempts
from entrypoint.tls.acme_plan import Attempt


class _Pet(JsonModel):
    name: str
    age: int
    toys: tuple[str, ...] = ()


def test_what_is_of_the_form_is_read_and_what_is_beyond_it_passed_over() -> None:
    text = '{"name": "Rex", "age": 3, "toys": ["ball"], "colour": "black"}'
    assert read_json(_Pet, text) == _Pet(name="Rex", age=3, toys=("ball",))


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "Invalid JSON"),
        ("[]", "Input should be an object"),
        ('{"age": 3}', "name: "),
        ('{"name": "secret"}', "age: "),
        ('{"name": 1, "age": 3}', "name: "),
        ('{"name": "secret", "age": "secret"}', "age: "),
        ('{"name": "secret", "age": true}', "age: "),
        ('{"name": "secret", "age": 3.0}', "age: "),
        ('{"name": "secret", "age": 3, "toys": [1]}', "toys.0: "),
        ("[" * 100_000, "Invalid JSON"),
    ],
)
def test_what_is_not_is_named_by_its_place_and_not_shown(text: str, where: str) -> None:
    with pytest.raises(ValueError, match="^" + where) as caught:
        read_json(_Pet, text)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


_STATE = {
    "example.org": DomainKeys(
        {"rsa": "mail"},
        (
            Key("mail", "rsa", "signing", 10, 20, 30, None, Observation("served")),
            Key("old", "ed25519", "old", 10, 20, None, 40, None, 2),
        ),
        ("older",),
    )
}


def _with(path: str, value: object) -> str:
    """The state with another value at this place, or without it where the value is `...`."""
    found: Any = json.loads(as_text(_STATE))
    *most, last = path.split("/")
    at = found
    for name in most:
        at = at[int(name)] if name.isdecimal() else at[name]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return json.dumps(found)


def test_the_state_of_the_keys_is_read_as_it_was_written() -> None:
    assert read_state(as_text(_STATE)) == _STATE


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", 2),
        ("version", ...),
        ("domains", []),
        ("domains/example.org/keys", ...),
        ("domains/example.org/removed", ...),
        ("domains/example.org/keys/0/type", "dsa"),
        ("domains/example.org/keys/0/status", "signs"),
        ("domains/example.org/keys/0/since", None),
        ("domains/example.org/keys/0/created", "yesterday"),
        ("domains/example.org/keys/0/until", ...),
        ("domains/example.org/keys/0/until", "never"),
        ("domains/example.org/keys/0/dns", {"answer": "perhaps", "detail": ""}),
        ("domains/example.org/keys/0/unserved", "many"),
    ],
)
def test_a_state_that_is_none_is_refused_by_its_place(path: str, value: object) -> None:
    with pytest.raises(ValueError, match=path.replace("/", r"\.")):
        read_state(_with(path, value))


def test_attempts_are_read_as_they_were_written_and_an_earlier_version_s_too(
    tmp_path: Path,
) -> None:
    attempts = (
        Attempt(1.0, "issued", 0.0, ("a", "b")),
        Attempt(2.5, "failed", 3.0, ("a",), ("a",)),
    )
    (tmp_path / "attempts.json").write_text(
        json.dumps([{"at": 2, "outcome": "failed", "not_before": 0}])
    )
    assert read_attempts(tmp_path) == (Attempt(2.0, "failed"),)
    if tmp_path.owner() == "root":
        write_attempts(tmp_path, attempts[::-1])
        assert read_attempts(tmp_path) == attempts


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        '[{"at": 1, "not_before": 0}]',
        '[{"at": 1, "outcome": "perhaps", "not_before": 0}]',
        '[{"at": "soon", "outcome": "failed", "not_before": 0}]',
    ],
)
def test_attempts_that_are_none_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "attempts.json").write_text(text)
    with pytest.raises(ValueError, match=r"."):
        read_attempts(tmp_path)
