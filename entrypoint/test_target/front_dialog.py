"""One client of the front and one session of smtpd's: what each says goes to the other."""

from __future__ import annotations

import asyncio
import base64
import binascii
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress

from entrypoint.test_target.front_session import FrontRules, FrontSession

_LONGEST_LINE = 12_288  # bytes (RFC 4954 §4); smtpd takes less and says so
_IDLE = 300.0  # seconds (RFC 5321 §4.5.3.2.7)
_ANSWERED_WITHIN = 180.0  # seconds; the longest delay of a fault is 60
_HANDSHAKE = 30.0
_CHUNK = 65_536
_TLS_FIRST = b"530 5.7.0 begin TLS first, by STARTTLS (RFC 3207, 4)\r\n"
_GONE = b"421 4.3.2 the mail server has ended the session\r\n"
_LAST_REPLIES = (b"421", b"521")  # smtpd has closed behind them


class _Client:
    """The bytes that a client says, by lines, or up to the end of a message."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._buffer = bytearray()

    async def line(self) -> bytes:
        """The next command. Raises ValueError for one that is too long, EOFError at the end."""
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > _LONGEST_LINE:
                raise ValueError
            await self._more()
        return self._take(end + 1)

    async def message(self) -> AsyncIterator[bytes]:
        """A message's bytes up to CRLF.CRLF, whatever they are, each as soon as it is there."""
        end = b"\r\n.\r\n"
        last = b"\r\n"  # that have passed, of an end; a message of nothing is a dot alone
        while (found := (last + self._buffer).find(end)) < 0:
            last = (last + self._buffer)[1 - len(end) :]
            yield self._take(len(self._buffer))
            await self._more()
        yield self._take(found + len(end) - len(last))

    async def forget(self) -> None:
        """Drop what the client has said so far."""
        self._buffer.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(0):
                await self._reader.read(_CHUNK)

    async def _more(self) -> None:
        async with asyncio.timeout(_IDLE):
            chunk = await self._reader.read(_CHUNK)
        if not chunk:
            raise EOFError
        self._buffer += chunk

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken


