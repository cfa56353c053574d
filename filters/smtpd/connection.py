"""The state of the one conversation with smtpd: bytes in → events, answers → bytes out.

No I/O, no clock, no handlers (the shape of h11): tests feed it transcripts whole, byte by byte
and with trailing data. It guards what smtpd does not forgive: output before the handshake is
over, two answers to one request, and an answer for a session that is gone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from filters.smtpd.wire import (
    END_OF_MESSAGE,
    Config,
    DataLines,
    Line,
    ProtocolError,
    Report,
    Request,
    Version,
    format_result,
    parse_line,
)

# The newest protocol that this library was written for.
NEWEST_PROTOCOL: Version = (0, 7)
# A payload of 65,533 bytes and its prefix; anything far beyond is no smtpd.
LONGEST_LINE = 1 << 20
# Sessions whose end is remembered. Data lines and reports reach smtpd's end of the socket on
# separate paths, so that something may come behind a link-disconnect, but never so far behind.
ENDED_SESSIONS = 1_024


class Handshake:
    """What smtpd said of itself before `config|ready`."""

    def __init__(self) -> None:
        self.config: dict[str, str] = {}
        self.subsystems: list[str] = []

    @property
    def admd(self) -> str | None:
        """The authserv-id (RFC 8601 §2.5); None before 6.8."""
        return self.config.get("admd") or None

    @property
    def session_timeout(self) -> int | None:
        """Seconds after which smtpd gives up an idle client."""
        match = re.fullmatch(r"[0-9]{1,9}", self.config.get("smtp-session-timeout", ""))
        return int(match[0]) if match else None

    @property
    def newer_protocol(self) -> str | None:
        """The protocol's version where it is newer than this library; smtpd tells it from 7.6."""
        match = re.fullmatch(r"([0-9]{1,4})\.([0-9]{1,4})", self.config.get("protocol", ""))
        return match[0] if match and (int(match[1]), int(match[2])) > NEWEST_PROTOCOL else None


class Connection:
    """One filter's side of the protocol."""

    def __init__(self) -> None:
        self.handshake = Handshake()
        self.ready = False
        self.malformed: list[ProtocolError] = []
        self._buffer = bytearray()
        # How many answers each token of a session still owes.
        self._open: dict[str, dict[str, int]] = {}
        # In the order of their ends; a dict for want of an ordered set.
        self._ended: dict[str, None] = {}

    def receive_data(self, data: bytes) -> Iterator[Line]:
        """Yield the complete lines in what has arrived so far, parsed, without unknown kinds.

        Each is parsed when it is asked for, so that what `forget` says of a session holds for
        the lines behind. The handshake's lines are folded into `handshake`; of them only
        `config|ready` is yielded. A line that no smtpd writes is put into `malformed` and the
        others still count. Data lines of one message that follow each other come together.
        """
        self._buffer += data
        end = self._buffer.rfind(b"\n")
        if end < 0:
            if len(self._buffer) > LONGEST_LINE:
                self.malformed.append(ProtocolError("a line without an end", self._buffer[:200]))
                self._buffer.clear()
            return
        complete = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        # Nearly every line is a data line, and most follow one of the same message. They differ
        # in their time and payload only, so the rest is compared and not parsed again.
        run: DataLines | None = None
        payloads: list[bytes] = []
        before_time = after_time = b""
        time_at = time_end = start = 0
        for raw in complete.split(b"\n"):
            if (
                run is not None
                and raw.startswith(after_time, time_end)
                and raw.startswith(before_time)
                and raw.find(b"|", time_at) == time_end
            ):
                payload = raw[start:]
                payloads.append(payload)
                if payload == END_OF_MESSAGE:
                    yield run
                    run = None
                continue
            if run is not None:
                yield run
                run = None
            line = self._parse(raw)
            if isinstance(line, DataLines) and line.payloads[0] != END_OF_MESSAGE:
                run, payloads = line, line.payloads
                time_at = raw.index(b"|", raw.index(b"|") + 1) + 1
                time_end = raw.index(b"|", time_at)
                start = len(raw) - len(line.payloads[0])
                before_time, after_time = raw[:time_at], raw[time_end:start]
            elif line is not None:
                yield line
        if run is not None:
            yield run

    def _parse(self, raw: bytes) -> Line | None:
        try:
            line = parse_line(raw)
        except ProtocolError as error:
            self.malformed.append(error)
            return None
        if isinstance(line, Config):
            return line if self._fold(line) else None
        if line is None or (self._ended and self._is_over(line)):
            return None
        if isinstance(line, Request):
            tokens = self._open.setdefault(line.session, {})
            tokens[line.token] = tokens.get(line.token, 0) + 1
        return line

    def _is_over(self, line: Request | DataLines | Report) -> bool:
        if isinstance(line, Report) and line.event == "link-connect":
            self._ended.pop(line.session, None)
        return line.session in self._ended

    def _fold(self, line: Config) -> bool:
        if line.key == "ready":
            # Registering twice would kill smtpd.
            first, self.ready = not self.ready, True
            return first
        if line.key == "subsystem":
            self.handshake.subsystems.append(line.value)
        else:
            self.handshake.config[line.key] = line.value
        return False

    def register(
        self, reports: Iterable[str], phases: Iterable[str], outgoing: Iterable[str] = ()
    ) -> bytes:
        """The answer to the handshake. Raises RuntimeError before `config|ready`.

        `outgoing` are reports of smtp-out. 6.6 would die of them, so they are left out where
        smtpd has not announced that subsystem.
        """
        if not self.ready:
            raise RuntimeError("smtpd has not finished its handshake")
        lines = [f"register|report|smtp-in|{event}" for event in reports]
        if "smtp-out" in self.handshake.subsystems:
            lines += [f"register|report|smtp-out|{event}" for event in outgoing]
        lines += [f"register|filter|smtp-in|{phase}" for phase in phases]
        return "".join(line + "\n" for line in [*lines, "register|ready"]).encode("ascii")

    def answer(self, request: Request, verdict: str) -> bytes:
        """The one answer to a request; empty where the session is gone or it had its answer."""
        tokens = self._open.get(request.session)
        if tokens is None or request.token not in tokens:
            return b""
        tokens[request.token] -= 1
        if not tokens[request.token]:
            del tokens[request.token]
        if not tokens:
            del self._open[request.session]
        return format_result(request.version, request.session, request.token, verdict)

    def forget(self, session: str) -> None:
        """The session is over: what else comes of it is passed over, and nothing is answered."""
        self._open.pop(session, None)
        self._ended[session] = None
        if len(self._ended) > ENDED_SESSIONS:
            del self._ended[next(iter(self._ended))]

    @property
    def open_requests(self) -> int:
        """Requests that still wait for their answer."""
        return sum(sum(tokens.values()) for tokens in self._open.values())
