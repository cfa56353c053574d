"""What the tests of backups share."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from entrypoint.backup import state_files


@pytest.fixture(autouse=True)
def _everybody_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The image's users are not on a developer's machine."""
    monkeypatch.setattr(state_files, "acting_as", lambda _: nullcontext())
