"""The options, the server that the plugin starts, and what it prints. Needs a server, too."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
from pathlib import Path

import pytest
from pytest_signpost import Server

PLUGIN = ("-p", "signpost")  # by itself, if plugins are not disabled
FAILS = """
    def test_fails(signpost):
        with signpost.smtp.connect() as smtp:
            smtp.sendmail("a@a.example", [signpost.address()], "Subject: here\\r\\n\\r\\n")
        signpost.wait(subject="there", timeout=0.05)
"""
URL = """
    import pytest

    @pytest.mark.parametrize("number", range(4))
    def test_url(signpost, worker_id, number):
        print("URL", signpost.server.url, signpost.smtp_url, signpost.server.port(587))
        with signpost.smtp.connect() as smtp:
            smtp.sendmail("a@a.example", [signpost.address()], "Subject: here\\r\\n\\r\\n")
        assert len(signpost.wait_all(1)) == 1
"""


@pytest.fixture
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SIGNPOST_URL", "SIGNPOST_SMTP", "SIGNPOST_IMAGE"):
        monkeypatch.delenv(name, raising=False)


def test_the_mail_of_a_run_is_shown_when_its_test_fails(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(FAILS)
    result = pytester.runpytest_inprocess(*PLUGIN)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*NoMessageError: a message with subject 'there' did not come to the run test-fails-*",
            "*-- mail of the run test-fails-*.example --*",
            "*'here' from *",
        ]
    )


@pytest.mark.parametrize("keep", [True, False])
def test_messages_stay_where_they_are_to_be_looked_at(
    pytester: pytest.Pytester, signpost_server: Server, keep: bool
) -> None:
    pytester.makepyfile(FAILS)
    printed = pytester.runpytest_inprocess(*PLUGIN, *["--signpost-keep"] * keep).stdout.str()
    run = re.findall(r"mail of the run (\S+)", printed)[0]
    found = signpost_server.api.json("GET", "/api/v1/messages", run=run)
    assert found["messages_count"] == keep
    signpost_server.api.bytes("DELETE", "/api/v1/messages", run=run)


@pytest.mark.usefixtures("no_server")
def test_without_a_server_the_cure_is_named(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(FAILS)
    result = pytester.runpytest_inprocess(*PLUGIN)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*no server to test against*SIGNPOST_IMAGE*"])


@pytest.mark.usefixtures("no_server")
def test_why_the_container_has_ended_is_said(pytester: pytest.Pytester, tmp_path: Path) -> None:
    pytester.makepyfile(FAILS)
    (tmp_path / "Dockerfile").write_text(
        f"FROM {os.environ['TARGET_IMAGE']}\nENV TEST_ACCEPT=nothing-that-is-known\n"
    )
    image = f"pytest-signpost-ends-{secrets.token_hex(4)}"
    subprocess.run(["docker", "build", "--quiet", "--tag", image, str(tmp_path)], check=True)
    try:
        result = pytester.runpytest_inprocess(*PLUGIN, "--signpost-image", image)
    finally:
        subprocess.run(["docker", "image", "rm", "--force", image], check=True)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["the container has ended:", "*error: TEST_ACCEPT*"])


@pytest.mark.usefixtures("no_server")
@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--signpost-url", "http://127.0.0.1:9", "http://127.0.0.1:9 does not answer: *refused*"),
        ("--signpost-url", "ftp://127.0.0.1", "*'ftp://127.0.0.1' is no URL of a server*"),
        ("--signpost-image", "signpost-no-such-image:0", "docker run signpost-no-such-image:0:*"),
    ],
)
def test_a_server_that_cannot_be_had_is_named(
    pytester: pytest.Pytester, option: str, value: str, said: str
) -> None:
    pytester.makepyfile(FAILS)
    result = pytester.runpytest_inprocess(*PLUGIN, option, value)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*{said}"])


@pytest.mark.usefixtures("no_server")
def test_a_machine_without_docker(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytester.makepyfile(FAILS)
    monkeypatch.setenv("PATH", str(tmp_path))
    result = pytester.runpytest_inprocess(*PLUGIN, "--signpost-image", "signpost")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["docker run: * No such file or directory: 'docker'"])


def test_the_image_is_started_once_for_all_workers_and_removed(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = os.environ["TARGET_IMAGE"]
    for name in ("SIGNPOST_URL", "SIGNPOST_SMTP"):
        monkeypatch.delenv(name, raising=False)
    pytester.makepyfile(URL)
    result = pytester.runpytest_subprocess(
        *PLUGIN, "-p", "xdist", "-n", "2", "-rA", "--signpost-image", image
    )
    result.assert_outcomes(passed=4)
    shown = set(re.findall(r"URL \S+:(\d+) smtp://127\.0\.0\.1:(\d+) (\d+)", result.stdout.str()))
    assert len(shown) == 1
    (ports,) = shown
    assert "587" not in ports
    listed = subprocess.run(
        ["docker", "ps", "--all", "--quiet", "--filter", f"publish={ports[0]}"],
        capture_output=True,
        check=True,
    )
    assert listed.stdout == b""
