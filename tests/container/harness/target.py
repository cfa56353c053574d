"""One test target, started by `docker run` as the README says: what a test can do with it."""

from __future__ import annotations

import json
import smtplib
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .container import Container
from .shell import attempt, fresh, run
from .signpost import IMAGE, ROOT

READY = r"accessible via"
HOST = "127.0.0.1"
SMTP, HTTP = 1025, 8025
PORTS = (25, 110, 143, 465, 587, 993, 995, SMTP, HTTP)


def build_image() -> None:
    """Build the image under test; at once where nothing has changed."""
    run("docker", "build", "--quiet", "--tag", IMAGE, str(ROOT))


class TestTarget(Container):
    """A container, its ports published on loopback."""

    __test__ = False

    def __init__(
        self,
        environment: Mapping[str, str] | None = None,
        *,
        mounts: Mapping[str, Path] | None = None,
        volumes: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
        image: str = IMAGE,
    ) -> None:
        """mounts: files, by their path in the container; volumes: names, by the same."""
        self.container = fresh("signpost-test-target")
        self.environment = {"MODE": "test", **(environment or {})}
        self._mounts = {**{path: str(file) for path, file in (mounts or {}).items()}}
        self._volumes = dict(volumes or {})
        self._options = tuple(options)
        self._image = image
        # Seconds until it is ready.
        self.patience = 60.0
        self._ports: dict[int, int] = {}

    # -- its life ---------------------------------------------------------------------------

    def start(self) -> TestTarget:
        """Back when mail is accepted."""
        self.launch()
        self.wait_for_log(READY, self.patience)
        return self

    def launch(self) -> None:
        """Create the container; do not wait."""
        command = ["docker", "run", "--detach", "--name", self.container]
        for name, value in self.environment.items():
            command += ["--env", f"{name}={value}"]
        for path, source in self._mounts.items():
            command += ["--volume", f"{source}:{path}:ro"]
        for path, source in self._volumes.items():
            command += ["--volume", f"{source}:{path}"]
        for port in PORTS:
            command += ["--publish", f"{HOST}::{port}"]
        run(*command, *self._options, self._image)

    def wait_until_ended(self) -> int:
        """The exit status of one that refuses to start."""
        return int(run("docker", "wait", self.container).decode())

    def stop(self) -> float:
        """SIGTERM, as `docker stop` sends it; the seconds that it took."""
        begin = time.monotonic()
        run("docker", "stop", "--time", "30", self.container)
        return time.monotonic() - begin

    def remove(self) -> None:
        """The container and the volumes that have no name."""
        attempt("docker", "rm", "--force", "--volumes", self.container)

    def __enter__(self) -> TestTarget:
        try:
            return self.start()
        except BaseException:
            self.remove()
            raise

    def __exit__(self, *exception: object) -> None:
        self.remove()

    # -- where it is ------------------------------------------------------------------------

    def port(self, number: int) -> int:
        """Where a port of the container is on this machine's loopback."""
        if number not in self._ports:
            shown = run("docker", "port", self.container, f"{number}/tcp").decode()
            self._ports[number] = int(shown.splitlines()[0].rpartition(":")[2])
        return self._ports[number]

    @property
    def url(self) -> str:
        """Of the page and the API, without a slash at the end."""
        return f"http://{HOST}:{self.port(HTTP)}"

    # -- what it says -----------------------------------------------------------------------

    def python(self, program: str, *arguments: str) -> str:
        """What a program prints that runs in the container: its network is the target's own."""
        return self.exec("/opt/signpost/bin/python", "-c", program, *arguments)

    # -- mail and HTTP ----------------------------------------------------------------------

    def smtp(self, port: int = SMTP) -> smtplib.SMTP:
        """Connected, and greeted."""
        return smtplib.SMTP(HOST, self.port(port), "client.example", timeout=30)

    def request(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Status and body of an answer; `body` is sent as JSON unless it is bytes."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        asked = urllib.request.Request(self.url + path, data, dict(headers or {}), method=method)
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def get(self, path: str) -> Any:
        """The JSON of an answer that must be 200."""
        status, body = self.request("GET", path)
        assert status == 200, (status, body)
        return json.loads(body)

    def messages(self, query: str = "") -> list[dict[str, Any]]:
        """The summaries, newest first, of all messages or of those that a search finds."""
        path = "/api/v1/messages"
        if query:
            path = f"/api/v1/search?query={quote(query)}"
        found = self.get(path)["messages"]
        assert isinstance(found, list)
        return found
