"""`signpost trace`: what became of a message."""

from __future__ import annotations

import re
import sys
from contextlib import AbstractContextManager, nullcontext

import click

from entrypoint.journal.files import JOURNAL, journal_files
from entrypoint.pseudonyms import FILE, KEY, Pseudonyms
from entrypoint.trace.lines import EventFiles, journal_events, stream_events
from entrypoint.trace.search import find_way
from entrypoint.trace.shown import shown
from entrypoint.trace.way import bare

_HEX = re.compile(r"[0-9A-Fa-f]{8}|[0-9A-Fa-f]{16}")


@click.command
@click.argument("identifier", metavar="ID")
@click.option(
    "--log", is_flag=True, help="Read a log from standard input, text or JSON, not the journal."
)
def command(identifier: str, log: bool) -> None:
    r"""Print a message's way: times, what was decided and why, and how it ended.

    ID is a queue id, of a message or of one recipient, a session's id, a Message-ID, or an address
    that sent or received mail. What a script has sent on, and a bounce, are followed. The journal
    is written with TRACE_DAYS; a log says as much: `docker compose logs | docker compose exec -T
    signpost signpost trace --log ID`. With ANONYMIZE_EMAILS the ID is given as it is, and the way
    has the pseudonyms.
    """
    with _events(log) as events:
        way = find_way(events, _spellings(identifier))
    printed = list(shown(way)) if way.events else []
    if not printed:
        where = "the log" if log else "the journal"
        click.echo(f"error: {where} has nothing of this id", err=True)
        sys.exit(1)
    for line in printed:
        click.echo(line)


def _events(log: bool) -> AbstractContextManager[EventFiles]:
    if log:
        return stream_events(sys.stdin.buffer)
    if not journal_files(JOURNAL):
        click.echo("error: there is no journal; set TRACE_DAYS, or give a log with --log", err=True)
        sys.exit(1)
    return nullcontext(journal_events(JOURNAL))


def _spellings(identifier: str) -> set[str]:
    if _HEX.fullmatch(identifier):
        return {identifier.lower()}
    plain = bare(identifier)
    found = {plain}
    names = Pseudonyms.of_this_start(FILE) or Pseudonyms.of_key(KEY)
    if names is not None:
        found.add(bare(names.message_id(identifier)))
    if not identifier.startswith("<"):
        found.add(plain.lower())
        if names is not None:
            found.add(names.address(plain.lower()))
    return found
