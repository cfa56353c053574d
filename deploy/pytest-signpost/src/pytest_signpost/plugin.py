"""The fixtures and options. One server serves a whole session, xdist's workers included."""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import Any

import pytest

from pytest_signpost import container
from pytest_signpost.api import Api, SignpostError
from pytest_signpost.mailbox import Mailbox, new_run
from pytest_signpost.server import Server, Smtp

_MAILBOX = pytest.StashKey[Mailbox]()
_CONTAINER = pytest.StashKey[str]()
_NO_SERVER = (
    "no server to test against: start one (`docker run -e MODE=test -p 1025:1025 -p 8025:8025 "
    "IMAGE`) and name it by --signpost-url or SIGNPOST_URL, or let --signpost-image or "
    "SIGNPOST_IMAGE name the image to start"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Each can be an environment variable, too: SIGNPOST_URL for --signpost-url."""
    group = parser.getgroup("signpost", "mail tests")
    group.addoption("--signpost-url", metavar="URL", help="a server that runs: its HTTP address")
    group.addoption(
        "--signpost-smtp", metavar="HOST:PORT", help="its SMTP port, if not 1025 of that host"
    )
    group.addoption("--signpost-image", metavar="IMAGE", help="start this image by docker")
    group.addoption(
        "--signpost-keep",
        action="store_true",
        help="leave each test's messages on the server, to look at",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Name the container that this session may start; xdist's workers get the name from here."""
    if hasattr(config, "workerinput"):
        config.stash[_CONTAINER] = config.workerinput["signpost_container"]
    else:
        config.stash[_CONTAINER] = f"pytest-signpost-{secrets.token_hex(6)}"


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist's: what a worker is told when it begins."""
    node.workerinput["signpost_container"] = node.config.stash[_CONTAINER]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the container, if a worker or this process has started it."""
    name = config.stash.get(_CONTAINER, None)
    if name and not hasattr(config, "workerinput") and _image(config) and not _url(config):
        with suppress(SignpostError):  # the tests have said it, if there is no docker
            container.remove(name)


@pytest.fixture(scope="session")
def signpost_server(pytestconfig: pytest.Config) -> Server:
    """The server, for what is set up once in a session (Django's settings, an application)."""
    try:
        return _server(pytestconfig)
    except SignpostError as error:
        said = str(error)
    pytest.fail(said, pytrace=False)


@pytest.fixture
def signpost(request: pytest.FixtureRequest, signpost_server: Server) -> Iterator[Mailbox]:
    """A run of this test's own: see Mailbox. Everything of it is gone afterwards."""
    mailbox = Mailbox(signpost_server, new_run(request.node.name))
    request.node.stash[_MAILBOX] = mailbox
    yield mailbox
    mailbox.close(keep=request.config.getoption("--signpost-keep"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the run had when its test fails."""
    report = yield
    mailbox = item.stash.get(_MAILBOX, None)
    if mailbox is not None and report.when == "call" and report.failed:
        try:
            text = mailbox.describe()
        except SignpostError as error:
            text = str(error)
        report.sections.append((f"mail of the run {mailbox.run}", text))
    return report


def _server(config: pytest.Config) -> Server:
    url, image = _url(config), _image(config)
    if url:
        api = Api(url)
        api.bytes("GET", "/readyz")
        return Server(api, _smtp(config, api.host))
    if image:
        return container.start(image, config.stash[_CONTAINER])
    raise SignpostError(_NO_SERVER)


def _url(config: pytest.Config) -> str:
    return str(config.getoption("--signpost-url") or os.environ.get("SIGNPOST_URL", ""))


def _image(config: pytest.Config) -> str:
    return str(config.getoption("--signpost-image") or os.environ.get("SIGNPOST_IMAGE", ""))


def _smtp(config: pytest.Config, host: str) -> Smtp:
    given = config.getoption("--signpost-smtp") or os.environ.get("SIGNPOST_SMTP", "")
    if not given:
        return Smtp(host, 1025)
    name, _, port = str(given).rpartition(":")
    if not port.isascii() or not port.isdigit():
        raise SignpostError(f"--signpost-smtp {given!r}: write HOST:PORT, such as 127.0.0.1:1025")
    return Smtp(name.strip("[]") or host, int(port))
