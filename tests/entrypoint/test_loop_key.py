"""The key of the marks of mail loops: made once, a copy for each who needs it."""

import errno
from pathlib import Path

import pytest
from pydantic import SecretStr

from entrypoint import data, render
from entrypoint.completion import preview
from entrypoint.config import environ
from entrypoint.config.settings import HostFacts
from entrypoint.log_line import LogLine


def test_each_who_needs_it_has_a_file_that_nobody_else_reads() -> None:
    settings = preview(environ.load({}, host=HostFacts(ipv6=True, gateways=())))
    assert settings.loop_key is not None
    key = settings.loop_key.get_secret_value()
    holders = [file for file in render.render(settings) if key in file.content]
    assert {(file.path.name, file.owner, file.mode) for file in holders} == {
        (user, user, 0o400) for user in ("vmail", "verifier", "signer")
    }
    assert not [file for file in render.render_masked(settings) if key in file.content]
    without = settings.model_copy(update={"loop_key": None})
    assert not [file for file in render.render(without) if "/run/signpost/marks" in file.content]


def test_it_stays_and_a_full_disk_keeps_no_server_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[LogLine] = []

    def full(path: Path, *_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(data, "write_file", full)
    assert data._loop_key(tmp_path, said.append) is None
    assert "mail loops are not recognized" in said[0].text
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/loops").write_text("made before\n")
    assert data._loop_key(tmp_path, said.append) == SecretStr("made before")
