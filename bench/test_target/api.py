"""What test suites ask over HTTP, and how long an answer takes."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any
from urllib.parse import quote

_PATIENCE = 60.0


class Api:
    """One connection that stays open."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)

    def ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """The body of a 200. Raises OSError for any other answer."""
        self.begin(method, path, body)
        return self.end()

    def get(self, path: str, **query: Any) -> Any:
        """JSON."""
        pairs = "&".join(f"{name}={quote(str(value))}" for name, value in query.items())
        return json.loads(self.ask("GET", f"{path}?{pairs}" if pairs else path))

    def begin(self, method: str, path: str, body: bytes | None = None) -> None:
        """Ask, and do not wait for the answer."""
        self._connection.request(method, path, body)

    def end(self) -> bytes:
        """The answer to what was asked."""
        response = self._connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise OSError(f"{response.status}: {body[:200]!r}")
        return body

    def close(self) -> None:
        """The connection."""
        self._connection.close()

    def timed(self, path: str, **query: Any) -> tuple[float, Any]:
        """Seconds, and the answer."""
        start = time.perf_counter()
        answer = self.get(path, **query)
        return time.perf_counter() - start, answer


def is_ready(port: int) -> bool:
    """Whether mail is accepted."""
    api = Api(port)
    try:
        api.ask("GET", "/readyz")
    except (OSError, http.client.HTTPException):
        return False
    finally:
        api.close()
    return True


def ask_for(port: int, seconds: float) -> dict[str, list[float]]:
    """What suites ask, 20 times a second or as often as it is answered; the times of each."""
    api = Api(port)
    questions: dict[str, tuple[str, dict[str, str]]] = {
        "list": ("/api/v1/messages", {}),
        "search": ("/api/v1/search", {"query": "to:nobody@example.org"}),
        "search a word": ("/api/v1/search", {"query": "meeting"}),
        "of a run": ("/api/v1/messages", {"run": "run7"}),
        "latest": ("/api/v1/message/latest", {}),
        "wait": ("/api/v1/wait", {"query": "run:run7", "timeout": "5s"}),
    }
    times: dict[str, list[float]] = {name: [] for name in questions}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for name, (path, query) in questions.items():
            took, _ = api.timed(path, **query)
            times[name].append(took)
            time.sleep(0.05)
    api.close()
    return times
