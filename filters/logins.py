"""Answers who may log in, for SMTP and IMAP alike: several passwords a login.

    python -m filters.logins FILE --socket PATH [--last-used FILE] [--guard PATH]

smtpd's own tables hold one hash a login, and its table processes get passwords in lower case.
So PAM asks: the module `pam/pam_signpost.c`, in smtpd's service, connects to the socket here, says
`LOGIN NUL PASSWORD`, closes its side and reads `right` or `wrong` and a line feed, or the end where
nobody says which. Dovecot's Lua does the same, knows the client, and says `LOGIN NUL PASSWORD NUL
ADDRESS`; who is blocked there gets `wrong`. smtpd's filter tells the guard which clients are about
to log in, and a login that is blocked at all of them gets `wrong`, too. Whoever can reach the
socket may try passwords; the folder that it lies in keeps others out. The guard's socket is for
those who know smtpd's clients: see `filters.guard.server`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Coroutine, Sequence
from pathlib import Path

from filters.credentials import LoginTable
from filters.guard.login_guard import LoginGuard
from filters.guard.server import GuardServer
from filters.last_used import LastUsed
from filters.login_server import LoginServer
from filters.program import refuse_to_start, start_logging
from filters.right_passwords import RightPasswords
from filters.uncounted_login import UncountedLogin
from filters.unix_socket import listen_at
from filters.watched_file import LastGood

log = logging.getLogger(__name__)

# Root without its capabilities could not use one that is another user\'s alone.
_MODE = 0o666


async def _serve_until_told(*serving: Coroutine[None, None, None]) -> None:
    together = asyncio.gather(*serving)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, together.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await together


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program until SIGTERM; exit 2 where the file or the socket is no good."""
    start_logging()
    parser = argparse.ArgumentParser("filters.logins", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("file", type=Path, help="the passwords of every login (JSON)")
    parser.add_argument("--socket", type=Path, required=True, help="where to answer")
    parser.add_argument("--last-used", type=Path, help="where to write when each was last used")
    parser.add_argument("--guard", type=Path, help="where to hear of failed logins, and tell")
    parser.add_argument("--guard-state", type=Path, help="where blocks are kept over a restart")
    parser.add_argument(
        "--right-passwords", type=Path, help="where digests of those that were right are kept"
    )
    parser.add_argument(
        "--uncounted", type=Path, help="a login that is neither counted nor noted (JSON)"
    )
    parser.add_argument(
        "--unknown-client",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="a client that appears at this address may be anyone (a NAT) and is not counted",
    )
    options = parser.parse_args(arguments)
    try:
        table = LastGood(options.file, LoginTable.from_json)
    except (OSError, ValueError) as error:
        refuse_to_start([f"{options.file}: {error}"])
    uncounted = None
    if options.uncounted is not None:
        try:
            uncounted = UncountedLogin.read(options.uncounted)
        except (OSError, ValueError) as error:
            log.error("%s: this login is refused: %s", options.uncounted, error)
    last_used = None
    if options.last_used is not None:
        last_used = LastUsed(options.last_used, lambda: table.content)
    guard = None
    if options.guard is not None:
        guard = GuardServer(LoginGuard(options.unknown_client), options.guard_state)
    right = RightPasswords(options.right_passwords)
    logins = LoginServer(table, last_used, guard, uncounted, right)
    serving = [logins.serve(_listener(options.socket))]
    if guard is not None:
        serving.append(guard.serve(_listener(options.guard)))
    log.info("%d logins", len(table.content.logins))
    asyncio.run(_serve_until_told(*serving))


def _listener(path: Path) -> socket.socket:
    try:
        return listen_at(path, _MODE)
    except OSError as error:
        refuse_to_start([f"{path}: {error}"])


if __name__ == "__main__":
    main()
