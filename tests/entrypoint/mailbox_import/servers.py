"""An old IMAP server that may do anything, on loopback; and a mailbox here, in memory."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from entrypoint.mailbox_import.mailbox_here import NewMessage, NotTakenError, Position, digest
from entrypoint.mailbox_import.old_server import OldMailbox

# A command of a client → what is sent for it; None: the connection ends.
Answer = Callable[[bytes], bytes | None]


@dataclass
class HostileServer:
    """Speaks as much IMAP as an import needs. spoil: looks at each answer, and may change it.

    tls: what STARTTLS begins.
    """

    folders: dict[bytes, dict[int, bytes]]
    listing: bytes = b""
    uidvalidity: int = 1
    tls: ssl.SSLContext | None = None
    spoil: Callable[[HostileServer, bytes, bytes], bytes | None] = lambda _self, _line, answer: (
        answer
    )
    connections: int = 0
    bodies: int = 0
    commands: list[bytes] = field(default_factory=list)
    _opened: bytes = b""

    def answer(self, line: bytes) -> bytes:
        tag, _, rest = line.partition(b" ")
        verb = rest.upper()
        said = b""
        if verb.startswith(b"CAPABILITY"):
            said = b"* CAPABILITY IMAP4rev1%s\r\n" % (b" STARTTLS" if self.tls else b"")
        elif verb.startswith((b"LIST", b"LSUB")):
            names = [b'* %s () "/" "%s"\r\n' % (verb[:4], name) for name in self.folders]
            said = (verb[:4] == b"LIST" and self.listing) or b"".join(names)
        elif verb.startswith(b"EXAMINE"):
            self._opened = rest.split(b'"')[1]
            count = len(self.folders.get(self._opened, {}))
            said = b"* %d EXISTS\r\n* OK [UIDVALIDITY %d] x\r\n" % (count, self.uidvalidity)
        elif verb.startswith(b"UID FETCH"):
            messages = self.folders[self._opened]
            for uid in map(int, rest.split()[2].split(b",")):
                if uid in messages:
                    content = messages[uid]
                    said += b"* 1 FETCH (UID %d BODY[] {%d}\r\n%s)\r\n" % (
                        *(uid, len(content)),
                        content,
                    )
        elif verb.startswith(b"FETCH"):
            for number, (uid, content) in enumerate(self.folders[self._opened].items(), 1):
                said += b"* %d FETCH (UID %d FLAGS (\\Seen own) RFC822.SIZE %d)\r\n" % (
                    *(number, uid),
                    len(content),
                )
        return said + tag + b" OK done\r\n"


def _serve(server: HostileServer, client: socket.socket) -> None:
    server.connections += 1
    with client, suppress(OSError):
        client.sendall(server.spoil(server, b"", b"* OK hello\r\n") or b"")
        if server.tls is not None and _until_starttls(server, client):
            client = server.tls.wrap_socket(client, server_side=True)
        with client:
            _until_starttls(server, client)


def _until_starttls(server: HostileServer, client: socket.socket) -> bool:
    with client.makefile("rb") as lines:
        for line in lines:
            server.commands.append(line)
            answer = server.spoil(server, line, server.answer(line))
            if answer is None:
                return False
            client.sendall(answer)
            if b"STARTTLS" in line:
                return True
    return False


@contextmanager
def serving(server: HostileServer) -> Iterator[OldMailbox]:
    """The server, at a port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=_serve, args=(server, client), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield OldMailbox("127.0.0.1", listener.getsockname()[1], "none", "alice")
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


class MemoryMailbox:
    """What MailboxHere does, without Dovecot. refuse: what is not stored, and with which words."""

    def __init__(self) -> None:
        self.folders: dict[str, list[NewMessage]] = {}
        self.subscribed: set[str] = set()
        self.refuse: Callable[[NewMessage], str] = lambda _: ""

    def open(self) -> None:
        pass

    def make(self, folder: str, *, subscribed: bool) -> None:
        self.folders.setdefault(folder, [])
        self.subscribed |= {folder} if subscribed else set()

    def position(self, folder: str) -> Position:
        return Position(1, len(self.folders[folder]) + 1)

    def store(self, folder: str, messages: Sequence[NewMessage]) -> None:
        for each in messages:
            if said := self.refuse(each):
                raise NotTakenError(said, full="OVERQUOTA" in said)
        self.folders[folder] += messages

    def since(self, folder: str, position: Position) -> Counter[str]:
        return Counter(digest(m.content) for m in self.folders[folder][position.uidnext - 1 :])


def is_body(line: bytes) -> bool:
    return re.search(rb"UID FETCH", line) is not None
