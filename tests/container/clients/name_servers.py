"""Name servers at several addresses, as the file of the first argument says: each line one's.

    python3 - MODES ADDRESS...

silent, or answering after so many seconds. An IPv4 address that ends in .11 has the name
unconfirmed.test, whose address is never told, and any other client.test. Every domain has the MX
mx.far.test, and every other name the address of the second argument.
"""

import asyncio
import socket
import struct
import sys
from pathlib import Path

MODES, *ADDRESSES = sys.argv[1:]
A, PTR, MX = 1, 12, 15


def name(text: str) -> bytes:
    """The name as it stands in a packet."""
    return b"".join(bytes([len(part)]) + part.encode() for part in text.split(".")) + b"\0"


def answer(packet: bytes) -> bytes | None:
    """None for silence."""
    end = packet.index(0, 12) + 1
    asked = packet[12:end].lower()
    (rdtype,) = struct.unpack(">H", packet[end : end + 2])
    data = b""
    if rdtype == PTR:
        data = name("unconfirmed.test" if asked.startswith(b"\x0211") else "client.test")
    elif rdtype == MX:
        data = struct.pack(">H", 5) + name("mx.far.test")
    elif rdtype == A and asked == name("unconfirmed.test"):
        return None
    elif rdtype == A:
        data = socket.inet_aton(ADDRESSES[0])
    record = b"\xc0\x0c" + struct.pack(">HHIH", rdtype, 1, 0, len(data)) + data if data else b""
    head = packet[:2] + b"\x81\x80" + struct.pack(">4H", 1, bool(data), 0, 0)
    return head + packet[12 : end + 4] + record


class Server(asyncio.DatagramProtocol):
    def __init__(self, number: int) -> None:
        self.number = number

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        mode = Path(MODES).read_text().split()[self.number]
        if mode != "silent" and (said := answer(data)) is not None:
            later = asyncio.get_running_loop().call_later
            later(float(mode), self.transport.sendto, said, addr)


async def main() -> None:
    loop = asyncio.get_running_loop()
    for number, address in enumerate(ADDRESSES):
        await loop.create_datagram_endpoint(
            lambda number=number: Server(number), local_addr=(address, 53)
        )
    print("ready", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
