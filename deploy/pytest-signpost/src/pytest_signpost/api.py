"""Requests to the server's HTTP API."""

from __future__ import annotations

import base64
import json
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

_PATIENCE = 15.0  # seconds, beyond those that a request asks the server to wait


class SignpostError(Exception):
    """The server does not answer, or answers that something cannot be done."""

    def __init__(self, text: str, status: int = 0) -> None:
        """status: HTTP's; 0 where there was no answer."""
        super().__init__(text)
        self.status = status


class Api:
    """A connection for each request: no state that tests or threads could share."""

    def __init__(self, url: str) -> None:
        """url: such as http://127.0.0.1:8025, with user:password@ where the API has logins."""
        parts = urlsplit(url if "//" in url else f"http://{url}")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise SignpostError(f"{url!r} is no URL of a server: write http://127.0.0.1:8025")
        self._tls = parts.scheme == "https"
        self.host = parts.hostname
        self._port = parts.port or (443 if self._tls else 80)
        self._path = parts.path.rstrip("/")
        shown = f"[{self.host}]" if ":" in self.host else self.host
        self.url = f"{parts.scheme}://{shown}:{self._port}{self._path}"
        self._headers = {"Accept": "*/*"}
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            encoded = base64.b64encode(login.encode()).decode()
            self._headers["Authorization"] = f"Basic {encoded}"

    def bytes(
        self, method: str, path: str, *, body: Any = None, patience: float = 0.0, **query: Any
    ) -> bytes:
        """What a request is answered. query: None is left out. Raises SignpostError."""
        given = {name: value for name, value in query.items() if value is not None}
        target = self._path + quote(path) + ("?" + urlencode(given) if given else "")
        headers, content = dict(self._headers), None
        if body is not None:
            content = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        kind = HTTPSConnection if self._tls else HTTPConnection
        connection = kind(self.host, self._port, timeout=_PATIENCE + patience)
        try:
            connection.request(method, target, content, headers)
            response = connection.getresponse()
            answer = response.read()
        except (OSError, HTTPException) as error:
            said = str(error) or type(error).__name__
            raise SignpostError(f"{self.url} does not answer: {said}") from error
        finally:
            connection.close()
        if response.status != 200:
            text = answer.decode(errors="replace").strip()
            raise SignpostError(f"{method} {path}: {response.status} {text}", response.status)
        return answer

    def json(self, method: str, path: str, **request: Any) -> Any:
        """The same, read as JSON."""
        return json.loads(self.bytes(method, path, **request))
