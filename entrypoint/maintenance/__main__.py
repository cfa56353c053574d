"""Keeps the running server up to date: changed files, DKIM keys, the certificate, MTA-STS.

    python -m entrypoint.maintenance --format text --level info

It is root, and has what `signpost start` has written down of the environment. One asyncio program
of one thread: whatever may wait (DNS, certbot, smtpctl, a disk, a lock) is awaited beside the
rest, each with its deadline. What acts as another user, or writes to a disk, does so in a short
child process (entrypoint.processes): this one never changes its rights, for that would change
them for everything that goes on in it.

Commands ask it on a UNIX socket; `control_socket` describes that.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from entrypoint import paths
from entrypoint.accounts.store import AccountStore
from entrypoint.config.settings import Settings
from entrypoint.dkim_keys.ticker import KeyTicker
from entrypoint.log import start_logging, write_lines
from entrypoint.log_line import LEVELS, Say
from entrypoint.maintenance import junk_filter, mail_owners, sieve_notices
from entrypoint.maintenance.applier import Applier
from entrypoint.maintenance.apply import Prepared, prepare, sync_keys
from entrypoint.maintenance.control_server import listen
from entrypoint.maintenance.control_socket import Outcome
from entrypoint.maintenance.disks import DiskTicker
from entrypoint.maintenance.duties import Duty, repeat
from entrypoint.maintenance.environment import read_environment
from entrypoint.maintenance.metrics import MetricsTicker
from entrypoint.maintenance.mounted_files import MountedFilesTicker
from entrypoint.maintenance.mta_sts import MtaStsTicker
from entrypoint.maintenance.name_servers import NameServerTicker
from entrypoint.maintenance.progress import Progress
from entrypoint.maintenance.reload import RunningServers, reload
from entrypoint.maintenance.watch import WatchedFiles
from entrypoint.processes import in_child
from entrypoint.tls.ticker import CertificateTicker

log = logging.getLogger(__name__)

_FILES = ("ACCOUNTS_FILE", "ALIASES_FILE", "DOMAINS_FILE", "SEND_AS_FILE")
# A thousand plain passwords of ACCOUNTS_FILE are hashed in seconds.
_PREPARE_SECONDS = 120.0
_KEYS_SECONDS = 30.0


class Maintenance:
    """Everything that goes on. environment: the variables as the container was started with."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._store, self._servers = AccountStore(), RunningServers()
        self._applier = Applier(self._watched(), self._prepare, self._go_live)
        self._keys, metrics = KeyTicker(), MetricsTicker()
        self._duties = (
            # DNS has 25 seconds of these.
            Duty("DKIM keys", 60.0, self._keys.tick, 100.0),
            Duty("disks", 5.0, DiskTicker().tick, 120.0),
            Duty("owners of mail", mail_owners.EVERY, mail_owners.MailOwnersTicker().tick, 700.0),
            Duty("Sieve", sieve_notices.EVERY, sieve_notices.SieveNoticesTicker().tick, 90.0),
            Duty("certificate", 2.0, CertificateTicker(paths.DATA).tick, 300.0),
            Duty("MTA-STS", 5.0, MtaStsTicker().tick, 150.0),
            Duty("name servers", 5.0, NameServerTicker().tick, 30.0),
            Duty("mounted files", 5.0, MountedFilesTicker().tick, 30.0),
            Duty("junk filter", junk_filter.EVERY, junk_filter.JunkFilterTicker().tick, 30.0),
            Duty("metrics", 5.0, metrics.tick, 60.0),
            Duty("metrics of mailboxes", 5.0, metrics.tick_mailboxes, 700.0),
        )

    async def run(self) -> None:
        """Until cancelled; whatever ends a task of it ends the process, which is started again."""
        answering = await listen({"apply": self._applier.request, "keys": self._follow_keys})
        async with answering, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._applier.run())
            await self._applier.has_settings.wait()
            for duty in self._duties:
                tasks.create_task(repeat(duty, self._settings))

    def _settings(self) -> Settings | None:
        return self._applier.settings

    def _watched(self) -> WatchedFiles:
        """The files that a person or a command changes while the server runs."""
        named = (self._environment.get(name, "").strip() for name in _FILES)
        files = [Path(name) for name in named if name]
        return WatchedFiles([self._store.path, *files], written_whole=[self._store.path])

    async def _prepare(self, live: Settings | None) -> Prepared:
        return await in_child(
            partial(prepare, self._environment, self._store, live), _PREPARE_SECONDS
        )

    async def _go_live(self, prepared: Prepared, progress: Progress, say: Say) -> None:
        await reload(prepared.changes, self._servers, progress, say)
        if prepared.domains_changed:
            await in_child(partial(sync_keys, prepared.settings), _KEYS_SECONDS)

    async def _follow_keys(self) -> Outcome:
        """The keys as a command has left them; DNS is asked soon, and not waited for."""
        settings = self._applier.settings
        if settings is None:
            return Outcome(False, ("the configuration has not been read yet",))
        lines, errors = await self._keys.follow(settings)
        write_lines(log, lines)
        self._duties[0].wake.set()
        return Outcome(not errors, tuple(errors), tuple(lines))


def main() -> None:
    """Run until a signal."""
    parser = argparse.ArgumentParser("entrypoint.maintenance")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument("--level", choices=LEVELS, default="info")
    options = parser.parse_args()
    start_logging("maintenance", options.format, options.level)
    asyncio.run(Maintenance(read_environment()).run())


if __name__ == "__main__":
    main()
