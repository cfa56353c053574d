"""The old server, read by IMAP and never changed: its folders, and the messages in them.

Whatever it answers is hostile. A connection of which something unexpected came is not used again.
"""

from __future__ import annotations

import imaplib
import re
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from imapclient.exceptions import CapabilityError, IMAPClientError, ProtocolError
from imapclient.response_parser import parse_fetch_response

from entrypoint.mailbox_import.bounded_imap import LARGEST_MESSAGE, BoundedClient, within
from entrypoint.text import printable

Security = Literal["TLS", "STARTTLS", "none"]
PORTS: dict[Security, int] = {"TLS": 993, "STARTTLS": 143, "none": 143}

_SILENT = 60.0  # seconds without a byte
_ANSWER = 120.0  # seconds for a whole answer, and more for messages:
_SLOWEST = 20_000  # bytes a second
_GOODBYE = 1.0  # seconds that the end of a session may take
_AT_ONCE = 2000  # messages that are listed in one answer
_MOST = 2_000_000  # messages of a folder
# RFC 3501 §9: a flag is an atom, a system flag with a backslash before it.
_KEYWORD = re.compile(r"[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")
_LONGEST_KEYWORD = 50  # Dovecot's mail_max_keyword_length
_SYSTEM_FLAGS = {"\\answered", "\\flagged", "\\deleted", "\\seen", "\\draft"}
_LIST = re.compile(
    rb'\((?P<flags>[^)]*)\) (?:NIL|"(?P<delimiter>\\?.)") (?P<name>.*)', re.DOTALL | re.IGNORECASE
)


class LostError(Exception):
    """The connection is of no use any more; another one may be. silent: it took all its time."""

    def __init__(self, reason: str, *, silent: bool = False) -> None:
        super().__init__(reason)
        self.silent = silent


class RefusedError(Exception):
    """The server answered NO: it would do so again."""


@dataclass(frozen=True)
class OldMailbox:
    """Where the mailbox is."""

    host: str
    port: int
    security: Security
    login: str

    @property
    def key(self) -> str:
        """What it is known by in the record."""
        return f"{self.login}@{self.host.lower()}"


@dataclass(frozen=True)
class OldFolder:
    """name: the bytes that the server has for it. delimiter: "" where it has no hierarchy."""

    name: bytes
    delimiter: str
    flags: frozenset[str]
    subscribed: bool


@dataclass(frozen=True, slots=True)
class OldMessage:
    """One message of a folder; gmail: Gmail's own number of it, the same in every folder."""

    uid: int
    size: int
    flags: tuple[str, ...]
    date: datetime | None
    gmail: int = 0


@dataclass(frozen=True)
class FolderList:
    """All folders. prefix: what the names of a person's own begin with, such as `INBOX.`."""

    folders: tuple[OldFolder, ...]
    prefix: bytes
    unreadable: int


@dataclass(frozen=True)
class MessageList:
    """The messages of a folder. unlisted: how many more it has than it lists."""

    uidvalidity: int
    messages: list[OldMessage]
    unlisted: int


