"""`signpost verify`: how any message fares and why, without settings, /data or a server."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import BinaryIO

import click

from entrypoint.text import printable_lines
from entrypoint.verify.answer import Verification, as_json, as_text
from entrypoint.verify.batch import run_batch
from entrypoint.verify.question import (
    AUTHSERV_ID,
    Question,
    QuestionError,
    envelope,
    read_zone,
    wire_form,
)
from filters.mailauth.policy import Enforce


@click.command
@click.argument("message", type=click.File("rb"), required=False)
@click.option("--ip", metavar="ADDRESS", help="The client; else the topmost Received field's.")
@click.option("--helo", metavar="NAME", help="What the client called itself.")
@click.option("--mail-from", "sender", metavar="ADDRESS", help="The envelope sender.")
@click.option("--zone", type=click.File("rb"), help="DNS from a JSON or YAML file.")
@click.option("--now", type=float, metavar="EPOCH", help="Instead of the clock's time.")
@click.option("--authserv-id", default=AUTHSERV_ID, show_default=True, metavar="ID")
@click.option("--json", "machine", is_flag=True, help="The verdict as JSON.")
@click.option("--batch", is_flag=True, help="A JSON request a line in, a verdict a line out.")
@click.option(
    "--dmarc-enforce",
    "enforce",
    type=click.Choice(["no", "quarantine", "yes"]),
    default="yes",
    show_default=True,
)
@click.option("--arc-trusted-sealer", "sealers", multiple=True, metavar="DOMAIN")
@click.option("--nameserver", multiple=True, metavar="ADDRESS", help="Instead of the system's.")
@click.option("--timeout", default=20.0, show_default=True, help="Seconds of DNS a message.")
def command(
    message: BinaryIO | None,
    ip: str | None,
    helo: str | None,
    sender: str | None,
    zone: BinaryIO | None,
    now: float | None,
    authserv_id: str,
    machine: bool,
    batch: bool,
    enforce: Enforce,
    sealers: tuple[str, ...],
    nameserver: tuple[str, ...],
    timeout: float,
) -> None:
    """Explain what SPF, DKIM, ARC and DMARC say of MESSAGE (- for standard input).

    Exit status 0 once there is a verdict, whatever it is.
    """
    verification = Verification(
        enforce, frozenset(name.lower() for name in sealers), nameserver, timeout
    )
    if batch:
        if message is not None or zone is not None:
            raise click.UsageError("--batch takes its messages and zones from standard input")
        asyncio.run(run_batch(verification, sys.stdin.buffer, sys.stdout.buffer))
        return
    if message is None:
        raise click.UsageError("name a MESSAGE file, or - for standard input")
    try:
        raw = wire_form(message.read())
        if not raw.strip():
            name = getattr(message, "name", "<stdin>")
            where = "standard input" if name == "<stdin>" else name
            raise QuestionError(f"{where} is empty: there is no message in it")
        question = Question(
            raw,
            envelope(raw, ip=ip, helo=helo, sender=sender),
            authserv_id,
            now,
            None if zone is None else read_zone(zone.read(), zone.name),
        )
    except QuestionError as error:
        raise click.UsageError(printable_lines(str(error))) from error
    verdict, decision = asyncio.run(verification.verify(question))
    if machine:
        click.echo(json.dumps({"id": None, **as_json(question, verdict, decision)}, indent=2))
    else:
        click.echo(as_text(question, verdict, decision), nl=False)
