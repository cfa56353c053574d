"""`signpost health`: the image's HEALTHCHECK."""

from __future__ import annotations

import sys
import time

import click

from entrypoint import disk_space
from entrypoint.banners import check_banners
from entrypoint.logins_answer import check_logins
from entrypoint.ports import listed, rendered_ports
from entrypoint.render import PORTS, RUN
from entrypoint.unsigned import check_unsigned
from entrypoint.web_answers import check_web, is_served


@click.command
def command() -> None:
    """Ask every port for its greeting, and who checks logins; look for mail that left unsigned.

    Exit status 1 where one does not answer, mail of ours has no signature, or a disk is full.
    """
    ports, web = rendered_ports(RUN / PORTS), is_served()
    problems = [*check_banners(ports), *check_logins(), *check_unsigned(time.time())]
    problems += check_web() if web else []
    problems += disk_space.problems()
    for problem in problems:
        click.echo(f"unhealthy: {problem}")
    if problems:
        sys.exit(1)
    answering = "; 80 and 443 answer" if web else ""
    click.echo(f"healthy: the ports {listed(ports)} greet{answering}")
