"""The MX of an outside domain: it takes whatever comes, over TLS where the client likes, and keeps
each message as a file in a folder, as a mailbox would.

    python -m bench.end_to_end.outside FOLDER CERTIFICATE KEY

It is a process of its own, so that its processor time is nobody's; it must not know who sends.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import socket
import ssl
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path

from bench.end_to_end.disposable import Disposable
from bench.end_to_end.scene import MX, MX_ADDRESS
from bench.server import RUN
from entrypoint.tls.self_signed import self_signed

FOLDER = RUN / "outside"
_CERTIFICATE, _KEY = RUN / "outside.cert", RUN / "outside.key"
_LONGEST = 1_000_000
_PIDFD_GETFD = 438  # the same on every architecture that has it
_LISTENS, _EVERYWHERE_25 = "0A", "00000000:0019"  # as /proc/net/tcp writes them


class OutsideMx(Disposable):
    """It listens on port 25 of its own address, beside a server that listens on all of them."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "bench.end_to_end.outside"]
        super().__init__("outside", [*command, str(FOLDER), str(_CERTIFICATE), str(_KEY)])

    def prepare(self) -> None:
        shutil.rmtree(FOLDER, ignore_errors=True)
        for name in ("tmp", "new"):
            (FOLDER / name).mkdir(parents=True)
        certificate, key = self_signed(MX)
        _CERTIFICATE.write_bytes(certificate)
        _KEY.write_bytes(key)
        _share_port()

    def ready(self) -> bool:
        with suppress(OSError), socket.create_connection((MX_ADDRESS, 25), 5) as client:
            return client.recv(1_000).startswith(b"220 " + MX.encode())
        return False


def _share_port() -> None:
    """Let another socket be bound to a more special address than that of who listens everywhere.

    Whether a port may be shared is a property of the open socket: so the server need not know.
    """
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = {
        f"socket:[{words[9]}]"
        for words in lines
        if words[3] == _LISTENS and words[1] == _EVERYWHERE_25
    }
    if not listening:
        return
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if str(link.readlink()) in listening:
                _allow_sharing(int(link.parts[2]), int(link.name))
                return
    raise RuntimeError("nobody has the socket that listens on port 25")


def _allow_sharing(pid: int, number: int) -> None:
    process = os.pidfd_open(pid)
    got = ctypes.CDLL(None, use_errno=True).syscall(_PIDFD_GETFD, process, number, 0)
    os.close(process)
    if got == -1:
        raise RuntimeError("the container needs --cap-add SYS_PTRACE")
    with socket.socket(fileno=got) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


class _Mx:
    def __init__(self, folder: Path, tls: ssl.SSLContext) -> None:
        self._folder, self._tls, self._numbers = folder, tls, count()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One session."""
        offer = b"250-STARTTLS\r\n"
        writer.write(b"220 " + MX.encode() + b" ESMTP\r\n")
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while line := await reader.readline():
                verb = line[:4].upper()
                if verb == b"EHLO":
                    writer.write(b"250-" + MX.encode() + b"\r\n" + offer + b"250 PIPELINING\r\n")
                elif verb == b"STAR":
                    writer.write(b"220 2.0.0 Go ahead\r\n")
                    await writer.start_tls(self._tls)
                    offer = b""
                elif verb == b"DATA":
                    writer.write(b"354 Go ahead\r\n")
                    self._keep(await reader.readuntil(b"\r\n.\r\n"))
                    writer.write(b"250 2.0.0 Taken\r\n")
                elif verb == b"QUIT":
                    writer.write(b"221 2.0.0 Bye\r\n")
                    break
                else:
                    writer.write(b"250 2.0.0 Ok\r\n")
        writer.close()

    def _keep(self, data: bytes) -> None:
        name = str(next(self._numbers))
        (self._folder / "tmp" / name).write_bytes(data[:-3])
        # Its time is when the dot was read.
        (self._folder / "tmp" / name).rename(self._folder / "new" / name)


async def _serve(folder: str, certificate: str, key: str) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind((MX_ADDRESS, 25))
    mx = _Mx(Path(folder), tls)
    server = await asyncio.start_server(mx.talk, sock=listening, limit=_LONGEST, backlog=128)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
