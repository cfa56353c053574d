"""RELAY_*: the host that outgoing mail goes through, its login and its TLS.

It must not know the rest of the configuration.
"""

from __future__ import annotations

import re
from functools import partial
from typing import get_args

from pydantic import SecretStr

from entrypoint.config.domain_names import connect_name
from entrypoint.config.problems import BrokenRuleError
from entrypoint.config.reading import Reading
from entrypoint.config.settings import RelayTls
from entrypoint.config.values import choice, login, number, secret_line

_port = partial(number, least=1, most=65535)
_SUBMISSION_PORT = 587


def host_and_port(text: str) -> tuple[str, int | None]:
    """A relay host, also as `host:port` and `[host]:port`, which other mail servers take."""
    if match := re.fullmatch(r"\[([^\[\]]+)\](?::(.*))?", text):
        host, port = match[1], match[2]
    elif text.count(":") == 1:
        host, port = text.split(":")
    else:
        host, port = text, None
    if port is not None and not re.fullmatch(r"[0-9]{1,5}", port):
        raise BrokenRuleError("not a host name or an IP address", "write it like smtp.example.net")
    return connect_name(host), None if port is None else _port(port)


def read_relay(reading: Reading) -> dict[str, object]:
    """The fields `relay_*` that are set, by their names in Settings; each mistake is noted."""
    values: dict[str, object] = {}
    host = reading.value("relay_host", host_and_port)
    port = reading.value("relay_port", _port)
    user = reading.value("relay_user", login)
    password = reading.secret("relay_password", secret_line)
    tls = reading.value("relay_tls", partial(choice, allowed=get_args(RelayTls)))

    for field in ("relay_port", "relay_user", "relay_password", "relay_tls"):
        if reading.is_set(field) and not reading.is_set("relay_host"):
            reading.note(field, "set without RELAY_HOST", "set RELAY_HOST, or leave this out")
    for field, other in (("relay_user", "relay_password"), ("relay_password", "relay_user")):
        if reading.is_set(field) and not reading.is_set(other):
            reading.note(
                field,
                f"set without {other.upper()}",
                f"set {other.upper()}, or leave this out",
            )
    authenticated = reading.is_set("relay_user") or reading.is_set("relay_password")
    if host is not None and host[1] is not None:
        if port is not None and port != host[1]:
            reading.note(
                "relay_port",
                f"another port than in RELAY_HOST ({host[1]})",
                "name the port in one place",
                str(port),
            )
        port = host[1]
    if port is None and authenticated:
        port = _SUBMISSION_PORT
    if tls in ("no", "no-verify") and authenticated:
        reading.note("relay_tls", "a login needs a certificate that verifies", "use yes", tls)
    elif tls == "no" and port == 465:
        reading.note("relay_tls", "port 465 is TLS only", "use yes, or another port", tls)

    found = {
        "relay_host": host[0] if host else None,
        "relay_port": port,
        "relay_user": user,
        "relay_password": SecretStr(password) if password else None,
        "relay_tls": tls,
    }
    values.update({field: value for field, value in found.items() if value is not None})
    return values
