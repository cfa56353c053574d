"""The certificate that the servers have, and how they are made to read another.

It must not know where a certificate comes from, nor when it is to be replaced.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence

from entrypoint.config.ports import Port, rendered_ports
from entrypoint.config.problems import BrokenRuleError
from entrypoint.paths import PORTS, RUN
from entrypoint.probe.certificates import fingerprints
from entrypoint.render import write_certificate
from entrypoint.supervise import restarts
from entrypoint.tls.pair import Pair, Paths

_PATIENCE = 10.0  # seconds
_SMTPD = "smtpd"


def _smtpd(ports: Sequence[Port]) -> None:
    # It reads certificates at its start only.
    restarts.request(_SMTPD)


def _dovecot(ports: Sequence[Port]) -> None:
    if all(port.protocol == "smtp" for port in ports):
        return
    command = ("doveadm", "-c", str(RUN / "dovecot/dovecot.conf"), "reload")
    try:
        subprocess.run(  # noqa: S603 -- a fixed command
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=True
        )
    except subprocess.SubprocessError as error:
        raise OSError(0, str(error), command[0]) from None


# Each makes one server read the new certificate, if that server is among those that serve the
# ports, and does not wait until it has. Raises OSError.
RELOADERS: tuple[Callable[[Sequence[Port]], None], ...] = (_smtpd, _dovecot)


class Servers:
    """The servers of this container."""

    def digest(self) -> str:
        """The digest of the pair that they read; "" if there is none."""
        try:
            return Pair.read(Paths(RUN / "tls/cert.pem", RUN / "tls/key.pem")).digest
        except BrokenRuleError:
            return ""

    def serve(self, pair: Pair) -> None:
        """Let them have another. Raises OSError."""
        write_certificate(RUN, pair.chain, pair.key)
        for reload in RELOADERS:
            reload(self._ports())

    def served(self, host: str) -> Mapping[int, str]:
        """The fingerprint that each port shows; seconds, where something hangs."""
        return fingerprints(self._ports(), host)

    def restarting(self) -> bool:
        """Is one of them still to start?"""
        return restarts.is_pending(_SMTPD)

    def _ports(self) -> Sequence[Port]:
        return rendered_ports(RUN / PORTS)
