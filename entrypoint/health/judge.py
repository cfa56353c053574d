"""Answers and silences → findings: which part it is, and whether a restart of it is a cure.

Only silence is: a part that answers wrongly, a disk, a name server, an old envelope and what a
person has paused are reported. Parts wait for one another, so the one that is named is the first of
a chain that does not answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from entrypoint.health.finding import Finding
from entrypoint.probe.asking import Answers, Probe
from entrypoint.probe.processes import Process
from entrypoint.probe.smtp import Control

# A local delivery takes 0.1 s, and a burst of thousands a few minutes.
LONGEST_DELIVERY = 600.0  # seconds
_STOPPED, _WAITS_FOR_A_DISK = "T", "D"


@dataclass(frozen=True)
class Seen:
    """What was looked at. seconds: how long an answer was waited for."""

    answers: Answers
    seconds: float
    processes: Sequence[Process] = ()
    control: Control = field(default_factory=Control)
    idle: float = 0.0  # see services.idle
    name_servers: Sequence[str] = ()


def judge(seen: Seen) -> list[Finding]:
    """Everything that is wrong, causes first."""
    stopped = [each for each in seen.processes if each.state == _STOPPED]
    on_disk = {each.program for each in seen.processes if each.state == _WAITS_FOR_A_DISK}
    found = [
        Finding(f"{process.title} is stopped (SIGSTOP)", process.program) for process in stopped
    ]
    # What waits for a stopped part needs no guess.
    explained = {process.program for process in stopped}
    for program, text in _silent(seen, explained):
        if program in explained:
            continue
        if program in on_disk:
            found.append(Finding(f"{text}; it waits for a disk that does not answer"))
        else:
            found.append(Finding(text, program))
    found += _reported(seen)
    return found


def _silent(seen: Seen, explained: set[str]) -> list[tuple[str, str]]:
    """Each program that does not answer, with the part of it; see `entrypoint.probe.smtp`."""
    probes, within = seen.answers.probes, f"within {seen.seconds:g} s"
    logins_silent = _is_silent(probes, "logins") or "logins" in explained
    found = [
        ("smtpd", f"{part} does not answer {within} ({where})")
        for part, where in _smtpd(probes, seen.control, logins_silent=logins_silent)
    ]
    found += [
        ("dovecot", f"{part} does not answer {within} ({where})")
        for part, where in _dovecot(probes, logins_silent=logins_silent)
    ]
    if _is_silent(probes, "logins"):
        found.append(("logins", f"logins cannot be checked: no answer {within}"))
    found += [
        ("web", f"port {number}: no answer {within}")
        for number in (80, 443)
        if _is_silent(probes, f"port {number}")
    ]
    if seen.idle:
        found.append(("keeper", f"changes are not applied: keeper is busy for {seen.idle:.0f} s"))
    return found


def _smtpd(
    probes: Mapping[str, Probe], control: Control, *, logins_silent: bool
) -> list[tuple[str, str]]:
    """The silent parts of smtpd, and the question that shows it."""
    if "SMTP" in control.paused:
        return []
    incoming, outgoing, submission = (probes.get(f"port {each}") for each in (25, 465, 587))
    found: list[tuple[str, str]] = []
    if _is_silent(probes, "control"):
        found.append(("smtpd's control", "smtpctl show status"))
    elif _is_silent(probes, "dispatcher"):
        # It waits for crypto at each handshake; nobody else can tell the two apart.
        return [("smtpd's dispatcher, or crypto for it,", "smtpctl show mta paused")]
    if incoming is not None and incoming.silent:
        found.append((_incoming(incoming, submission), f"port 25, {incoming.step}"))
    else:
        if outgoing is not None and outgoing.silent:
            part = _outgoing(outgoing, logins_silent=logins_silent)
            found += [(part, f"port 465, {outgoing.step}")] if part else []
        elif submission is not None and submission.silent:
            found.append(("the submission filter", f"port 587, {submission.step}"))
    queue_is_silent = incoming is not None and incoming.silent and incoming.step == "MAIL"
    if _is_silent(probes, "scheduler") and not (_is_silent(probes, "control") or queue_is_silent):
        found.append(("smtpd's scheduler", "smtpctl show queue"))
    return found


def _incoming(probe: Probe, submission: Probe | None) -> str:
    if probe.step in {"connect", "greeting"}:
        # Both need the client's name from lookup; a filter can hold up its own port only.
        others_greet = submission is not None and not submission.silent
        return "the inbound filter" if others_greet else "smtpd's lookup"
    return {
        "first command": "smtpd's dispatcher",
        "MAIL": "smtpd's queue",
        "QUIT": "smtpd's dispatcher",
    }.get(probe.step, "the inbound filter")


def _outgoing(probe: Probe, *, logins_silent: bool) -> str:
    if probe.step == "AUTH":
        return "" if logins_silent else "smtpd's parent"
    return {
        "TLS": "smtpd's crypto",
        "first command": "smtpd's dispatcher",
        "QUIT": "smtpd's dispatcher",
    }.get(probe.step, "the submission filter")


def _dovecot(probes: Mapping[str, Probe], *, logins_silent: bool) -> list[tuple[str, str]]:
    """The silent parts of Dovecot, and the question that shows it."""
    processes = ("master", "auth", "anvil", "stats")
    found = [
        (f"Dovecot's {name}", f"its socket, {probes[name].step}")
        for name in processes
        if _is_silent(probes, name)
    ]
    services = {
        "port 143": "imap-login",
        "port 993": "imap-login",
        "port 4190": "managesieve-login",
        "port 995": "pop3-login",
        "lmtp": "lmtp",
        "quota-status": "quota-status",
    }
    for name, service in services.items():
        if not _is_silent(probes, name):
            continue
        probe = probes[name]
        if probe.step == "LOGIN":
            service = "auth-worker or imap"
            if logins_silent:
                continue
        elif found and probe.step != "greeting":
            continue  # it waits for one of those
        found.append((f"Dovecot's {service}", f"{name}, {probe.step}"))
    return found[:1] if _is_silent(probes, "master") else found


def _reported(seen: Seen) -> list[Finding]:
    """What no restart cures."""
    found = [
        Finding(f"{name}: {probe.said}")
        for name, probe in seen.answers.probes.items()
        # Where there is no way to any name server, nobody waits for one.
        if probe.said and name != "DNS"
    ]
    found += [
        Finding(f"smtpd: {name} is paused; `smtpctl resume {name.lower()}` has it go on")
        for name in seen.control.paused
    ]
    if _is_silent(seen.answers.probes, "DNS"):
        found.append(
            Finding(
                f"DNS: no name server answers within {seen.seconds:g} s "
                f"({', '.join(seen.name_servers)}); clients wait a minute for smtpd's greeting"
            )
        )
    if seen.control.longest > LONGEST_DELIVERY:
        found.append(
            Finding(
                f"local mail does not move: the delivery of {seen.control.envelope} takes "
                f"{seen.control.longest / 60:.0f} minutes by now; see `signpost queue list`"
            )
        )
    return found


def _is_silent(probes: Mapping[str, Probe], name: str) -> bool:
    return name in probes and probes[name].silent
