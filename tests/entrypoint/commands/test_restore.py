"""What `signpost restore` says of keys that DNS has moved past, and does with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from click.testing import CliRunner

from entrypoint.backup import moved_keys
from entrypoint.backup.moved_keys import RestoredKey
from entrypoint.backup.restore import Contents
from entrypoint.commands import restore
from entrypoint.dkim_keys.model import Observation

from ..backup.volumes import MANIFEST

CONTENTS = Contents(MANIFEST)
KEYS = [
    RestoredKey("a.example", "served", Observation("served")),
    RestoredKey("a.example", "gone", Observation("missing", "no name server\x1b has it")),
    RestoredKey("b.example", "silent", Observation("unknown", "no answer")),
]


@pytest.fixture(autouse=True)
def _dns(monkeypatch: pytest.MonkeyPatch) -> None:
    async def look(_: Mapping[str, bytes], __: Sequence[str]) -> list[RestoredKey]:
        return KEYS

    monkeypatch.setattr(moved_keys, "look", look)


def test_such_a_key_is_named_and_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    found = restore.keys_left_out(CONTENTS, keep_keys=False)
    assert [key.selector for key in found] == ["gone"]
    first, second = capsys.readouterr().err.splitlines()
    assert first == (
        r"warning: DKIM key gone of a.example: DNS has moved past it (no name server\x1b has it); "
        "it is not restored. The first start makes a new one and prints its record. (--keep-keys "
        "restores it)"
    )
    assert second == (
        "warning: DKIM key silent of b.example: whether DNS serves it is not known: no answer"
    )


def test_whoever_wants_it_has_it_and_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert restore.keys_left_out(CONTENTS, keep_keys=True) == []
    assert "DNS has moved past it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "an archive to restore, or --release-queue"),
        (["-"], "It is read twice, so mount it"),
        (["/nothing/there"], "no such file in this container"),
    ],
)
def test_what_cannot_be_restored_is_said(options: list[str], said: str) -> None:
    done = CliRunner().invoke(restore.command, options)
    assert (done.exit_code, said in done.output) == (2, True), done.output


def test_a_test_target_takes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODE", "test")
    done = CliRunner().invoke(restore.command, ["/backup"])
    assert done.exit_code == 2
    assert "a test target (MODE=test) keeps nothing and restores nothing" in done.output
