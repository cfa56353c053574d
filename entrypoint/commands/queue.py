"""`signpost queue`: smtpd's queue for a person; asks `smtpctl`."""

from __future__ import annotations

import subprocess
import sys
import time

import click

from entrypoint.probe.smtp_queue import Envelope


@click.group
def command() -> None:
    """Look at the queue and act on it."""


@command.command("list")
def list_envelopes() -> None:
    """List every envelope that waits: id, age, state, sender, recipient, last error."""
    envelopes = [Envelope.parse(line) for line in _smtpctl("show", "queue").splitlines() if line]
    if not envelopes:
        click.echo("the queue is empty")
    for each in envelopes:
        age = max(0, int(time.time()) - each.created)
        click.echo(
            f"{each.evpid} {age // 3600}h{age % 3600 // 60:02}m {each.state} "
            f"<{each.sender}> -> <{each.recipient}> {each.reason}"
        )


@command.command()
@click.argument("identifier")
def show(identifier: str) -> None:
    """Print the envelope or the message of an id."""
    click.echo(_smtpctl("show", "envelope" if len(identifier) == 16 else "message", identifier))
    if len(identifier) == 16:
        click.echo(_smtpctl("show", "message", identifier))


@command.command()
@click.argument("identifier", default="all")
def flush(identifier: str) -> None:
    """Try again at once: one id, or everything."""
    click.echo(_smtpctl("schedule", identifier), nl=False)


@command.command()
@click.argument("identifier")
def remove(identifier: str) -> None:
    """Remove an envelope or a message by its id, or `all`."""
    click.echo(_smtpctl("remove", identifier), nl=False)


def _smtpctl(*arguments: str) -> str:
    for argument in arguments:
        if not argument.isalnum():
            raise click.BadParameter(f"{argument!r} is no id of the queue")
    # smtpctl(8) on Debian is set-gid; a container with no-new-privileges starts it all the same.
    done = subprocess.run(  # noqa: S603 -- the arguments are words and ids
        ["/usr/sbin/smtpctl", *arguments], capture_output=True, check=False
    )
    if done.returncode:
        message = (done.stderr or done.stdout).decode("utf-8", "backslashreplace").strip()
        click.echo(f"smtpctl {' '.join(arguments)}: {message}", err=True)
        sys.exit(1)
    return done.stdout.decode("utf-8", "backslashreplace")