class FrontDialog:
    """Between the two, until one of them goes."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        smtpd_reader: asyncio.StreamReader,
        smtpd_writer: asyncio.StreamWriter,
        session: FrontSession,
    ) -> None:
        self._client, self._writer = _Client(reader), writer
        self._smtpd_reader, self._smtpd_writer = smtpd_reader, smtpd_writer
        self._session = session
        self._greeting = b""

    async def run(self, rules: FrontRules) -> None:
        """Raises OSError, EOFError, TimeoutError, ssl.SSLError, and ValueError for no SMTP."""
        tls = rules.tls
        if rules.implicit_tls:
            await self._note_tls(rules)
        await self._say(await self._smtpd_reply())
        while True:
            line = await self._client.line()
            verb = line[:10].strip().split(b" ")[0].upper()
            if verb == b"AUTH":
                await self._authenticate(line, rules)
            elif verb == b"STARTTLS" and tls is not None and not self._session.tls:
                await self._start_tls(tls, rules)
            elif verb == b"MAIL" and (lacking := self._lacking(rules)):
                await self._say(lacking)
            else:
                if verb == b"EHLO":
                    reply = await self._greet(line, rules)
                else:
                    reply = await self._ask(_without_auth(line) if verb == b"MAIL" else line)
                await self._say(reply)
                if verb == b"DATA" and reply.startswith(b"354"):
                    await self._pass_message()
                if verb == b"QUIT" or reply.startswith(b"421"):
                    return

    async def _greet(self, line: bytes, rules: FrontRules) -> bytes:
        """EHLO's reply. smtpd takes one in a session: of TLS that begins here it knows nothing."""
        if self._greeting:
            await self._ask(b"RSET\r\n")
            return self._offer(self._greeting, rules)
        reply = await self._ask(line)
        if not reply.startswith(b"250"):
            return reply
        self._greeting = reply
        return self._offer(reply, rules)

    def _lacking(self, rules: FrontRules) -> bytes:
        """What the client is answered that lacks what it needs to send mail."""
        if self._lacks_tls(rules):
            return _TLS_FIRST
        if rules.needs_login and not self._session.login:
            return b"530 5.7.0 log in first (RFC 4954, 6)\r\n"
        return b""

    def _lacks_tls(self, rules: FrontRules) -> bool:
        return rules.needs_tls and not self._session.tls

    def _offer(self, reply: bytes, rules: FrontRules) -> bytes:
        lines = reply.removesuffix(b"\r\n").split(b"\r\n")
        if rules.tls is not None and not self._session.tls:
            lines.append(b"250 STARTTLS")
        if not self._session.login and not self._lacks_tls(rules):
            lines.append(b"250 AUTH PLAIN LOGIN")
        joined = [b"250-" + line[4:] for line in lines[:-1]] + [b"250 " + lines[-1][4:]]
        return b"\r\n".join(joined) + b"\r\n"

    async def _start_tls(self, tls: ssl.SSLContext, rules: FrontRules) -> None:
        await self._say(b"220 2.0.0 go ahead\r\n")
        # What was said before TLS is not taken for what is said in it (RFC 3207 §6).
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]
        await self._client.forget()
        await self._writer.start_tls(tls, ssl_handshake_timeout=_HANDSHAKE)
        self._session.login = ""
        self._session.cut = self._writer.transport.abort
        await self._note_tls(rules)
        await self._ask(b"RSET\r\n")

    async def _note_tls(self, rules: FrontRules) -> None:
        link = self._writer.get_extra_info("ssl_object")
        self._session.tls, self._session.cipher = link.version(), link.cipher()[0]
        await rules.changed(self._session)

    async def _authenticate(self, line: bytes, rules: FrontRules) -> None:
        words = line.split()
        mechanism = words[1].upper() if len(words) > 1 else b""
        first = words[2] if len(words) > 2 else None
        if self._lacks_tls(rules):
            await self._say(_TLS_FIRST)
        elif self._session.login:
            await self._say(b"503 5.5.1 logged in already (RFC 4954, 4)\r\n")
        elif mechanism not in (b"PLAIN", b"LOGIN"):
            await self._say(b"504 5.5.4 only PLAIN and LOGIN\r\n")
        else:
            try:
                login, password = await self._credentials(mechanism, first)
            except (ValueError, binascii.Error):
                await self._say(b"501 5.5.2 these are no credentials (RFC 4616, 2)\r\n")
                return
            fault = await rules.auth_fault(self._session, login)
            if fault is not None:
                await self._say(fault.encode("ascii") + b"\r\n")
                if fault.startswith("421"):
                    raise EOFError  # as at every other command
            elif await rules.accepts(login, password):
                self._session.login = login
                await rules.changed(self._session)
                await self._say(b"235 2.7.0 logged in\r\n")
            else:
                await self._say(b"535 5.7.8 wrong login or password\r\n")

    async def _credentials(self, mechanism: bytes, first: bytes | None) -> tuple[str, str]:
        if mechanism == b"LOGIN":
            login = await self._answer(b"Username:") if first is None else _decoded(first)
            return login, await self._answer(b"Password:")
        parts = (await self._answer(b"") if first is None else _decoded(first)).split("\0")
        if len(parts) != 3:
            raise ValueError
        return parts[1], parts[2]

    async def _answer(self, prompt: bytes) -> str:
        await self._say(b"334 " + base64.b64encode(prompt) + b"\r\n")
        return _decoded((await self._client.line()).strip())

    async def _pass_message(self) -> None:
        """The message, and what smtpd says at its end.

        It may speak or go before: for it, the message ends where a line of a dot has another end,
        and it refuses that. Then the two no longer agree on where they are. Raises EOFError.
        """
        reply = asyncio.ensure_future(self._smtpd_reply(None))
        passing = asyncio.ensure_future(self._pass_lines())
        try:
            await asyncio.wait({reply, passing}, return_when=asyncio.FIRST_COMPLETED)
            early = reply.done()
            if not early:
                passing.result()
            async with asyncio.timeout(_ANSWERED_WITHIN):
                said = await _or_gone(reply)
            await self._say(said)
            if said[:3] in _LAST_REPLIES or (early and not passing.done()):
                raise EOFError
        finally:
            for task in (reply, passing):
                task.cancel()
            await asyncio.gather(reply, passing, return_exceptions=True)

    async def _pass_lines(self) -> None:
        async for part in self._client.message():
            if self._session.cuts_data and part:
                self._session.cut()
                raise EOFError
            self._smtpd_writer.write(part)
            await self._smtpd_writer.drain()

    async def _ask(self, command: bytes) -> bytes:
        self._smtpd_writer.write(command)
        await self._smtpd_writer.drain()
        return await self._smtpd_reply()

    async def _smtpd_reply(self, seconds: float | None = _ANSWERED_WITHIN) -> bytes:
        reply = b""
        async with asyncio.timeout(seconds):
            while True:
                line = await self._smtpd_reader.readuntil(b"\n")
                reply += line
                if line[3:4] != b"-":
                    return reply

    async def _say(self, reply: bytes) -> None:
        self._writer.write(reply)
        async with asyncio.timeout(_IDLE):
            await self._writer.drain()


async def _or_gone(reply: Awaitable[bytes]) -> bytes:
    """smtpd's reply, or what the client is answered where smtpd went without one."""
    try:
        return await reply
    except (OSError, EOFError) as error:
        if isinstance(error, TimeoutError):
            raise
        return _GONE


def _without_auth(line: bytes) -> bytes:
    """A MAIL command without the parameter that smtpd knows only where it offers AUTH itself."""
    words = line.rstrip(b"\r\n").split(b" ")
    return b" ".join(word for word in words if word[:5].upper() != b"AUTH=") + b"\r\n"


def _decoded(encoded: bytes) -> str:
    return base64.b64decode(encoded, validate=True).decode()
