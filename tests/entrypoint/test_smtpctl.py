"""How smtpctl is run: what it prints, and what is said where it fails."""

from __future__ import annotations

import asyncio

import pytest

from entrypoint import smtpctl


def run(script: str) -> str:
    return asyncio.run(smtpctl.run("show", "queue", command=("/bin/sh", "-c", script, "smtpctl")))


def test_what_it_prints() -> None:
    assert run('printf "%s\\n\\377\\n" "$*"') == "show queue\n\\xff\n"


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo smtpctl: no daemon >&2; exit 1", "no daemon"),
        ("echo this; echo '\033[31m'; exit 1", r"this \x1b[31m"),
        ("exit 3", "exit status 3"),
        ("kill -9 $$", "exit status -9"),
    ],
)
def test_it_fails(script: str, why: str) -> None:
    with pytest.raises(smtpctl.SmtpctlError) as caught:
        run(script)
    assert str(caught.value) == f"smtpctl show queue: {why}"


def test_it_is_not_there() -> None:
    with pytest.raises(smtpctl.SmtpctlError) as caught:
        asyncio.run(smtpctl.run("resume", "mta", command=("/nowhere",)))
    assert str(caught.value) == "smtpctl resume mta: /nowhere: No such file or directory"


def test_it_has_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtpctl, "SECONDS", 0.2)
    with pytest.raises(
        smtpctl.SmtpctlError, match=r"^smtpctl show queue: no answer within 0\.2 s$"
    ):
        run("exec sleep 60")
