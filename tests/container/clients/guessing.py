"""Guesses at a login, and logs in with right passwords meanwhile, from inside a container.

    python3 - HOST RATE SECONDS JSON <this

JSON: `login`, which RATE passwords a second are guessed for, over SMTP and IMAP by turns;
`sources`, the addresses that this is done from, one after the other; `right`, logins and passwords,
each of them tried on both again and again. Prints a line of JSON: how often each answer came, by
protocol, and of each of `right` its protocol, its login, the answer and the seconds that it took.
"""

import asyncio
import base64
import json
import ssl
import sys
import time
from collections import Counter
from itertools import cycle

HOST, RATE, SECONDS = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
WORDS = json.loads(sys.argv[4])
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TLS.check_hostname, TLS.verify_mode = False, ssl.CERT_NONE

guesses: dict[str, Counter[str]] = {"smtp": Counter(), "imap": Counter()}
logins: list[tuple[str, str, str, float]] = []


async def smtp(reader, writer, initial: str) -> str:
    async def reply() -> str:
        while (line := (await reader.readline()).decode())[3:4] == "-":
            pass
        return line[:3]

    await reply()
    for command in ("EHLO client.test", f"AUTH PLAIN {initial}"):
        writer.write(f"{command}\r\n".encode())
        said = await reply()
    return said


async def imap(reader, writer, initial: str) -> str:
    await reader.readline()
    writer.write(f"a AUTHENTICATE PLAIN {initial}\r\n".encode())
    while line := (await reader.readline()).decode():
        if line.startswith("a "):
            words = line.split()
            return words[2].strip("[]") if words[1] == "NO" else words[1]
    return "closed"


PROTOCOLS = {"smtp": (465, smtp), "imap": (993, imap)}


async def log_in(protocol: str, login: str, password: str, source: str | None) -> str:
    port, talk = PROTOCOLS[protocol]
    initial = base64.b64encode(f"\0{login}\0{password}".encode()).decode()
    local = (source, 0) if source else None
    try:
        async with asyncio.timeout(30):
            reader, writer = await asyncio.open_connection(HOST, port, ssl=TLS, local_addr=local)
            try:
                return await talk(reader, writer, initial)
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        return type(error).__name__


async def guess(number: int, protocol: str, source: str | None) -> None:
    said = await log_in(protocol, WORDS["login"], f"guess {time.time()} {number}", source)
    guesses[protocol][said] += 1


async def log_in_again_and_again(protocol: str, login: str, password: str, until: float) -> None:
    while time.monotonic() < until:
        begun = time.monotonic()
        said = await log_in(protocol, login, password, None)
        logins.append((protocol, login, said, time.monotonic() - begun))
        await asyncio.sleep(0.5)


async def main() -> None:
    sources, protocols = cycle(WORDS.get("sources") or [None]), cycle(PROTOCOLS)
    begun = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for login, password in WORDS.get("right", ()):
            for protocol in PROTOCOLS:
                until = begun + SECONDS
                group.create_task(log_in_again_and_again(protocol, login, password, until))
        for number in range(int(RATE * SECONDS)):
            await asyncio.sleep(max(0.0, begun + number / RATE - time.monotonic()))
            group.create_task(guess(number, next(protocols), next(sources)))
    print(json.dumps({"guesses": guesses, "logins": logins}))


asyncio.run(main())
