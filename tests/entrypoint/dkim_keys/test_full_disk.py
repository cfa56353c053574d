"""DKIM keys where the disk takes nothing: what signs goes on to sign, and nothing is half done."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import pytest

from entrypoint.dkim_keys.ticker import KeyTicker

from ...refusing_disk import refusing
from .places import DOMAIN, NOW, Places, configured

QUICK = configured(DKIM_KEY_TYPES="ed25519")
NEWER = configured(DKIM_KEY_TYPES="ed25519", DKIM_SELECTOR="other")
ALL = pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
YEAR = 366 * 86_400


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places.new(tmp_path)


@ALL
def test_a_start_that_changes_nothing_needs_no_room(places: Places, number: int) -> None:
    places.start(QUICK)
    with refusing(places.data, number):
        places.start(QUICK)
        assert places.store(QUICK).undone == ()
    assert places.signers() == ["mail-ed25519"]


@ALL
def test_a_new_key_has_to_wait_and_the_one_that_signs_goes_on(places: Places, number: int) -> None:
    places.start(QUICK)
    store = places.store(NEWER)
    with refusing(places.data, number), store.locked():
        assert store.reconcile(NOW + YEAR) == []
        store.sync()
    (said,) = store.undone
    assert said.startswith(f"{DOMAIN}: the DKIM keys stay as they are: {places.data}/{DOMAIN}/")
    assert places.signers() == ["mail-ed25519"]
    assert places.files() == {"mail-ed25519"}
    places.start(NEWER, NOW + YEAR)
    assert places.store(NEWER).undone == ()
    assert len(places.files()) == 2


@ALL
def test_a_domain_without_a_key_is_an_error_with_its_path(places: Places, number: int) -> None:
    store = places.store(QUICK)
    with refusing(places.data, number), store.locked(), pytest.raises(OSError) as caught:
        store.reconcile(NOW)
    assert caught.value.filename.startswith(str(places.data))


@ALL
def test_a_rotation_leaves_nothing_half_done(places: Places, number: int) -> None:
    places.start(QUICK)
    state = (places.data / "state.json").read_text()
    store = places.store(QUICK)
    # The keys can be written and the state cannot.
    with refusing(places.data / ".state.json", number), store.locked(), pytest.raises(OSError):
        store.rotate(DOMAIN, NOW)
    assert places.files() == {"mail-ed25519"}
    assert (places.data / "state.json").read_text() == state


def test_the_server_says_it_once(places: Places) -> None:
    places.start(QUICK)
    ticker = KeyTicker(places.store, port=1)
    demo = NEWER.model_copy(update={"demo": True})  # asks no DNS
    with refusing(places.data):
        (said,) = asyncio.run(ticker.tick(demo, NOW + YEAR))
        assert said[0] == "error"
        assert "no space left on its disk" in said[1]
        assert asyncio.run(ticker.tick(demo, NOW + YEAR + 60)) == []
