"""The pytest plugin's own tests, with the plugin installed as from an index."""

from __future__ import annotations

from pathlib import Path

from pytest_signpost.server import Server

from .suites import PLUGIN, addresses, copied, run_pytest


def test_its_own_suite(target: Server, target_image: str, plugin: str, tmp_path: Path) -> None:
    folder = copied(PLUGIN / "tests", tmp_path)
    where = {"PYTHONPATH": plugin, "TARGET_IMAGE": target_image, **addresses(target)}
    run_pytest(folder, "-n", "2", plugins=["xdist", "signpost"], **where)
    assert target.api.json("GET", "/api/v1/messages")["total"] == 0