class OldServer:
    """One session, which can be begun anew. trusted: what `trusting` made, if not the usual."""

    def __init__(
        self, source: OldMailbox, password: str, trusted: ssl.SSLContext | None = None
    ) -> None:
        self.source, self._password = source, password
        self._trusted = trusted or ssl.create_default_context()
        self._client: BoundedClient | None = None

    def connect(self) -> None:
        """Log in. Raises LostError, and RefusedError where it is of no use to try again."""
        self._drop()
        source = self.source
        sock: socket.socket | None = None
        try:
            with _readable(), within(_ANSWER):
                sock = socket.create_connection((source.host, source.port), _SILENT)
                # imaplib sends a command in two pieces; the second would wait 40 ms.
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if source.security == "TLS":
                    sock = self._trusted.wrap_socket(sock, server_hostname=source.host)
                self._client = client = BoundedClient(sock, source.host, seconds=_SILENT)
                if source.security == "STARTTLS":
                    client.starttls(self._trusted)
                    # What came before TLS may be anybody's: no answer of it counts.
                    client.imap.untagged_responses.clear()
                self._log_in(client)
        except (LostError, RefusedError):
            if self._client is None and sock is not None:
                sock.close()
            self._drop()
            raise
        except ssl.SSLCertVerificationError as error:
            raise RefusedError(
                f"its certificate does not verify: {error.verify_message}; take the name that is"
                " in it, or name its authority's with --certificate-file"
            ) from None
        except socket.gaierror as error:
            if error.errno in (socket.EAI_NONAME, socket.EAI_NODATA):
                raise RefusedError("there is no such host") from None
            raise RefusedError(f"its name cannot be resolved: {error.strerror}") from None

    def _log_in(self, client: BoundedClient) -> None:
        try:
            if client.has_capability("AUTH=PLAIN"):
                client.plain_login(self.source.login, self._password)
            else:
                client.login(self.source.login, self._password)
        except UnicodeError:
            raise RefusedError("it takes passwords in ASCII only") from None
        except imaplib.IMAP4.abort:
            raise
        except (imaplib.IMAP4.error, IMAPClientError) as error:
            raise RefusedError(f"it refuses the login: {_said(error)}") from None

    def close(self) -> None:
        """End the session, whatever became of it."""
        if self._client is not None:
            with suppress(Exception), within(_GOODBYE):
                self._client.logout()
        self._drop()

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                client.shutdown()

    def listing(self) -> FolderList:
        """Every folder, in the server's order."""
        with self._asked() as client:
            typ, subscribed = client.imap.lsub('""', "*")
            names = {each.name for each in _folders(subscribed)} if typ == "OK" else set()
            client.allow(0)
            typ, data = client.imap.list('""', "*")
            if typ != "OK":
                raise RefusedError("it does not list its folders")
            lines = [each for each in data if each]
            folders = tuple(_folders(data, names))
            return FolderList(folders, _prefix(client), _heads(lines) - len(folders))

    def messages(self, folder: OldFolder) -> MessageList:
        """All messages of a folder, which is open from then on."""
        with self._asked() as client:
            uidvalidity, count = _opened(client, folder)
            items = "(UID FLAGS INTERNALDATE RFC822.SIZE"
            items += " X-GM-MSGID)" if client.has_capability("X-GM-EXT-1") else ")"
        if count > _MOST:
            raise RefusedError(f"it has {count} messages; at most {_MOST} can be brought")
        found: dict[int, OldMessage] = {}
        for first in range(1, count + 1, _AT_ONCE):
            last = min(first + _AT_ONCE - 1, count)
            with self._asked() as client:
                typ, data = client.imap.fetch(f"{first}:{last}", items)
                if typ != "OK":
                    raise RefusedError(f"it does not list the messages: {_text(data)}")
                page = parse_fetch_response(data, normalise_times=False, uid_is_key=False)
                for message in filter(None, map(_message, page.values())):
                    found[message.uid] = message
        return MessageList(uidvalidity, list(found.values()), unlisted=count - len(found))

    def reopen(self, folder: OldFolder, uidvalidity: int) -> None:
        """Open the folder in a new session. Raises LostError where it is another one by now."""
        with self._asked() as client:
            if _opened(client, folder)[0] != uidvalidity:
                raise RefusedError("its folder has been made anew meanwhile; run the same again")

    def bodies(self, messages: Sequence[OldMessage]) -> dict[int, bytes]:
        """What the messages of the open folder are, by UID; one that is gone is not among them."""
        size = sum(each.size for each in messages)
        with self._asked(size) as client:
            # Servers count sizes wrongly; how much is too much is said in bytes alone.
            client.allow(LARGEST_MESSAGE)
            uids = ",".join(str(each.uid) for each in messages)
            typ, data = client.imap.uid("FETCH", uids, "(UID BODY.PEEK[])")
            if typ != "OK":
                raise LostError(f"it does not send messages: {_text(data)}")
            found = parse_fetch_response(data, normalise_times=False, uid_is_key=True)
            return {
                uid: _bytes(items[b"BODY[]"]) for uid, items in found.items() if b"BODY[]" in items
            }

    @contextmanager
    def _asked(self, size: int = 0) -> Iterator[BoundedClient]:
        if self._client is None:
            raise LostError("there is no connection")
        self._client.allow(0)
        with _readable(), within(_ANSWER + size / _SLOWEST):
            yield self._client


@contextmanager
def _readable() -> Iterator[None]:
    """An answer that is none ends the connection, not the import."""
    try:
        yield
    except (LostError, RefusedError, ssl.SSLCertVerificationError, socket.gaierror):
        raise
    except TimeoutError as error:
        raise LostError(str(error) or "it is silent", silent=True) from None
    except CapabilityError:
        raise RefusedError("it does not offer STARTTLS") from None
    except (ProtocolError, ValueError, TypeError, KeyError, IndexError) as error:
        raise LostError(f"its answer cannot be read: {_said(error)}") from None
    except (AssertionError, RecursionError, AttributeError, ArithmeticError):
        raise LostError("its answer cannot be read") from None
    except (imaplib.IMAP4.error, IMAPClientError, EOFError, OSError) as error:
        raise LostError(_said(error)) from None


