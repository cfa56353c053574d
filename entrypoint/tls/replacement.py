"""What becomes of a certificate that has changed: facts in, what is to be done out.

Pure but for what it remembers. It must not know files, ports or processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from entrypoint.log_line import LogLine
from entrypoint.text import day, listed
from entrypoint.tls.pair import Fit

# Two files are not replaced in one moment.
_SETTLED = 2.0  # seconds since the last change
_TIMEOUT = 10.0  # seconds that files which do not fit are given
# smtpd is to have ended and to listen again.
_SERVED_WITHIN = 45.0


@dataclass(frozen=True)
class Broken:
    """What is wrong with a source, and its cure."""

    rule: str
    cure: str


@dataclass(frozen=True)
class CertificateSource:
    """What lies where the certificate comes from.

    where: how a person calls it. digest: another one for other content, "" if it cannot be read.
    changed: when it was last written (Unix time).
    """

    where: str
    digest: str
    changed: float
    found: Fit | Broken


@dataclass(frozen=True)
class Ports:
    """What is served, by port: the certificate's fingerprint; "" where nobody answers.

    restarting: has smtpd still to be started again?
    """

    served: Mapping[int, str]
    restarting: bool = False


class Replacement:
    """One certificate after another. A tick asks `decide` first, then, if `expected`, `compare`.

    settled: would `decide` say nothing new while the source stays as it is?
    """

    def __init__(self) -> None:
        self.expected: Fit | None = None
        self.settled = False
        self._since = 0.0
        self._unfit: tuple[str, float] | None = None
        self._reported: str | None = None

    def decide(
        self, source: CertificateSource, live: str, now: float
    ) -> tuple[bool, list[LogLine]]:
        """Whether the source is to go live, and what is to be said. live: the digest that is."""
        self.settled = True
        if source.digest == live:
            self._unfit = None
            if self._reported is None:
                return False, []
            self._reported = None
            return False, [
                LogLine("info", f"{source.where}: the certificate that is served is back")
            ]
        if isinstance(source.found, Broken):
            return False, self._refuse(source, source.found, now)
        self._unfit = None
        # abs: a clock that was set back must not hold a certificate up for long.
        if abs(now - source.changed) < _SETTLED:
            self.settled = False
            return False, []
        self._reported = None
        self.expected, self._since = source.found, now
        return True, [
            LogLine(
                "info",
                f"{source.where}: a new certificate, valid until {day(source.found.ends)}; "
                "smtpd starts anew to serve it",
            )
        ]

    def _refuse(self, source: CertificateSource, broken: Broken, now: float) -> list[LogLine]:
        key = f"{source.digest} {broken.rule}"
        if self._reported == key:
            return []
        if self._unfit is None or self._unfit[0] != key:
            self._unfit = key, now
        if abs(now - self._unfit[1]) < _TIMEOUT:
            self.settled = False
            return []
        self._reported = key
        return [
            LogLine(
                "error",
                f"{source.where}: the new certificate is refused and the old one stays: "
                f"{broken.rule}; {broken.cure}",
            )
        ]

    def compare(self, ports: Ports, now: float) -> list[LogLine]:
        """Hold what is served against what is expected; it is expected until that is reported."""
        if self.expected is None:
            return []
        right = self.expected.fingerprint
        others = [port for port, served in ports.served.items() if served != right]
        if not others and not ports.restarting:
            self.expected = None
            return [
                LogLine(
                    "info",
                    f"the new certificate is served on the ports {listed(ports.served)} "
                    f"(SHA-256 {right})",
                )
            ]
        if abs(now - self._since) < _SERVED_WITHIN:
            return []
        self.expected = None
        why = "smtpd has not been started again" if ports.restarting else "look at smtpd's lines"
        where = f" on the ports {listed(others)}" if others else ""
        return [LogLine("error", f"the new certificate is not served{where}: {why}")]
