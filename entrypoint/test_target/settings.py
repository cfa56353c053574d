"""How the target process is to run: the file that a start in test mode writes for it.

The file holds secrets (logins of the page, a webhook's URL): its reader says where and what is
wrong with it, never a value.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from entrypoint.json_model import JsonModel, read_json

Port = Annotated[int, Field(ge=0, le=65_535)]


class TlsPair(JsonModel):
    """Paths of a certificate and its key, for STARTTLS at the front."""

    model_config = ConfigDict(extra="forbid")

    cert: str
    key: str


class TargetSettings(JsonModel):
    """All of it; what has a default may be left out.

    smtp_tls, smtp_login_required: of clients of the front; by implicit TLS begins with the first
    byte. backend: smtpd's listener with `proxy-v2`. keep_bytes: of stored messages; 0 is no bound.
    logins: a file with the only credentials that are right; without it any are. any_mailbox: these
    are no accounts, and each of them reads every mailbox. zone_file: DNS in the format of
    `signpost verify`. ui_logins: names and passwords, in plaintext, for the page and the API;
    send_logins: those of /api/v1/send where they are others.
    webhook_name_server: who knows the names of the container's network, for the webhook's alone.
    webhook_limit: calls a second, 0 for no bound. name_server: address and port, where smtpd asks.
    http_hosts, http_cors: "*" is any. mail_root: of all Maildirs; None: there are none.
    """

    model_config = ConfigDict(extra="forbid")

    hostname: str
    http_address: str = "::"
    http_port: Port = 8025
    smtp_address: str = "::"
    smtp_port: Port = 1025
    smtp_tls: Literal["offered", "required", "implicit"] = "offered"
    smtp_login_required: bool = False
    backend: tuple[str, Port] = ("127.0.0.1", 10025)
    database: str
    keep_bytes: Annotated[int, Field(ge=0)] = 10_000_000_000
    logins: str | None = None
    any_mailbox: bool = False
    delimiter: str = "+"
    zone_file: str | None = None
    http_hosts: tuple[str, ...] = ()
    http_cors: tuple[str, ...] = ()
    ui_logins: dict[str, str] = Field(default_factory=dict)
    send_logins: dict[str, str] | None = None
    webhook_url: str | None = None
    webhook_limit: Annotated[float, Field(ge=0)] = 0.0
    webhook_name_server: str | None = None
    mail_root: str | None = "/data/mail"
    tls: TlsPair | None = None
    capture_socket: str = "/run/signpost/target/capture"
    logins_socket: str = "/run/signpost/logins/socket"
    name_server: str | None = "127.0.0.1:53"
    max_message_size: Annotated[int, Field(gt=0)] = 50 * 1024 * 1024
    label: str = ""
    version: str = ""


def read_settings(path: Path) -> TargetSettings:
    """Raises OSError, or ValueError that says what is wrong."""
    return read_json(TargetSettings, path.read_bytes())
