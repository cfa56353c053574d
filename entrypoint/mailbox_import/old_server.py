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
from pathlib import Path
from typing import Literal

from imapclient.exceptions import CapabilityError, IMAPClientError, ProtocolError
from imapclient.response_parser import parse_fetch_response

from entrypoint.mailbox_import.bounded_imap import LARGEST_MESSAGE, BoundedClient, within
from entrypoint.mailbox_import.responses import (
    FolderList,
    MessageList,
    OldFolder,
    OldMessage,
    content_of,
    folders_in,
    lines_in,
    message_of,
    resp_text,
)
from entrypoint.text import printable

Security = Literal["TLS", "STARTTLS", "none"]
PORTS: dict[Security, int] = {"TLS": 993, "STARTTLS": 143, "none": 143}

_SILENT = 60.0  # seconds without a byte
_ANSWER = 120.0  # seconds for a whole answer, and more for messages:
_SLOWEST = 20_000  # bytes a second
# What OpenSSL says where the answer is no TLS, by its version.
_NO_TLS = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}
_GOODBYE = 1.0  # seconds that the end of a session may take
_AT_ONCE = 2000  # messages that are listed in one answer
_MOST = 2_000_000  # messages of a folder


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
            said = _said(error)
            # BAD is about the command, and may repeat it.
            shows = "command error: BAD" in said or self._password in str(error)
            raise RefusedError("it refuses the login" + ("" if shows else f": {said}")) from None

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
        with self._session() as client:
            typ, subscribed = client.imap.lsub('""', "*")
            names = {each.name for each in folders_in(subscribed)} if typ == "OK" else set()
            client.allow(0)
            typ, data = client.imap.list('""', "*")
            if typ != "OK":
                raise RefusedError("it does not list its folders")
            folders = tuple(folders_in(data, names))
            return FolderList(folders, _prefix(client), lines_in(data) - len(folders))

    def messages(self, folder: OldFolder) -> MessageList:
        """All messages of a folder, which is open from then on."""
        with self._session() as client:
            uidvalidity, count = _opened(client, folder)
            items = "(UID FLAGS INTERNALDATE RFC822.SIZE"
            items += " X-GM-MSGID)" if client.has_capability("X-GM-EXT-1") else ")"
        if count > _MOST:
            raise RefusedError(f"it has {count} messages; at most {_MOST} can be brought")
        found: dict[int, OldMessage] = {}
        for first in range(1, count + 1, _AT_ONCE):
            last = min(first + _AT_ONCE - 1, count)
            with self._session() as client:
                typ, data = client.imap.fetch(f"{first}:{last}", items)
                if typ != "OK":
                    raise RefusedError(f"it does not list the messages: {resp_text(data)}")
                page = parse_fetch_response(data, normalise_times=False, uid_is_key=False)
                for message in filter(None, map(message_of, page.values())):
                    found[message.uid] = message
        return MessageList(uidvalidity, list(found.values()), unlisted=count - len(found))

    def reopen(self, folder: OldFolder, uidvalidity: int) -> None:
        """Open the folder in a new session. Raises RefusedError where it is another one by now."""
        with self._session() as client:
            if _opened(client, folder)[0] != uidvalidity:
                raise RefusedError("its folder has been made anew meanwhile; run the same again")

    def bodies(self, messages: Sequence[OldMessage]) -> dict[int, bytes]:
        """What the messages of the open folder are, by UID; one that is gone is not among them."""
        size = sum(each.size for each in messages)
        with self._session(size) as client:
            # Servers count sizes wrongly; how much is too much is said in bytes alone.
            client.allow(LARGEST_MESSAGE)
            uids = ",".join(str(each.uid) for each in messages)
            typ, data = client.imap.uid("FETCH", uids, "(UID BODY.PEEK[])")
            if typ != "OK":
                raise LostError(f"it does not send messages: {resp_text(data)}")
            found = parse_fetch_response(data, normalise_times=False, uid_is_key=True)
            return {
                uid: content_of(items[b"BODY[]"])
                for uid, items in found.items()
                if b"BODY[]" in items
            }

    @contextmanager
    def _session(self, size: int = 0) -> Iterator[BoundedClient]:
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
    except ssl.SSLError as error:
        if error.reason in _NO_TLS:
            raise LostError("it speaks no TLS on this port; --starttls is for port 143") from None
        raise LostError(_said(error)) from None
    except (ProtocolError, ValueError, TypeError, KeyError, IndexError) as error:
        raise LostError(f"its answer cannot be read: {_said(error)}") from None
    except (AssertionError, RecursionError, AttributeError, ArithmeticError):
        raise LostError("its answer cannot be read") from None
    except (imaplib.IMAP4.error, IMAPClientError, EOFError, OSError) as error:
        raise LostError(_said(error)) from None


def _said(error: Exception) -> str:
    text = (error.strerror if isinstance(error, OSError) else "") or str(error)
    # Some of imaplib's errors are of bytes.
    literal = re.fullmatch(r"b(['\"])(.*)\1", text)
    return printable(literal[2] if literal else text)[:300] or type(error).__name__


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
        raise RefusedError(f"it does not open: {resp_text(data)}")
    count = int(resp_text(data) or 0)
    _, (number,) = client.imap.response("UIDVALIDITY")
    if number is None:
        raise RefusedError("it has no UIDVALIDITY, by which messages would be known again")
    return int(number), count


def _quoted(name: bytes) -> bytes:
    if re.search(rb"[\0\r\n]", name):
        raise RefusedError("no command can have its name")
    return b'"' + name.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _prefix(client: BoundedClient) -> bytes:
    with suppress(CapabilityError, imaplib.IMAP4.error, IMAPClientError, ValueError, TypeError):
        personal = client.namespace().personal
        return str(personal[0][0]).encode("latin-1") if personal else b""
    return b""
