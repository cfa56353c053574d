"""Asks an rspamd on another host about each message, and does what it says.

    python -m filters.rspamd http://rspamd:11333

`reject` and `soft reject` refuse the message, `add header` marks it with `X-Spam: yes`. Where it
does not answer within `--timeout`, mail goes on as if there were no rspamd, and the log says so.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import io
import logging
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from filters.log_throttle import LogThrottle
from filters.program import refuse_to_start, start_logging
from filters.rspamd_result import RspamdResult, read_result, verdict
from filters.smtpd import FilterServer, Reject, Session

log = logging.getLogger(__name__)

TIMEOUT = 10.0  # seconds; rspamd itself gives up after 8 (its task_timeout)
LONGEST_ANSWER = 4 << 20
SAID_AGAIN = 600.0  # seconds
_unprintable = re.compile(r"[^!-~]")


class RspamdClient:
    """One rspamd, at a URL of http."""

    def __init__(self, url: str, *, timeout: float = TIMEOUT) -> None:
        """Raises ValueError for what is no such URL."""
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname or parts.path.strip("/"):
            raise ValueError(f"{url!r} is no URL of an rspamd, such as http://rspamd:11333")
        self._host, self._port = parts.hostname, parts.port or 11333
        self._timeout = timeout
        self._failures = LogThrottle(log, SAID_AGAIN)

    async def judge(self, session: Session, message: bytes) -> bytes | Reject:
        """Do with the message what rspamd says; without an answer nothing."""
        try:
            async with asyncio.timeout(self._timeout):
                result = await self._ask(session, message)
        except TimeoutError:
            self._unanswered(f"no answer within {self._timeout:g} s")
            return message
        except (OSError, ValueError, http.client.HTTPException) as error:
            self._unanswered(str(error) or type(error).__name__)
            return message
        self._failures.recovered("rspamd answers again")
        log.info(
            'session=%s msgid=%s action="%s" score=%.2f required=%.2f',
            session.id,
            session.transaction.msgid if session.transaction else "",
            *result[:3],
        )
        return verdict(result, message)

    def _unanswered(self, why: str) -> None:
        self._failures.warning(
            "rspamd at %s:%d: %s; mail goes on unchecked", self._host, self._port, why
        )

    async def _ask(self, session: Session, message: bytes) -> RspamdResult:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            writer.write(self._header(session, len(message)))
            writer.write(message)
            await writer.drain()
            received = bytearray()
            while part := await reader.read(1 << 16):
                received += part
                if len(received) > LONGEST_ANSWER:
                    raise ValueError(f"an answer of more than {LONGEST_ANSWER} bytes")
            return read_result(_body(bytes(received)))
        finally:
            writer.transport.abort()

    def _header(self, session: Session, size: int) -> bytes:
        fields = [("Host", f"{self._host}:{self._port}"), ("Content-Length", str(size))]
        fields += [("Connection", "close"), ("Pass", "all"), ("MTA-Name", session.hostname)]
        fields += [("Helo", session.helo)]
        if session.client_address:
            # As Postfix does: a name that does not lead back is no name.
            name = session.rdns if session.rdns and session.fcrdns == "pass" else "unknown"
            fields += [("IP", session.client_address), ("Hostname", name)]
        if session.user:
            fields.append(("User", session.user))
        if session.transaction:
            fields += [("Queue-Id", session.transaction.msgid)]
            fields += [("From", session.transaction.sender or "<>")]
            fields += [("Rcpt", address) for address in session.transaction.recipients]
        # What a client wrote must not end a field.
        lines = [f"{name}: {_unprintable.sub('?', value)}" for name, value in fields if value]
        return "\r\n".join(["POST /checkv2 HTTP/1.1", *lines, "", ""]).encode("ascii")


class _Received:
    """As much of a socket as http.client needs."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, *_: object) -> io.BytesIO:
        return io.BytesIO(self._raw)


def _body(raw: bytes) -> bytes:
    response = http.client.HTTPResponse(_Received(raw), method="POST")  # type: ignore[arg-type]
    response.begin()
    if response.status != 200:
        raise ValueError(f"status {response.status}")
    return response.read()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the filter under smtpd."""
    start_logging()
    parser = argparse.ArgumentParser("filters.rspamd", description=__doc__.splitlines()[0])
    parser.add_argument("url", help="of its normal worker, such as http://rspamd:11333")
    parser.add_argument("--timeout", type=float, default=TIMEOUT, metavar="SECONDS")
    options = parser.parse_args(arguments)
    try:
        rspamd = RspamdClient(options.url, timeout=options.timeout)
    except ValueError as error:
        refuse_to_start([str(error)])
    server = FilterServer(deadline=options.timeout + 10)
    server.track_context()
    server.register_message_filter(rspamd.judge)
    server.serve_forever()


if __name__ == "__main__":
    main()
