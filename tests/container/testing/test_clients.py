"""Clients of Mailpit, in their published packages and unchanged."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_signpost.server import Server

from tests.container.harness.shell import run
from tests.container.harness.signpost import IMAGE

from .suites import addresses, copied, run_node, run_pytest, with_packages

CLIENTS = Path(__file__).parent / "clients"
NODE = CLIENTS / "node"


def test_pytest_mailpit(target_image: None, tmp_path: Path) -> None:
    """It starts the container itself, by testcontainers; of an image it takes the name alone."""
    image = f"{IMAGE}-mode"
    dockerfile = f"FROM {IMAGE}\nENV MODE=test\n".encode()
    run("docker", "build", "--quiet", "--tag", image, "-", stdin=dockerfile)
    copied(CLIENTS, tmp_path, ["pytest_mailpit_suite.py"])
    settings = ("--mailpit-container", "-o", f"mailpit_container_image={image}")
    out = run_pytest(
        *(tmp_path, "pytest_mailpit_suite.py", *settings),
        plugins=["mailpit"],
        TESTCONTAINERS_RYUK_DISABLED="true",
    )
    assert "6 passed" in out


def test_mailpit_api_client(target: Server, tmp_path: Path) -> None:
    raw = (
        b"From: Alice <alice@a.example>\r\nTo: bob@b.example\r\nSubject: a subject\r\n"
        b"Message-ID: <1@a.example>\r\nDate: Sun, 1 Mar 2026 12:00:00 +0000\r\n"
        b"Delivered-To: bob@b.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\n\r\ntext\r\n--b\r\nContent-Disposition: attachment; filename=a\r\n\r\nattached"
        b"\r\n--b--\r\n"
    )
    with target.smtp.connect() as smtp:
        smtp.sendmail("alice@a.example", ["bob@b.example"], raw)
    identity = target.api.json("GET", "/api/v1/message/latest")["ID"]
    copied(CLIENTS, tmp_path, ["mailpit_api_client_suite.py"])
    suite = "mailpit_api_client_suite.py"
    out = run_pytest(tmp_path, suite, plugins=[], MAILPIT_MESSAGE=identity, **addresses(target))
    assert "4 passed" in out


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_packages(copied(NODE, tmp_path_factory.mktemp("node") / "clients", ["*", ".npmrc"]))


@pytest.mark.parametrize(("suite", "tests"), [("mailpit-api", 8), ("cypress-mailpit", 8)])
def test_node_packages(target: Server, packages: Path, suite: str, tests: int) -> None:
    # One after the other: they share a mailbox.
    out = run_node(packages, f"{suite}.test.mjs", **addresses(target))
    assert f"# pass {tests}\n" in out


def test_testcontainers(target_image: None, tmp_path: Path) -> None:
    copied(CLIENTS, tmp_path, ["testcontainers_suite.py"])
    out = run_pytest(
        *(tmp_path, "testcontainers_suite.py", "-n", "2"),
        plugins=["xdist"],
        TARGET_IMAGE=IMAGE,
        TESTCONTAINERS_RYUK_DISABLED="true",  # its reaper is an image of a registry
    )
    assert "2 passed" in out
