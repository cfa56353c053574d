"""certbot, the ACME client: its command line, its process, and what it says when it fails.

It must not know when a certificate is wanted. It runs beside everything else.
"""

from __future__ import annotations

import asyncio
import re
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from entrypoint.config.settings import Settings
from entrypoint.paths import WEBROOT
from entrypoint.processes import run_program

_PROGRAM = "/usr/bin/certbot"
_MOST_SECONDS = 900.0  # with a hook, DNS may take its time
_LONGEST = 300  # characters of what is said in the log
# The last hook line, an ACME problem's lines (RFC 8555 §6.7), an exception.
_OF_HOOK = re.compile(r"^\s*signpost-dns: (.+)$", re.MULTILINE)
_PROBLEM = re.compile(
    r"^\s*(?:Domain|Identifier):\s+(\S+)\s+Type:\s+(\S+)\s+Detail:\s+(.+)$", re.MULTILINE
)
_UNEXPECTED = re.compile(r"^An unexpected error occurred:\s+(.+)$", re.MULTILINE)
_NOISE = re.compile(
    r"Saving debug log|Ask for help|Requesting a|Renewing an|Account registered|- -"
)
_RETRY_AFTER = re.compile(r"retry after (\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)")
_LIMITED = re.compile(r"rateLimited|too many (?:certificates|failed|new|currently)", re.IGNORECASE)
_STRANGER = re.compile(r"accountDoesNotExist|^Account \S+ not found", re.MULTILINE)
_DAY = 86_400.0


@dataclass(frozen=True)
class Result:
    """How it ended. problem: why there is no certificate, in one line; "" where there is one.

    not_before: when the server may be asked again, if it said so (Unix time). stranger: the server
    does not know our account. blamed: the names that it failed for; none where that is not known.
    """

    problem: str = ""
    not_before: float = 0.0
    stranger: bool = False
    blamed: tuple[str, ...] = ()


def command(settings: Settings, folder: Path, names: Sequence[str]) -> list[str]:
    """The command that gets one certificate. folder: where accounts and certificates are kept.

    names: the host's first. All or none of them: with --allow-subset-of-names, certbot would put
    one without the host's own name in place of a good one.
    """
    return [
        *(_PROGRAM, "certonly", "--non-interactive", "--agree-tos", "--no-eff-email"),
        # acme_plan says when: certbot may always renew, and never waits.
        *("--force-renewal", "--no-random-sleep-on-renew", "--no-directory-hooks"),
        *("--config-dir", str(folder), "--work-dir", str(folder / "work")),
        *("--logs-dir", str(folder / "log"), "--max-log-backups", "0"),
        *("--server", settings.acme_server),
        # With `=`: an address may begin with a dash.
        f"--email={settings.acme_email or settings.postmaster_address}",
        *("--key-type", "ecdsa", "--elliptic-curve", "secp256r1"),
        *("--cert-name", settings.mail_hostname, "--renew-with-new-domains"),
        *(word for name in names for word in ("--domain", name)),
        *(_by_dns(settings) if settings.acme_dns_hook else _by_http(settings)),
    ]


def _by_http(settings: Settings) -> list[str]:
    """On port 80: the web service has it, or certbot listens itself while the server looks."""
    way = ["--webroot", "--webroot-path", str(WEBROOT)] if settings.serves_web else ["--standalone"]
    return [*way, "--preferred-challenges", "http"]


def _by_dns(settings: Settings) -> list[str]:
    """certbot runs a hook in a shell, with the name and the value in its environment."""

    def hook(step: str) -> str:
        ours = [sys.executable, "-m", "entrypoint.tls.dns_hook", step]
        ours += [word for server in settings.dns_servers for word in ("--name-server", server)]
        values = '"$CERTBOT_DOMAIN" "$CERTBOT_VALIDATION"'
        return f"{shlex.join(ours)} {values} {shlex.join(str(settings.acme_dns_hook).split())}"

    return [
        *("--manual", "--preferred-challenges", "dns"),
        *("--manual-auth-hook", hook("present"), "--manual-cleanup-hook", hook("cleanup")),
    ]


class Certbot:
    """One run, which goes on beside other work."""

    def __init__(
        self, settings: Settings, folder: Path, names: Sequence[str], environ: dict[str, str]
    ) -> None:
        """Start it. environ: its whole environment. Raises OSError."""
        self._names = tuple(names)
        if settings.acme_ca_file is not None:
            environ = environ | {"REQUESTS_CA_BUNDLE": str(settings.acme_ca_file)}
        if settings.serves_web:
            WEBROOT.mkdir(mode=0o755, exist_ok=True)
        running = run_program(
            command(settings, folder, names), _MOST_SECONDS, environ=environ, merged=True
        )
        self._task = asyncio.create_task(running)

    def poll(self) -> Result | None:
        """How it ended; None while it runs."""
        if not self._task.done():
            return None
        try:
            ended = self._task.result()
        except TimeoutError:
            return Result(f"certbot had no end within {_MOST_SECONDS:g} s")
        except OSError as error:
            return Result(f"certbot cannot be run: {error.strerror}")
        text = ended.output.decode("utf-8", "backslashreplace")
        return read_result(ended.status, text, time.time(), self._names)


def read_result(status: int, said: str, now: float, names: Sequence[str]) -> Result:
    """What an exit status and the lines before it mean. names: those asked for."""
    if status == 0:
        return Result()
    if status < 0:
        return Result(f"certbot was ended by signal {-status}")
    not_before = 0.0
    if retry := _RETRY_AFTER.search(said):
        moment = datetime.fromisoformat(retry[1]).replace(tzinfo=UTC)
        not_before = min(moment.timestamp(), now + 7 * _DAY)
    elif _LIMITED.search(said):
        not_before = now + _DAY
    problems = {name.lower(): f"{kind}: {detail}" for name, kind, detail in _PROBLEM.findall(said)}
    # The host's before all others, as the names are.
    by_name = [problems[name] for name in names if name in problems] or list(problems.values())
    problem = _short(said, by_name) or f"certbot exited with status {status}"
    blamed = [name for name in names if (name in problems if problems else _tells(problem, name))]
    return Result(problem, not_before, bool(_STRANGER.search(said)), tuple(blamed))


def _short(said: str, problems: Sequence[str]) -> str:
    if hook := _OF_HOOK.findall(said):
        reason = str(hook[-1])
    elif problems:
        reason = problems[0]
    elif unexpected := _UNEXPECTED.search(said):
        reason = unexpected[1]
    else:
        lines = [line for line in said.splitlines() if line.strip() and not _NOISE.search(line)]
        reason = lines[-1] if lines else ""
    reason = " ".join(reason.split())
    return reason if len(reason) <= _LONGEST else f"{reason[:_LONGEST]}…"


def _tells(problem: str, name: str) -> bool:
    """Does a text name a name, and not only one that it is a part of?"""
    return bool(re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)", problem.lower()))
