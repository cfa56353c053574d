"""`signpost health`: the image's HEALTHCHECK."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable

import click

from entrypoint import disks, mounted_files
from entrypoint.backup.held import held_line
from entrypoint.config.ports import port_numbers, rendered_ports
from entrypoint.health import UNNEEDED
from entrypoint.health.examine import examine
from entrypoint.health.judge import judge
from entrypoint.health.left_mail import left_mail
from entrypoint.health.unsigned import check_unsigned
from entrypoint.paths import PORTS, RUN, WEB
from entrypoint.probe import junk_filter
from entrypoint.pseudonyms import Pseudonyms
from entrypoint.text import printable

# All together, with Python's start, stay below 10 s; the image's HEALTHCHECK waits 20 s.
_ANSWERS = 7.0  # seconds
_FILES = 1.0
_JUNK_FILTER = 0.9
_ALL = 9.0


@click.command
def command() -> None:
    """Go the way that mail goes, up to a recipient and a login; name the part that does not answer.

    Looks at name servers, at local mail that does not move, and for mail that left unsigned, too.
    Exit status 1 where something is wrong. What mail goes on without is a note: the junk filter.
    """
    _bound()
    try:
        seen = asyncio.run(examine(_ANSWERS))
        problems = [fault.text for fault in judge(seen) if fault.program not in UNNEEDED]
    except FileNotFoundError:
        problems = ["the server does not run here; start it with `docker compose up`"]
    except OSError as error:
        problems = [f"what the start has written cannot be read: {disks.explained(error)}"]
    except ValueError as error:
        problems = [f"what the start has written cannot be read: {error}"]
    # What looks at files and disks comes here: each has its time, for a disk may hang.
    problems += _in_time("mail that left unsigned", lambda: check_unsigned(time.time()))
    problems += _in_time("the disks", disks.problems)
    problems += _in_time("the mounted files", mounted_files.problems)
    problems += _in_time("mail that is not vmail's", left_mail)
    # The engine keeps what a health check has printed.
    names = Pseudonyms.of_this_start()

    def say(kind: str, text: str) -> None:
        click.echo(f"{kind}: {printable(names.text(text) if names else text)}")

    for problem in problems:
        say("unhealthy", problem)
    if not problems:
        ports = rendered_ports(RUN / PORTS)
        answering = "; 80 and 443 answer" if (RUN / WEB.name / "site.json").is_file() else ""
        click.echo(f"healthy: the ports {port_numbers(ports)} greet{answering}")
        # No fault that a restart would cure.
        if (held := held_line()) is not None:
            click.echo(held)
    # Mail goes on without it.
    for text in _in_time("the junk filter", _of_junk_filter):
        say("note", text)
    _end(1 if problems else 0)


def _of_junk_filter() -> list[str]:
    return asyncio.run(junk_filter.troubles(user=disks.VMAIL, seconds=_JUNK_FILTER))


def _in_time(what: str, look: Callable[[], list[str]]) -> list[str]:
    """What `look` finds, or that it does not end."""
    found: list[list[str]] = []
    thread = threading.Thread(target=lambda: found.append(look()), daemon=True)
    thread.start()
    thread.join(_FILES)
    return found[0] if found else [f"{what}: no answer within {_FILES:g} s from the disk"]


def _bound() -> None:
    """Whatever happens, there is an answer in time."""

    def give_up() -> None:
        click.echo(f"unhealthy: the health check itself did not end within {_ALL:g} s")
        _end(1)

    timer = threading.Timer(_ALL, give_up)
    timer.daemon = True
    timer.start()


def _end(status: int) -> None:
    """End at once, whatever still runs."""
    sys.stdout.flush()
    os._exit(status)
