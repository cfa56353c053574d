"""Runs the command that changes DNS, then waits until every name server has the record.

    python -m entrypoint.tls.dns_hook present example.org VALUE /path/to/hook

certbot asks the ACME server to look as soon as this ends. The command is run as
`/path/to/hook present|cleanup _acme-challenge.example.org. VALUE`, the form that lego's exec
provider has, too. It must not know certbot.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
from collections.abc import Sequence

from entrypoint.probe import authoritative
from entrypoint.probe.authoritative import Ask, ServerAnswer
from filters.mailauth.dns.resolver import DnsResolver, DnsTemporaryError, Resolver


async def lacking(name: str, value: bytes, resolver: Resolver, ask: Ask = authoritative.ask) -> str:
    """What still lacks the value, and why; "" if nothing does. Nothing is raised."""
    # Not of the name itself: the resolver would follow its alias, or remember that it is not there.
    zone = name.partition(".")[2]
    try:
        answers = await authoritative.every_answer(zone, name, resolver, ask)
    except DnsTemporaryError as error:
        return f"the name servers of {name} cannot be found ({error.reason})"
    return next((text for each in answers if (text := _lack(each, value))), "")


def _lack(answer: ServerAnswer, value: bytes) -> str:
    if answer.failure == "unreachable":
        return f"the name server {answer.server} cannot be asked ({answer.trouble})"
    if answer.failure == "no name server":
        return f"no name server of {answer.name} is known"
    if answer.failure == "alias loop":
        return f"{answer.name} is in an alias loop"
    if value not in answer.texts:
        return f"the name server {answer.server} does not have {answer.name} yet"
    return ""


_LABEL = "_acme-challenge"  # RFC 8555 §8.4
_HOOK_SECONDS = 300.0
_DNS_SECONDS = 480.0
_PAUSE = 2.0


async def _wait(name: str, value: str, servers: Sequence[str]) -> str:
    resolver = DnsResolver(tuple(servers) or None)
    found = "no answer"
    try:
        async with asyncio.timeout(_DNS_SECONDS):
            while found := await lacking(name, value.encode(), resolver):  # noqa: ASYNC110 -- DNS
                await asyncio.sleep(_PAUSE)
    except TimeoutError:
        return found
    finally:
        await resolver.close()
    return ""


def _run(command: Sequence[str]) -> str:
    """What is wrong with how the command ended; "" if nothing is."""
    try:
        done = subprocess.run(  # noqa: S603 -- the operator's own
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_HOOK_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"ACME_DNS_HOOK: {error}"
    if done.returncode == 0:
        return ""
    said = done.stderr.decode("utf-8", "backslashreplace").strip().splitlines()
    last = f": {said[-1]}" if said else ""
    return f"ACME_DNS_HOOK ended with status {done.returncode}{last}"


def main() -> None:
    """Exit status 1, and a line that says why, if the record is not there."""
    parser = argparse.ArgumentParser("entrypoint.tls.dns_hook")
    parser.add_argument("step", choices=("present", "cleanup"))
    parser.add_argument("--name-server", action="append", default=[])
    parser.add_argument("domain")
    parser.add_argument("value")
    parser.add_argument("hook", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    name = f"{_LABEL}.{options.domain}"
    trouble = _run([*options.hook, options.step, f"{name}.", options.value])
    if not trouble and options.step == "present":
        trouble = asyncio.run(_wait(name, options.value, options.name_server))
    if trouble:
        print(f"signpost-dns: {trouble}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
