"""Takes down whom each account has written to, as the submission filter says it.

Datagrams wait in a row that is bounded, and one at a time goes into its account's state: what is
too much is lost, as is what comes while nobody listens. Nothing here may end the program.
"""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

from entrypoint.junk.account_state import StateError, open_state
from entrypoint.paths import MAIL, NoAccountError, account_home
from filters.log_throttle import LogThrottle
from filters.unix_socket import receive_at
from filters.written_to import decode_written_to

log = logging.getLogger(__name__)

# The folder says who may reach it: the submission filter, which is of another user.
_MODE = 0o666
# Of 32 kB at most each.
_MOST_WAITING = 500
_COMPLAIN_EVERY = 3600.0


class _Datagrams(asyncio.DatagramProtocol):
    """Puts what comes into the row, and drops it where that is full."""

    def __init__(self, row: asyncio.Queue[bytes]) -> None:
        self._row = row

    def datagram_received(self, data: bytes, addr: object) -> None:
        if not self._row.full():
            self._row.put_nowait(data)


async def receive_written_to(path: Path, mail: Path = MAIL) -> None:
    """Answer to nobody, until cancelled. path: the socket. Raises OSError where it cannot be."""
    row = asyncio.Queue[bytes](_MOST_WAITING)
    failing = LogThrottle(log, _COMPLAIN_EVERY)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: _Datagrams(row), sock=receive_at(path, _MODE)
    )
    try:
        while True:
            datagram = await row.get()
            try:
                await asyncio.to_thread(take_down, datagram, mail)
            except StateError as error:
                failing.warning("whom an account has written to is lost: %s", error)
            except Exception:
                log.exception("whom an account has written to could not be taken down")
    finally:
        transport.close()


def take_down(datagram: bytes, mail: Path = MAIL) -> None:
    """One datagram, into its account's state; nothing for an account that has no home.

    Raises StateError.
    """
    said = decode_written_to(datagram)
    if said is None:
        return
    try:
        home = account_home(said.account, mail)
    except NoAccountError:
        return
    if not home.is_dir():
        return
    with open_state(home) as state:
        state.add_written_to(said.recipients, int(time.time()))
