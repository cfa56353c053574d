"""Do the ports answer: here, and at the public addresses as far as they can be seen from inside?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from entrypoint.doctor.finding import NOT_RUNNING, Finding, quote
from entrypoint.probe.look import Look


def judge_local(looks: Iterable[Look]) -> list[Finding]:
    """A finding a port, as seen on the loopback address."""
    return [
        Finding("port", None, "ok", f"port {each.port.number} answers", subject=_port(each))
        if not each.error
        else Finding(
            "port",
            None,
            "fail",
            f"port {each.port.number} does not answer: {each.error}",
            NOT_RUNNING,
            _port(each),
        )
        for each in looks
    ]


def judge_public(address: str, looks: Sequence[Look], host: str) -> Finding:
    """One finding for a public address and all its ports."""

    others = [each for each in looks if not each.error and not is_ours(each, host)]
    if others:
        return Finding(
            "reach",
            None,
            "fail",
            f"{address} {ports_of(others)}: another server answers: {quote(others[0].greeting)}",
            f"forward the ports to this container, or correct the address of {host}",
            address,
        )
    return judge_reached(address, looks)


def judge_reached(address: str, looks: Sequence[Look]) -> Finding:
    """One finding for a public address, where nobody else answers."""
    silent = [each for each in looks if each.error]
    if silent:
        return Finding(
            "reach",
            None,
            "warn",
            f"{address} {ports_of(silent)}: no answer from inside ({silent[0].error})",
            "try it from another network; if it fails there, too, publish the ports and open the "
            "firewall",
            address,
        )
    return Finding("reach", None, "ok", f"{address} answers on {ports_of(looks)}", subject=address)


def is_ours(seen: Look, host: str) -> bool:
    """Does the greeting name us (RFC 5321 §4.2)?"""
    return seen.greeting.split(" ", 1)[0].lower() == host


def ports_of(looks: Sequence[Look]) -> str:
    """`ports 25, 465`."""
    numbers = ", ".join(map(_port, looks))
    return f"port{'s' if len(looks) > 1 else ''} {numbers}"


def _port(seen: Look) -> str:
    return str(seen.port.number)
