"""The server in a container of its own, by the `docker` command."""

from __future__ import annotations

import json
import os
import subprocess
import time
from urllib.parse import urlsplit

from pytest_signpost.api import Api, SignpostError
from pytest_signpost.server import Server, Smtp

LABEL = "pytest-signpost"
PORTS = (25, 110, 143, 465, 587, 993, 995, 1025, 8025)
_PATIENCE = 60.0  # seconds until it is ready; it takes three
_COMMAND = 120.0  # seconds for one command of docker's


def start(image: str, name: str) -> Server:
    """The server in the container of that name, which whoever comes first starts.

    That only one container can have a name is what lets the workers of pytest-xdist share one.
    """
    host = _host()
    bind = "127.0.0.1" if host == "127.0.0.1" else "0.0.0.0"  # noqa: S104
    done = _docker(
        *("run", "--detach", "--name", name, "--label", LABEL),
        *("--env", "MODE=test"),
        *(f"--publish={bind}::{port}" for port in PORTS),
        image,
    )
    if done.returncode and "is already in use" not in done.stderr:
        raise SignpostError(f"docker run {image}: {done.stderr.strip()}")
    deadline = time.monotonic() + _PATIENCE
    while True:
        ports = _ports(name)
        if 8025 in ports:
            api = Api(f"http://{host}:{ports[8025]}")
            try:
                api.bytes("GET", "/readyz")
                return Server(api, Smtp(host, ports[1025]), ports)
            except SignpostError as error:
                said = str(error)
        else:
            said = "it has not begun"  # another worker creates it
        if time.monotonic() > deadline:
            raise SignpostError(f"{image} is not ready after {_PATIENCE:g} s: {said}")
        time.sleep(0.05)


def remove(name: str) -> None:
    """With its volumes."""
    _docker("rm", "--force", "--volumes", name)


def _ports(name: str) -> dict[int, int]:
    """Those that are published; none where it is not there yet."""
    done = _docker("inspect", "--format", "{{json .}}", name)
    if done.returncode:
        return {}
    container = json.loads(done.stdout)
    if container["State"]["Status"] in {"exited", "dead"}:
        logs = _docker("logs", "--tail", "20", name)
        raise SignpostError(f"the container has ended:\n{logs.stdout}{logs.stderr}".strip())
    published = container["NetworkSettings"]["Ports"] or {}
    return {
        int(port.partition("/")[0]): int(places[0]["HostPort"])
        for port, places in published.items()
        if places
    }


def _host() -> str:
    """Where published ports are: here, or where the engine is (as with docker:dind)."""
    engine = urlsplit(os.environ.get("DOCKER_HOST", ""))
    return engine.hostname or "127.0.0.1" if engine.scheme in {"tcp", "ssh"} else "127.0.0.1"


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603
            ["docker", *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=_COMMAND,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SignpostError(f"docker {arguments[0]}: {error}") from error
