"""The examples of docs/testing.md, as a newcomer runs them."""

from __future__ import annotations

import re
from pathlib import Path

from pytest_signpost.server import Server

from tests.container.harness.signpost import ROOT

from .suites import addresses, copied, run_node, run_pytest, with_packages

EXAMPLES = ROOT / "docs/testing"


def test_python(target: Server, plugin: str, tmp_path: Path) -> None:
    folder = copied(EXAMPLES / "python", tmp_path)
    where = {"PYTHONPATH": plugin, **addresses(target)}
    out = run_pytest(folder, "-n", "2", plugins=["xdist", "signpost"], **where)
    passed = re.search(r"^(\d+) passed in", out, re.MULTILINE)
    assert passed
    assert int(passed[1]) >= 20
    # Nothing is left behind for the next one.
    assert target.api.json("GET", "/api/v1/messages")["total"] == 0
    assert target.api.json("GET", "/api/v1/faults")["faults"] == []
    assert target.api.json("GET", "/api/v1/dns")["runs"] == []


def test_javascript(target: Server, tmp_path: Path) -> None:
    folder = with_packages(copied(EXAMPLES / "javascript", tmp_path / "shop"))
    out = run_node(folder, **addresses(target))
    assert "# pass 7\n" in out
    assert target.api.json("GET", "/api/v1/messages")["total"] == 0
