"""Old mail as lessons: what is no mail among it."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path

import pytest

from entrypoint.junk import training_program
from entrypoint.junk.training import Training, train


def test_an_mbox_of_nothing_but_what_is_no_mail_fills_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the server's own programs have is in the same container."""
    monkeypatch.setattr(training_program, "VMAIL", None)
    number = 20_000
    source = io.BytesIO(b"From a@example.net\nA: b\n\n" * number)
    training = Training()
    tracemalloc.start()
    try:
        train(training, tmp_path, "spam", ["-"], source, lambda: None)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000
    assert training.left_out == number
    assert len(training.named) == 20
    assert training.named[0].startswith("standard input: message 1: no mail")
