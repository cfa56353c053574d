"""`signpost verify`: what the inbound filter would write, for any message, without a server."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import BinaryIO

import click

from filters.mailauth.auth_results import format_field
from filters.mailauth.authenticate import Envelope, authenticate
from filters.mailauth.resolver import DnsResolver, Lookup


@click.command
@click.argument("message", type=click.File("rb"), default="-")
@click.option("--client", metavar="ADDRESS", help="The client's IP address, for SPF.")
@click.option("--helo", default="", metavar="NAME", help="What the client called itself.")
@click.option("--from", "sender", default="", metavar="ADDRESS", help="The envelope sender.")
@click.option("--authserv-id", default="localhost", show_default=True)
@click.option("--nameserver", multiple=True, metavar="ADDRESS", help="Instead of the system's.")
@click.option("--timeout", default=20.0, show_default=True, help="Seconds for all of DNS.")
def command(
    message: BinaryIO,
    client: str | None,
    helo: str,
    sender: str,
    authserv_id: str,
    nameserver: tuple[str, ...],
    timeout: float,
) -> None:
    """Verify the DKIM signatures of MESSAGE, and SPF where --client is given.

    Prints the Authentication-Results field, and exits 1 unless something passed.
    """
    # Files have any line ends; on the wire there is only CRLF (RFC 5321, 2.3.8).
    raw = re.sub(rb"\r?\n", b"\r\n", message.read())

    async def judge() -> bool:
        envelope = Envelope(client_address=client, helo=helo, sender=sender)
        lookup = Lookup(DnsResolver(list(nameserver) or None), seconds=timeout)
        verdict = await authenticate(raw, envelope, lookup, spf=client is not None)
        results = verdict.results()
        field = format_field(authserv_id, results).decode("ascii").replace("\r\n", "\n")
        click.echo(field, nl=False)
        return any(result.result == "pass" for result in results)

    sys.exit(0 if asyncio.run(judge()) else 1)
