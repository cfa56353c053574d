"""Killed with SIGKILL before any of its file operations, a change of keys goes on afterwards.

Each case runs in a process of its own that an audit hook kills at its nth operation on a file of
/data or /run, for every n that there is.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from itertools import count, cycle
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from entrypoint.dkim_keys.lifecycle import GRACE
from entrypoint.dkim_keys.model import Observation
from entrypoint.dkim_keys.state_file import read_state

from .places import DOMAIN, NOW, Places, configured

# Ed25519 only: the files are the same and no prime numbers are looked for.
QUICK = configured(DKIM_KEY_TYPES="ed25519")
OPERATIONS = {"open", "os.rename", "os.remove", "os.mkdir", "os.chmod", "os.chown"}
SERVED = Observation("served")
FIRST, SECOND = "mail-ed25519", "mail-20251124-ed25519"

Change = Callable[[Places], None]


@pytest.fixture(autouse=True, scope="module")
def no_prime_numbers() -> Iterator[None]:
    """Nor where there are RSA keys, too, which are made some hundred times: these are taken."""
    keys = cycle([rsa.generate_private_key(65537, 2048) for _ in range(2)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rsa, "generate_private_key", lambda exponent, bits: next(keys))
        yield


def killed_at(number: int, folder: Path, change: Callable[[], None]) -> bool:
    """Run a change in a process that is killed before its nth operation; whether it got there."""
    process = os.fork()
    if not process:
        left = number

        def audit(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal left
            if event in OPERATIONS and str(arguments[0]).startswith(str(folder)):
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        status = 1
        try:
            sys.addaudithook(audit)
            change()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(process, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def killed_everywhere(folder: Path, before: Change, change: Change) -> Iterator[Places]:
    """What there is after each kill, and at last after the change has been made in peace."""
    for number in count():
        places = Places.new(folder / str(number))
        before(places)
        done = not killed_at(number, places.folder, lambda: change(places))  # noqa: B023
        yield places
        if done:
            assert number > 5, "nothing was killed"
            return


def started(places: Places) -> None:
    places.start(QUICK)


def seen(places: Places, selector: str, now: int = NOW) -> None:
    store = places.store(QUICK)
    with store.locked():
        store.observe({DOMAIN: {selector: SERVED}}, now)
        store.sync()


def rotated(places: Places) -> None:
    store = places.store(QUICK)
    with store.locked():
        assert [key.selector for key in store.rotate(DOMAIN, NOW)] == [SECOND]


def published(places: Places) -> None:
    started(places)
    seen(places, FIRST)


def waiting(places: Places) -> None:
    published(places)
    rotated(places)


def over(places: Places) -> None:
    waiting(places)
    seen(places, SECOND)
    places.start(QUICK, NOW + GRACE)
    assert places.statuses(QUICK) == {FIRST: "removable", SECOND: "signing"}


def removed(places: Places) -> None:
    store = places.store(QUICK)
    with store.locked():
        store.remove(DOMAIN, FIRST, NOW + GRACE)


def nothing(places: Places) -> None:
    """There is no /data yet."""


def test_the_first_start(tmp_path: Path) -> None:
    for places in killed_everywhere(tmp_path, nothing, started):
        kept = {path: path.read_bytes() for path in places.data.glob("*/[!.]*.pem")}
        started(places)
        assert places.signers() == [FIRST]
        assert places.files() == {FIRST}
        # What may have been printed already is not made anew.
        assert all(path.read_bytes() == content for path, content in kept.items())
        assert {path.name for path in places.data.rglob(".*")} == {".lock"}


def test_the_first_start_with_both_types(tmp_path: Path) -> None:
    both = configured()
    for places in killed_everywhere(tmp_path, nothing, lambda places: places.start(both)):
        places.start(both)
        assert places.signers() == ["mail", "mail-ed25519"]


def test_a_rotation(tmp_path: Path) -> None:
    for places in killed_everywhere(tmp_path, published, rotated):
        assert places.signers() == [FIRST]
        places.start(QUICK)
        assert places.signers() == [FIRST]
        rotated(places)
        assert places.statuses(QUICK) == {FIRST: "signing", SECOND: "next"}
        assert places.files() == {FIRST, SECOND}


def test_the_move_to_the_next_key(tmp_path: Path) -> None:
    def move(places: Places) -> None:
        seen(places, SECOND)

    for places in killed_everywhere(tmp_path, waiting, move):
        # Both are published: either may sign, and one of them does.
        assert places.signers() in ([FIRST], [SECOND])
        assert places.files() == {FIRST, SECOND}
        places.start(QUICK)
        assert places.signers() == [
            selector for selector, status in places.statuses(QUICK).items() if status == "signing"
        ]
        move(places)
        assert places.signers() == [SECOND]
        assert places.statuses(QUICK) == {FIRST: "old", SECOND: "signing"}


def test_the_end_of_the_grace_period(tmp_path: Path) -> None:
    def moved(places: Places) -> None:
        waiting(places)
        seen(places, SECOND)

    for places in killed_everywhere(
        tmp_path, moved, lambda places: places.start(QUICK, NOW + GRACE)
    ):
        assert places.signers() == [SECOND]
        assert places.files() == {FIRST, SECOND}


def test_a_removal(tmp_path: Path) -> None:
    for places in killed_everywhere(tmp_path, over, removed):
        assert places.signers() == [SECOND]
        places.start(QUICK, NOW + GRACE)
        if FIRST in places.statuses(QUICK):
            assert FIRST in places.files()
            removed(places)
        assert places.statuses(QUICK) == {SECOND: "signing"}
        assert places.files() == {SECOND}


def test_another_selector(tmp_path: Path) -> None:
    other = configured(DKIM_KEY_TYPES="ed25519", DKIM_SELECTOR="s2")
    for places in killed_everywhere(tmp_path, published, lambda places: places.start(other)):
        places.start(other)
        assert places.statuses(other) == {FIRST: "signing", "s2-ed25519": "next"}
        assert places.signers() == [FIRST]


@pytest.mark.parametrize("before", [started, published, waiting, over])
def test_the_state_is_whole_at_any_moment(tmp_path: Path, before: Change) -> None:
    def change(places: Places) -> None:
        seen(places, SECOND)
        places.start(configured(DKIM_SELECTOR="s2"))

    for places in killed_everywhere(tmp_path, before, change):
        assert read_state((places.data / "state.json").read_text())[DOMAIN].signing
        assert places.signers()
