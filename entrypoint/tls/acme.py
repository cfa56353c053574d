"""A certificate from an ACME server: asked for when the plan says so, by certbot, step by step.

It must not know how the certificate goes live: that is as for any other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from entrypoint.problems import BrokenRuleError
from entrypoint.settings import Settings
from entrypoint.tls.acme_book import read_attempts, write_attempts
from entrypoint.tls.acme_plan import Attempt, Validity, next_attempt, recent
from entrypoint.tls.certbot import Certbot, Result
from entrypoint.tls.pair import Pair, judged
from entrypoint.tls.sources import acme_folder, issued_paths
from entrypoint.tls.succession import Line, day, minute
from filters.file_stamp import Stamp, file_stamp

# What certbot and a hook find; nothing of the configuration is among it.
_ENVIRON = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


class Run(Protocol):
    """A client that was started."""

    def poll(self) -> Result | None:
        """How it ended; None while it runs."""


Start = Callable[[Settings, Path], Run]


def _start(settings: Settings, folder: Path) -> Run:
    return Certbot(settings, folder, _ENVIRON | {"TZ": settings.tz, "LANG": "C.UTF-8"})


class Acme:
    """Keeps the client's run, and what was said last."""

    def __init__(
        self,
        data: Path,
        start: Start = _start,
        lasts: Callable[[Path], bool] = Path.is_mount,
    ) -> None:
        """lasts: does a folder outlast the container?"""
        self._data, self._start, self._lasts = data, start, lasts
        self._run: Run | None = None
        self._restarted = True
        self._trouble = ""
        self._told: Validity | None = None
        self._judged: tuple[tuple[Stamp | None, ...], Validity | None] | None = None

    @property
    def busy(self) -> bool:
        """Is a client at work, so that its files may change?"""
        return self._run is not None

    def tick(self, settings: Settings, now: float) -> list[Line]:
        """Begin a run, or see how it ended; the lines for the log. Nothing is raised."""
        try:
            lines = self._tick(settings, now)
        except OSError as error:
            return self._once(f"{error.filename}: {error.strerror}")
        except ValueError as error:
            file = acme_folder(settings, self._data) / "attempts.json"
            return self._once(f"{file}: it cannot be read ({error}); remove it")
        return lines

    def _tick(self, settings: Settings, now: float) -> list[Line]:
        folder = acme_folder(settings, self._data)
        if not self._lasts(self._data):
            # Each new container would ask for a new certificate, and the server's limits are few.
            return self._once(
                f"no certificate is asked for: {self._data} is no volume, so it would be lost with "
                "the container; mount one"
            )
        attempts = recent(read_attempts(folder), now)
        if self._run is not None:
            result = self._run.poll()
            return [] if result is None else self._ended(settings, attempts, result, now)
        validity = self._validity(settings, now)
        due = next_attempt(validity, attempts, restarted=self._restarted)
        if now < due:
            return self._tell(validity, due)
        for path in (folder.parent, folder):
            path.mkdir(mode=0o700, exist_ok=True)
            path.chmod(0o700)
        # Written down first: what is cut off counts.
        write_attempts(folder, [*attempts, Attempt(now, "begun")])
        self._run, self._restarted = self._start(settings, folder), False
        what = "the next certificate is" if validity else "a certificate is"
        return [("info", f"{what} asked for at {settings.acme_server}")]

    def _tell(self, validity: Validity | None, due: float) -> list[Line]:
        """Once: what is there, and when the next one is asked for."""
        if validity is None or validity == self._told:
            return []
        self._told = validity
        return [
            (
                "info",
                f"the ACME server's certificate is valid until {day(validity.ends)}; the next one "
                f"is asked for on {minute(due)}",
            )
        ]

    def _ended(
        self, settings: Settings, attempts: tuple[Attempt, ...], result: Result, now: float
    ) -> list[Line]:
        self._run = None
        begun = attempts[-1] if attempts else Attempt(now, "begun")
        issued = not result.problem
        last = replace(
            begun, outcome="issued" if issued else "failed", not_before=result.not_before
        )
        attempts = (*attempts[:-1], last)
        folder = acme_folder(settings, self._data)
        write_attempts(folder, attempts)
        if result.stranger:
            # certbot would go on with it for ever; without one it makes another.
            (folder / "accounts").rename(folder / f"accounts.unknown-{int(now)}")
        if issued:
            self._trouble = ""
            return [("info", f"{settings.acme_server} has issued a certificate")]
        due = next_attempt(self._validity(settings, now), attempts)
        return [
            (
                "error",
                f"no certificate from {settings.acme_server}: {result.problem}; "
                f"next try {minute(max(due, now))}, or when the container is restarted",
            )
        ]

    def _validity(self, settings: Settings, now: float) -> Validity | None:
        """That of the certificate that is there, if it can be served."""
        paths = issued_paths(settings, self._data)
        stamps = file_stamp(paths.certificate), file_stamp(paths.key)
        if self._judged is not None and self._judged[0] == stamps:
            return self._judged[1]
        validity = None
        with contextlib.suppress(BrokenRuleError):
            fit = judged(Pair.read(paths), settings.mail_hostname, now)
            validity = Validity(fit.begins, fit.ends)
        self._judged = stamps, validity
        return validity

    def _once(self, trouble: str) -> list[Line]:
        if trouble == self._trouble:
            return []
        self._trouble = trouble
        return [("error", f"ACME: {trouble}")]
