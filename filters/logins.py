"""Answers who may log in, for SMTP and IMAP alike: several passwords a login.

    python -m filters.logins FILE --socket PATH [--last-used FILE] [--guard PATH]

smtpd's own tables hold one hash a login, and its table processes get passwords in lower case.
So PAM asks: `pam/smtpd` runs `pam/ask-logins` beside this, which connects to the socket here, says
`LOGIN NUL PASSWORD`, closes its side and reads `right` or `wrong` and a line feed. Dovecot's PAM
knows the client, and says `LOGIN NUL PASSWORD NUL ADDRESS`; who is blocked there gets `wrong`.
Whoever can reach the socket may try passwords; the folder that it lies in keeps others out. The
guard's socket is for those who know smtpd's clients: see `filters.guard.guard_server`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import socket
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path

from filters.guard.guard_server import GuardServer
from filters.guard.login_guard import LoginGuard
from filters.guard.networks import address_of
from filters.last_good import LastGood
from filters.last_used import LastUsed
from filters.login_book import LoginBook
from filters.login_check import LoginChecker
from filters.program import refuse_to_start, start_logging

log = logging.getLogger(__name__)

RIGHT, WRONG = b"right\n", b"wrong\n"
LONGEST_QUESTION = 2048  # smtpd's own limits are 255 bytes of login and 2047 of password
# Seconds in which the question must have come; the asker itself waits no longer.
PATIENCE = 3.0
WRITE_EVERY = 60.0


class LoginServer:
    """The program without its command line. `last_used` None: nobody wants to know; `guard` None:
    nobody counts failures.
    """

    def __init__(
        self,
        book: LastGood[LoginBook],
        last_used: LastUsed | None = None,
        guard: GuardServer | None = None,
    ) -> None:
        self._book = book
        self._checker = LoginChecker(lambda: book.content)
        self._last_used = last_used
        self._guard = guard
        self._used = asyncio.Event()

    def answer(self, question: bytes) -> bytes:
        """RIGHT or WRONG; a question that is none gets WRONG."""
        login, password, address = _parts(question)
        name = login.lower().decode("utf-8", "backslashreplace")
        if self._guard is not None and self._guard.refused(address, name):
            return WRONG
        # A phone with an old password is a nuisance and no attack: the same one counts once.
        known_wrong = self._checker.is_known_wrong(login, password)
        found = self._checker.check(login, password)
        if found is None:
            if self._guard is not None and not known_wrong:
                self._guard.failed(address, name)
            return WRONG
        if self._guard is not None:
            self._guard.passed(address, name)
        if self._last_used is not None:
            self._last_used.note(name, found.name, int(time.time()))
            self._used.set()
        return RIGHT

    async def serve(self, listener: socket.socket) -> None:
        """Answer on a listening socket, and take it over, until cancelled."""
        server = await asyncio.start_unix_server(self._converse, sock=listener)
        writing = asyncio.create_task(self._write_now_and_then())
        try:
            async with server:
                await server.serve_forever()
        finally:
            writing.cancel()
            if self._last_used is not None and self._last_used.changed:
                self._last_used.write(self._book.content)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                question = b""
                while len(question) <= LONGEST_QUESTION and (
                    part := await reader.read(LONGEST_QUESTION)
                ):
                    question += part
                writer.write(WRONG if len(question) > LONGEST_QUESTION else self.answer(question))
                await writer.drain()
        except (TimeoutError, ConnectionError):
            log.warning("a question broke off")
        except Exception:
            log.exception("a question could not be answered")
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _write_now_and_then(self) -> None:
        while self._last_used is not None:
            await self._used.wait()
            self._used.clear()
            self._last_used.write(self._book.content)
            await asyncio.sleep(WRITE_EVERY)


def _parts(question: bytes) -> tuple[bytes, bytes, str | None]:
    """Login, password and the client's address; None where the asker did not know it."""
    login, _, rest = question.partition(b"\0")
    password, _, last = rest.partition(b"\0")
    address = last.decode("ascii", "backslashreplace")
    return (login, password, address) if address_of(address) else (login, rest, None)


def listen_at(path: Path) -> socket.socket:
    """A listening socket in the place of an old one; raises OSError."""
    listener = socket.socket(socket.AF_UNIX)
    try:
        if path.is_socket():
            path.unlink()
        listener.bind(str(path))
        # Root without its capabilities could not use one that is another user's alone.
        path.chmod(0o666)
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


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
        "--unknown-client",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="a client that appears at this address may be anyone (a NAT) and is not counted",
    )
    options = parser.parse_args(arguments)
    try:
        book = LastGood(options.file, LoginBook.from_json)
    except (OSError, ValueError) as error:
        refuse_to_start([f"{options.file}: {error}"])
    last_used = LastUsed(options.last_used) if options.last_used is not None else None
    guard = None
    if options.guard is not None:
        guard = GuardServer(LoginGuard(options.unknown_client), options.guard_state)
    serving = [LoginServer(book, last_used, guard).serve(_listener(options.socket))]
    if guard is not None:
        serving.append(guard.serve(_listener(options.guard)))
    log.info("%d logins", len(book.content.logins))
    asyncio.run(_serve_until_told(*serving))


def _listener(path: Path) -> socket.socket:
    try:
        return listen_at(path)
    except OSError as error:
        refuse_to_start([f"{path}: {error}"])


if __name__ == "__main__":
    main()
