from collections.abc import Iterator

import pytest

from tests.entrypoint.test_target.running import Running, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One for all cases of a module."""
    with running(tmp_path_factory.mktemp("target") / "store.db") as server:
        yield server


@pytest.fixture
def target(server: Running) -> Running:
    """The same, empty."""
    server.empty()
    return server
