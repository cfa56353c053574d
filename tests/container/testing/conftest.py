"""One test target for these modules: the image, started as the pytest plugin starts it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator

import pytest
from pytest_signpost.container import remove, start
from pytest_signpost.server import Server

from tests.container.harness.shell import fresh, run
from tests.container.harness.signpost import IMAGE

from .suites import PLUGIN


@pytest.fixture(scope="session")
def server(target_image: None) -> Iterator[Server]:
    name = fresh("signpost-test-target")
    try:
        yield start(IMAGE, name)
    finally:
        remove(name)


@pytest.fixture
def target(server: Server) -> Server:
    """The same, empty."""
    server.api.bytes("DELETE", "/api/v1/messages")
    return server


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the pytest plugin is installed, from its own package."""
    folder = tmp_path_factory.mktemp("plugin")
    source = shutil.copytree(PLUGIN, folder / "source")  # a build leaves files there
    run(
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--no-index", "--no-deps", "--no-build-isolation", "--target", str(folder / "installed")),
        str(source),
    )
    return str(folder / "installed")