def _said(error: Exception) -> str:
    return printable(str(error))[:300] or type(error).__name__


def _text(data: Sequence[Any]) -> str:
    first = data[0] if data else b""
    return printable(first.decode("utf-8", "replace") if isinstance(first, bytes) else "")[:300]


def trusting(certificate_file: Path) -> ssl.SSLContext:
    """Trust in a certificate (PEM) beside those that all trust. Raises OSError (or SSLError)."""
    context = ssl.create_default_context()
    context.load_verify_locations(certificate_file)
    # Those that are made by hand have not all that a strict reading of RFC 5280 asks for.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _opened(client: BoundedClient, folder: OldFolder) -> tuple[int, int]:
    """UIDVALIDITY and number of messages. EXAMINE changes nothing, not even \\Recent."""
    typ, data = client.imap.select(_quoted(folder.name), readonly=True)  # type: ignore[arg-type]
    if typ != "OK":
        raise RefusedError(f"it does not open: {_text(data)}")
    count = int(_text(data) or 0)
    _, (number,) = client.imap.response("UIDVALIDITY")
    if number is None:
        raise RefusedError("it has no UIDVALIDITY, by which messages would be known again")
    return int(number), count


def _quoted(name: bytes) -> bytes:
    if re.search(rb"[\0\r\n]", name):
        raise RefusedError("no command can have its name")
    return b'"' + name.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _heads(lines: Sequence[Any]) -> int:
    return sum(isinstance(each, tuple) or not each.startswith(b")") for each in lines)


def _folders(data: Sequence[Any], subscribed: set[bytes] | None = None) -> Iterator[OldFolder]:
    """imaplib has a name that is a literal in a pair: what stood before it, and the name."""
    for each in data:
        line = each[0] if isinstance(each, tuple) else each
        match = _LIST.fullmatch(line or b"")
        if match is None:
            continue
        name = each[1] if isinstance(each, tuple) else match["name"]
        if not isinstance(each, tuple) and name.startswith(b'"'):
            name = re.sub(rb"\\(.)", rb"\1", name[1:].removesuffix(b'"'), flags=re.DOTALL)
        delimiter = (match["delimiter"] or b"")[-1:].decode("latin-1")
        flags = frozenset(match["flags"].decode("latin-1").lower().split())
        if name:
            yield OldFolder(name, delimiter, flags, name in (subscribed or ()))


def _prefix(client: BoundedClient) -> bytes:
    with suppress(CapabilityError, imaplib.IMAP4.error, IMAPClientError, ValueError, TypeError):
        personal = client.namespace().personal
        return str(personal[0][0]).encode("latin-1") if personal else b""
    return b""


def _message(items: dict[bytes, Any]) -> OldMessage | None:
    uid, size = items.get(b"UID"), items.get(b"RFC822.SIZE", 0)
    if not isinstance(uid, int) or not 0 < uid < 1 << 32 or not isinstance(size, int):
        return None
    flags = tuple(sorted(filter(None, map(_flag, items.get(b"FLAGS") or ()))))
    gmail = items.get(b"X-GM-MSGID", 0)
    return OldMessage(
        uid,
        max(0, size),
        flags,
        _date(items.get(b"INTERNALDATE")),
        gmail if isinstance(gmail, int) else 0,
    )


def _date(date: object) -> datetime | None:
    """The date, if it can be set here: with a year of four digits and an offset below a day."""
    if not isinstance(date, datetime):
        return None
    try:
        date.utcoffset()
    except ValueError:
        return None
    return date if date.year >= 1000 else None


def _flag(flag: object) -> str:
    """The flag, if it can be set here: \\Recent and a server's own system flags cannot."""
    text = flag.decode("latin-1") if isinstance(flag, bytes) else str(flag)
    if text.startswith("\\"):
        return text if text.lower() in _SYSTEM_FLAGS else ""
    return text if _KEYWORD.fullmatch(text) and len(text) <= _LONGEST_KEYWORD else ""


def _bytes(value: object) -> bytes:
    """A message; one that is not sent as a literal may look like a number."""
    if isinstance(value, bytes):
        return value
    return b"" if value is None else str(value).encode("latin-1", "replace")
