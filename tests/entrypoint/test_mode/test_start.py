"""Whose names the container asks for: the test target's own, and nobody else's."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrypoint.config.problems import ConfigurationError
from entrypoint.test_mode.start import ask_ourselves


@pytest.mark.parametrize(
    ("before", "engine"),
    [
        ("nameserver 192.0.2.53\nnameserver 192.0.2.54\n", False),
        ("search example\nnameserver 127.0.0.11\noptions ndots:0\n", True),
        ("nameserver 127.0.0.1\n", False),
        ("", False),
    ],
)
def test_no_other_name_server_is_left(before: str, engine: bool, tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text(before)
    for _ in range(2):  # the container's first start, and the next
        assert ask_ourselves(path, tmp_path / "ours") == engine
        lines = path.read_text().splitlines()
        assert [line for line in lines if not line.startswith("#")] == ["nameserver 127.0.0.1"]


def test_where_that_is_not_possible_the_cure_is_said(tmp_path: Path) -> None:
    path = Path("/proc/version")  # it can be read, and not written
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError) as caught:
        ask_ourselves(path, tmp_path / "file/ours")
    (error,) = caught.value.errors
    assert str(path) in error
    assert "--dns 127.0.0.1" in error
