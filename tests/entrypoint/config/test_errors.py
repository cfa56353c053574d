"""Bad configuration, by its messages: each case of errors/*.toml, whole and in order."""

from __future__ import annotations

import tempfile
import tomllib
import zoneinfo
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from entrypoint.config.environ import ConfigurationError, load_to_start
from entrypoint.config.settings import HostFacts

HOST = HostFacts(ipv6=False)


def _cases() -> list[Any]:
    found = []
    for file in sorted((Path(__file__).parent / "errors").glob("*.toml")):
        content = tomllib.loads(file.read_text())
        for case in content["case"]:
            case["env"] = content.get("base", {}) | case.get("env", {})
            found.append(pytest.param(case, id=f"{file.stem}: {case['name']}"))
    return found


@pytest.fixture
def folder() -> Iterator[Path]:
    """One with a short name: a message shortens what is long."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        yield Path(name)


@pytest.mark.parametrize("case", _cases())
def test_every_mistake_is_told(case: dict[str, Any], folder: Path) -> None:
    if case.get("needs_zones") and not zoneinfo.available_timezones():
        pytest.skip("this machine has no time zone database")
    for name, content in case.get("files", {}).items():
        value = bytes([int(content[5:], 16)]) if content.startswith("byte:") else content.encode()
        (folder / name).write_bytes(value)
    environ = {
        name: value.replace("{folder}", str(folder)) for name, value in case["env"].items()
    }
    with pytest.raises(ConfigurationError) as caught:
        load_to_start(environ, host=HOST, kept=())
    expected = [line.replace("{folder}", str(folder)) for line in case["errors"]]
    assert caught.value.errors == expected
    for secret in case.get("secrets", []):
        assert secret not in str(caught.value)


def test_bytes_that_are_not_utf_8_are_told_and_not_shown() -> None:
    environ = {"LOG_LEVEL": b"debug\xff".decode("utf-8", "surrogateescape")}
    with pytest.raises(ConfigurationError) as caught:
        load_to_start(environ, host=HOST, kept=())
    assert caught.value.errors == ["LOG_LEVEL: the value is not UTF-8; write it in UTF-8"]
