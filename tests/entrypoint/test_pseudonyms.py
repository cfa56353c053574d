"""Pseudonyms in the place of addresses: pseudonym_cases.txt, and what holds for all."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from entrypoint import pseudonyms
from entrypoint.log_fields.of_line import fields_of
from entrypoint.pseudonyms import Pseudonyms

CASES = Path(__file__).with_name("pseudonym_cases.txt")
NAMES = Pseudonyms(b"a key")


def cases() -> Iterator[tuple[str, list[str], list[str]]]:
    for block in CASES.read_text("utf-8").split("\n\n"):
        lines = [line for line in block.splitlines() if line and not line.startswith("#")]
        if not lines:
            continue
        text, *rest = lines
        hidden = [word for line in rest if not line.startswith("|") for word in line.split()]
        stays = [word for line in rest if line.startswith("|") for word in line[2:].split()]
        yield text, hidden, stays


@pytest.mark.parametrize(("text", "hidden", "stays"), list(cases()))
def test_a_line(text: str, hidden: list[str], stays: list[str]) -> None:
    assert text.isprintable()
    written = NAMES.text(text)
    for word in hidden:
        assert word in text
        assert word.lower() not in written.lower()
    for word in stays:
        assert word in written


@pytest.mark.parametrize(("text", "hidden", "stays"), list(cases()))
def test_twice_is_as_once(text: str, hidden: list[str], stays: list[str]) -> None:
    once = NAMES.text(text)
    assert NAMES.text(once) == once


def test_the_same_address_has_the_same_pseudonym_everywhere() -> None:
    texts = (
        "from=<Wendy@Far.example>",
        "user=wendy@far.example result=ok",
        "lmtp(wendy@far.example)<1><2>: x",
        "wendy+tag@far.example",
        "SRS0=abcd=zz=far.example=wendy@example.org",
        "/data/mail/far.example/wendy/Maildir",
    )
    found = {name for text in texts for name in re.findall(r"user-[a-z2-7]{10}", NAMES.text(text))}
    assert len(found) == 1
    other = Pseudonyms(b"another key").address("wendy@far.example")
    assert other.partition("@")[0] not in found
    assert NAMES.address("wendy@far.example").partition("@")[0] in found


def test_a_line_keeps_its_fields() -> None:
    """What is logged with pseudonyms is read as what is logged without."""
    for path in sorted((Path(__file__).parent / "log_fields/cases").glob("*.txt")):
        for line in path.read_text("utf-8").splitlines():
            program, colon, message = line.partition(": ")
            if not colon or line.startswith(("#", " ")):
                continue
            before, after = fields_of(program, message), fields_of(program, NAMES.text(message))
            assert set(before) == set(after)
            for name in ("event", "session", "msgid", "evpid", "client", "result", "size"):
                assert before.get(name) == after.get(name)


def test_no_local_part_of_any_address_is_left() -> None:
    chance = random.Random(9)
    frames = ("<{}>", "({})", "'{}'", '"{}"', "to={} x", "{}: no", "x {}, y", "mailto:{};", "[{}]")
    middle = "abcdefghijklmnopqrstuvwxyz0123456789!#$&*+-/?^_`|~.=%'\\"
    for _ in range(3000):
        secret = f"zq{chance.randrange(10**6)}qz"
        local = "".join(chance.choices(middle, k=chance.randint(0, 4))) + secret
        local += "".join(chance.choices(middle, k=chance.randint(0, 4)))
        text = chance.choice(frames).format(f"{local}@far.example")
        assert secret not in NAMES.text(text), text


def test_a_long_line_takes_no_long_time() -> None:
    for text in (
        *("a" * 8000, "a@" * 4000, '\\"' * 4000, '"' * 8000, "user=" * 1600, "=" * 8000),
        *(f'"{"@" * 8000}" x"@a', f'\\"{"@" * 8000}x\\" "@a', '" @' * 2600 + '"@a'),
    ):
        begin = time.process_time()
        NAMES.text(text)
        assert time.process_time() - begin < 0.5, text[:10]


def test_all_programs_of_a_start_use_the_same(tmp_path: Path) -> None:
    file = tmp_path / "pseudonyms"
    assert Pseudonyms.of_this_start(file) is None
    pseudonyms.use("thekey", "-", file)
    assert file.stat().st_mode & 0o777 == 0o600
    found = Pseudonyms.of_this_start(file)
    assert found is not None
    assert found.address("a-b@x.example") == found.address("a@x.example")
    pseudonyms.stop_using(file)
    pseudonyms.stop_using(file)
    assert Pseudonyms.of_this_start(file) is None
