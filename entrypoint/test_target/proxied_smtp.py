"""A client of the listener behind port 1025: what HTTP sends comes by SMTP, as all mail does."""

from __future__ import annotations

import smtplib
import socket
from typing import cast

from entrypoint.test_target.front import proxy_header


class ProxiedSmtp(smtplib.SMTP):
    """Says first whose connection it is, its own: smtpd waits for that there."""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        # The part of a connect that smtplib's own SMTP_SSL overrides; no type stub has it.
        link = cast(socket.socket, super()._get_socket(host, port, timeout))  # type: ignore[misc]
        try:
            link.sendall(proxy_header(link.getsockname()[:2], link.getpeername()[:2]))
        except BaseException:
            link.close()
            raise
        return link
