"""The target process as it is in the image, with a listener that stands for smtpd's."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.entrypoint.test_target.running import Running

ROOT = Path(__file__).parents[3]


@dataclass
class WholeTarget(Running):
    """log: what it has said so far."""

    folder: Path = Path()
    log: list[str] = field(default_factory=list)

    @property
    def capture(self) -> str:
        return str(self.folder / "capture")

    @property
    def logins(self) -> str:
        return str(self.folder / "logins")

    def wait_for(self, text: str) -> str:
        """The line of the log with this in it."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for line in self.log:
                if text in line:
                    return line
            time.sleep(0.005)
        raise AssertionError(f"{text!r} is not in {self.log}")

    def wait_until_it_answers(self) -> None:
        """Or has ended."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.get("/livez")
                return
            except OSError:
                time.sleep(0.01)

    def extra(self, run: str = "") -> dict[str, Any]:
        """Of the newest message."""
        query = {"query": f"run:{run}"} if run else {}
        found: dict[str, Any] = self.get("/api/v1/message/latest", **query).json["Extra"]
        return found


def free_ports(count: int) -> list[int]:
    found = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in found]
    for each in found:
        each.close()
    return ports


@contextmanager
def whole_target(folder: Path, **settings: Any) -> Iterator[WholeTarget]:
    """Needs a filter to become ready: `tests.filters.program.Program`."""
    backend = socket.create_server(("127.0.0.1", 0))
    http, smtp, names = free_ports(3)
    content = {
        "hostname": "mail.example.org",
        "http_address": "127.0.0.1",
        "http_port": http,
        "smtp_address": "127.0.0.1",
        "smtp_port": smtp,
        "backend": ["127.0.0.1", backend.getsockname()[1]],
        "database": str(folder / "messages.sqlite"),
        "capture_socket": str(folder / "capture"),
        "logins_socket": str(folder / "logins"),
        "name_server": f"127.0.0.1:{names}",
        "mail_root": None,
        **settings,
    }
    path = folder / "target.json"
    path.write_text(json.dumps(content))
    process = subprocess.Popen(
        [sys.executable, "-m", "entrypoint.test_target", str(path)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    target = WholeTarget(http, smtp, process, folder)
    reader = threading.Thread(target=_read, args=(process, target.log), daemon=True)
    reader.start()
    try:
        target.wait_until_it_answers()
        yield target
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        finally:
            process.kill()
            process.wait()
            reader.join()
            backend.close()


def _read(process: subprocess.Popen[str], log: list[str]) -> None:
    assert process.stderr
    for line in process.stderr:
        log.append(line.rstrip("\n"))
    process.stderr.close()
