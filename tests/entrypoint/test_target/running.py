"""A target as a process of its own, and a client that says exactly what a case wants said."""

import http.client
import json
import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

ROOT = Path(__file__).parents[3]


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Running:
    http_port: int
    smtp_port: int
    process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """body: bytes as they are, all else as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=30)
        try:
            content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(
                method, quote(path, safe="/?&=%:+{}.,~-_"), content, dict(headers or {})
            )
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, path: str, **query: Any) -> Answer:
        pairs = "&".join(f"{name}={quote(str(value))}" for name, value in query.items())
        return self.ask("GET", f"{path}?{pairs}" if pairs else path)

    def deliver(
        self,
        raw: bytes,
        sender: str = "alice@a.example",
        recipients: Sequence[str] = ("bob@b.example",),
    ) -> str:
        """By SMTP; the message's ID."""
        with smtplib.SMTP("127.0.0.1", self.smtp_port, "client.example", timeout=30) as smtp:
            smtp.sendmail(sender, recipients, raw)
        newest: str = self.get("/api/v1/messages", limit=1).json["messages"][0]["ID"]
        return newest

    def empty(self) -> None:
        for path in ("/api/v1/messages", "/api/v1/faults", "/api/v1/dns"):
            assert self.ask("DELETE", path).text == "ok"

    def wait_until_indexed(self) -> None:
        deadline = time.monotonic() + 30
        while "signpost_test_unindexed_messages 0.0" not in self.get("/metrics").text:
            assert time.monotonic() < deadline


@contextmanager
def running(database: Path, **options: str) -> Iterator[Running]:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.entrypoint.test_target.target_process"),
            *(str(database), json.dumps(options)),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        ports = json.loads(process.stdout.readline())
        yield Running(ports["http"], ports["smtp"], process)
    finally:
        process.terminate()
        try:
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()
            assert process.stdout
            process.stdout.close()
