"""What the web service serves: a small file, made from Settings by `published`.

Standard library only: the web service imports it, which is in memory as long as the server
runs. It must not know Settings.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from entrypoint.config.ports import Port, Protocol


@dataclass(frozen=True)
class Site:
    """host: the server's own name. services: the better ones first; none where mail programs are
    answered nothing. policy: MTA-STS's, or None.
    """

    host: str
    domains: tuple[str, ...]
    services: tuple[Port, ...] = ()
    policy: str | None = None

    def implicit(self, protocol: Protocol) -> Port | None:
        """Where a protocol is spoken in TLS from the first byte."""
        found = (port for port in self.services if port.protocol == protocol and port.implicit_tls)
        return next(found, None)

    def to_json(self) -> str:
        """The content of the file."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Site:
        """From what `to_json` returned. Raises ValueError."""
        try:
            found = json.loads(text)
            services = tuple(Port(**each) for each in found.pop("services"))
            domains = tuple(found.pop("domains"))
            return cls(domains=domains, services=services, **found)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"not what the web service serves: {error}") from None
