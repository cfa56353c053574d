"""What the tests of backups share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from entrypoint.backup import state_files


@pytest.fixture(scope="package", autouse=True)
def _whoever_runs_the_tests_is_each_owner() -> Iterator[None]:
    """The image's users are not on a developer's machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state_files, "acting_as", lambda _: nullcontext())
        yield
