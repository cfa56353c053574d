"""In which order the tests go, and that a busy machine fails no property test by its clock."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

FIRST = Path(__file__).parent / "filters"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First some that need no image: it is being built meanwhile (see the Makefile).

    Its own tests come next, since they have the longest files, and many short files last: no
    process then has one to itself for long while the others are done.
    """
    items.sort(key=lambda item: FIRST not in item.path.parents)
