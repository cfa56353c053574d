"""The web service: client set-up, the MTA-STS policy and ACME's challenges on ports 80 and 443.

    python -m entrypoint.web FOLDER CHALLENGES

FOLDER has `site.json` and `pair.pem`; both are looked at again when a connection comes, so a new
certificate counts from the next one on. Where mail programs are answered, it has `setup.html`, too.
CHALLENGES is where the ACME client lays its answers.
It runs as a user of its own. The standard library and h11 only: it is in memory as long as the
server runs.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import ssl
import sys
from functools import partial
from pathlib import Path

from entrypoint.web import setup_page
from entrypoint.web.answer import respond
from entrypoint.web.http import HttpRequest, HttpResponse
from entrypoint.web.listener import listening
from entrypoint.web.server import Server
from entrypoint.web.site import Site
from filters.program import start_logging
from filters.watched_file import LastGood

log = logging.getLogger(__name__)

_PORTS = ((80, False), (443, True))
_MOST_CHALLENGE = 1024  # bytes of a key authorization (RFC 8555 §8.1)


def server_context(pair: Path) -> ssl.SSLContext:
    """The context of a file with the key and the chain. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(pair)
    return context


def challenge(folder: Path, token: str) -> bytes | None:
    """What the ACME client laid ready for a token, which is letters, digits, - and _."""
    try:
        with (folder / token).open("rb") as laid:
            return laid.read(_MOST_CHALLENGE)
    except OSError:
        return None


def page(folder: Path) -> bytes | None:
    """The page for a person who sets up a mail program."""
    try:
        return (folder / setup_page.NAME).read_bytes()
    except OSError:
        return None


async def run(folder: Path, challenges: Path) -> None:
    """Serve for ever. Raises OSError or ValueError where the files are not fit at the start."""
    site = LastGood(folder / "site.json", Site.from_json)
    pair = folder / "pair.pem"
    context = LastGood(pair, lambda _: server_context(pair))

    def answer(request: HttpRequest) -> HttpResponse:
        return respond(site.content, request, partial(challenge, challenges), partial(page, folder))

    server = Server(answer, lambda: context.content)

    async def serve(port: int, secure: bool) -> None:
        await server.serve(await listening(port), secure=secure)

    await asyncio.gather(*(serve(port, secure) for port, secure in _PORTS))


def main() -> None:
    """Run until a signal."""
    parser = argparse.ArgumentParser("entrypoint.web")
    parser.add_argument("folder", type=Path)
    parser.add_argument("challenges", type=Path)
    options = parser.parse_args()
    start_logging()
    logging.getLogger("entrypoint").setLevel(logging.DEBUG)  # who reads it chooses
    # asyncio's own lines hold what a client sent.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    try:
        asyncio.run(run(options.folder, options.challenges))
    except (OSError, ValueError) as error:
        log.error("the web service cannot start: %s", error)
        sys.exit(1)


if __name__ == "__main__":
    main()
