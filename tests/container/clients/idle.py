"""Opens connections, all at once, waits for each greeting, and leaves them open.

    python3 idle.py HOST COUNT PORT...

Prints by port how many were greeted, in JSON, and ends when its standard input does.
"""

import asyncio
import json
import resource
import ssl
import sys

HOST, COUNT, PORTS = sys.argv[1], int(sys.argv[2]), [int(port) for port in sys.argv[3:]]
# Who is not greeted by then would wait for good: the kernel has forgotten it.
GREETED_WITHIN = 30.0
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TLS.check_hostname, TLS.verify_mode = False, ssl.CERT_NONE
open_connections = []


async def connect(port: int) -> bool:
    tls = TLS if port in {465, 993} else None
    try:
        async with asyncio.timeout(GREETED_WITHIN):
            reader, writer = await asyncio.open_connection(HOST, port, ssl=tls)
            open_connections.append(writer)
            return (await reader.readline()).startswith((b"220 ", b"* OK ", b'"IMPLEMENTATION"'))
    except (OSError, TimeoutError):
        return False


async def main() -> None:
    asked = [(port, asyncio.create_task(connect(port))) for port in PORTS for _ in range(COUNT)]
    greeted = dict.fromkeys(PORTS, 0)
    for port, each in asked:
        greeted[port] += await each
    print(json.dumps(greeted), flush=True)
    await asyncio.to_thread(sys.stdin.read)


needed = COUNT * len(PORTS) + 100
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(needed, most), most))
asyncio.run(main())
