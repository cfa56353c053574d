"""Where the server is."""

from __future__ import annotations

import smtplib
from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_signpost.api import Api


@dataclass(frozen=True)
class Smtp:
    """An SMTP port: what the software under test is to be configured with."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Such as smtp://127.0.0.1:1025."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"smtp://{host}:{self.port}"

    def connect(self, timeout: float = 30.0) -> smtplib.SMTP:
        """Connected; a context manager that says QUIT."""
        return smtplib.SMTP(self.host, self.port, "client.example", timeout=timeout)


@dataclass(frozen=True)
class Server:
    """ports: where the container's ports are on the host, if they are others."""

    api: Api
    smtp: Smtp
    ports: Mapping[int, int] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Of the API, and of the page that shows the mailbox. Without the login."""
        return self.api.url

    def port(self, number: int) -> int:
        """Of the container's port (25, 465, 587, 143, 993, …), the one to connect to."""
        return self.ports.get(number, number)
