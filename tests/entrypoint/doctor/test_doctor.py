"""The doctor against a good deployment, and against one that is broken for each check.

A case of `doctor/broken/*.toml` says what differs from a good one (`doctor/good.toml`, or what
`base` names), and `says` has every
line that is then new, whole. `SIGNPOST_GOLDEN=write pytest …` prints what it would be instead.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest

from entrypoint.doctor.finding import STATUSES, table, worst

from .deployment import FOLDER, HOST, look

BASES = ("good", "web_service")


def _cases() -> list[Any]:
    return [
        pytest.param(case, id=f"{file.stem}: {case['name']}")
        for file in sorted((FOLDER / "broken").glob("*.toml"))
        for content in [tomllib.loads(file.read_text())]
        for case in [{"base": content.get("base", "good"), **each} for each in content["case"]]
    ]


@pytest.fixture(scope="module")
def good_lines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What is said of each deployment in which all is well."""
    return {base: look({"base": base}, tmp_path_factory.mktemp(base)).lines() for base in BASES}


@pytest.mark.parametrize("base", BASES)
def test_a_good_deployment_is_all_green(base: str, tmp_path: Path) -> None:
    seen = look({"base": base}, tmp_path)
    findings = [each for each in seen.findings if each.check != "disk"]
    assert worst(findings) == "ok"
    lines = [
        seen.named(f"{line.before}{line.mark or ''}{line.after}") for line in table(HOST, findings)
    ]
    printed = "\n".join(lines) + "\n"
    if os.environ.get("SIGNPOST_GOLDEN") == "write":
        (FOLDER / f"{base}.txt").write_text(printed)
    assert printed == (FOLDER / f"{base}.txt").read_text()


@pytest.mark.parametrize("case", _cases())
def test_what_is_broken_is_told(
    case: dict[str, Any], good_lines: dict[str, list[str]], tmp_path: Path
) -> None:
    seen = look(case, tmp_path)
    said = [line for line in seen.lines() if line not in good_lines[case["base"]]]
    if os.environ.get("SIGNPOST_GOLDEN") == "write":
        print("\n".join(f"    {line!r}," for line in said))
        return
    assert said == case["says"]
    for each in seen.findings:
        assert each.status in STATUSES
        assert (each.detail + each.cure).isprintable()
        assert (each.detail + each.cure).isascii()


def test_nothing_is_ever_sent(tmp_path: Path) -> None:
    """Every server of the deployment, the foreign one too, hears no DATA."""
    heard = look({}, tmp_path).heard
    commands = {command.split()[0] for said in heard.values() for command in said}
    assert commands == {"EHLO", "STARTTLS", "MAIL", "RCPT", "RSET", "QUIT"}
    assert {command.split()[0] for command in heard["127.0.0.4:25"]} == {"QUIT"}
