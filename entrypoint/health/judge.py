"""Answers and silences → faults: which part it is, and whether a restart of it is a cure.

Only silence is, and only of a part that does nothing else: one that is busy, answers wrongly or
waits for a disk, a name server, an old envelope and what a person has paused are reported. Parts
wait for one another, so the one that is named is the first of a chain that does not answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from entrypoint import junk, metrics
from entrypoint.config.ports import TEST_HTTP_PORT, TEST_SMTP_PORT
from entrypoint.probe.processes import Process
from entrypoint.probe.questions import Answers, Probe
from entrypoint.probe.smtp import Control


@dataclass(frozen=True)
class Fault:
    """program: what supervisor restarts to cure it; empty where a restart is no cure."""

    text: str
    program: str = ""


# A local delivery takes 0.1 s, and a burst of thousands a few minutes.
LONGEST_DELIVERY = 600.0  # seconds
# Who begins to wait so often in a second works: a process that hangs, or spins, never does.
_BUSY = 5.0
_BEFORE_GREETING = frozenset({"connect", "greeting"})
# Who answers there.
_SERVICES = {
    "port 143": "imap-login",
    "port 993": "imap-login",
    "port 4190": "managesieve-login",
    "port 110": "pop3-login",
    "port 995": "pop3-login",
    "lmtp": "lmtp",
    "quota-status": "quota-status",
}
# What stands before our own filter, and can hold up the same commands.
_CHAINS = {
    "the inbound filter": "EXTRA_FILTERS_INBOUND",
    "the submission filter": "EXTRA_FILTERS_SUBMISSION",
}
# What is probed under a short name.
_TITLES = {
    **{name: f"smtpd's {name}" for name in ("control", "dispatcher", "scheduler")},
    **{
        name: f"Dovecot's {name}"
        for name in ("master", "auth", "anvil", "stats", "lmtp", "quota-status")
    },
}
# What a name alone does not say.
_EFFECTS = {
    "logins": ": logins cannot be checked",
    "web": ": no answer on 80 and 443",
    "maintenance": ": changes are not applied",
    "the junk filter": ": mail is delivered without its verdict",
}
_LOOKUP = "smtpd's lookup"
STOPPED, _WAITS_FOR_A_DISK = "T", "D"


@dataclass(frozen=True)
class Seen:
    """What was looked at. seconds: how long an answer was waited for."""

    answers: Answers
    seconds: float
    processes: Sequence[Process] = ()
    control: Control = field(default_factory=Control)
    name_servers: Sequence[str] = ()


def judge(seen: Seen) -> list[Fault]:
    """Everything that is wrong, causes first."""
    stopped = [each for each in seen.processes if each.state == STOPPED]
    found = [
        Fault(f"{each.title} is stopped (SIGSTOP){_EFFECTS.get(each.title, '')}", each.program)
        for each in stopped
    ]
    # What waits for a stopped part needs no guess.
    explained = {process.program for process in stopped}
    for silent in _silent(seen.answers.probes, seen.control, explained):
        if silent.program not in explained:
            found.append(_fault(silent, seen))
    if not seen.answers.conclusive and any(each.silent for each in seen.answers.probes.values()):
        late = f"{seen.answers.late:.0f} s"
        text = f"the machine is overloaded: this check itself was held up for {late}"
        found.append(Fault(f"{text}, and who does not answer may only be slow"))
    return list(dict.fromkeys(found + _reported(seen)))


@dataclass(frozen=True)
class _Silent:
    """A part that does not answer. where: the question that shows it. hangs: unless it is busy."""

    program: str
    part: str
    where: str
    hangs: bool = True


def _fault(silent: _Silent, seen: Seen) -> Fault:
    who = silent.part
    if who in _CHAINS and any(
        each.title.startswith("the extra filter ") for each in seen.processes
    ):
        who = f"{who}, or one of {_CHAINS[who]},"
    text = f"{who} does not answer within {seen.seconds:g} s ({silent.where})"
    part = [each for each in seen.processes if each.title == silent.part]
    if any(each.state == _WAITS_FOR_A_DISK for each in part):
        return Fault(f"{text}; it waits for a disk")
    if any(each.waits > _BUSY * seen.seconds for each in part):
        return Fault(f"{text}; it is busy")
    return Fault(text, silent.program if silent.hangs else "")


def _silent(
    probes: Mapping[str, Probe], control: Control, explained: set[str]
) -> Iterator[_Silent]:
    """Each part that does not answer; see `entrypoint.probe.smtp`."""
    logins_silent = _is_silent(probes, "logins") or "logins" in explained
    yield from _smtpd(probes, control, logins_silent=logins_silent)
    yield from _dovecot(probes, logins_silent=logins_silent)
    if _is_silent(probes, "logins"):
        yield _Silent("logins", "logins", "logins cannot be checked")
    if _is_silent(probes, "maintenance"):
        yield _Silent("maintenance", "maintenance", "changes are not applied")
    if _is_silent(probes, metrics.PROGRAM):
        yield _Silent(metrics.PROGRAM, metrics.PROGRAM, "Prometheus has no answer")
    if _is_silent(probes, junk.PROGRAM):
        yield _Silent(junk.PROGRAM, "the junk filter", "mail is delivered without its verdict")
    for number in (80, 443):
        if _is_silent(probes, f"port {number}"):
            yield _Silent("web", "web", f"port {number}")
    for number in (TEST_SMTP_PORT, TEST_HTTP_PORT):
        if _is_silent(probes, f"port {number}"):
            yield _Silent("target", "the test target", f"port {number}")


def _smtpd(
    probes: Mapping[str, Probe], control: Control, *, logins_silent: bool
) -> Iterator[_Silent]:
    if "SMTP" in control.paused:
        return
    incoming, outgoing, submission = (probes.get(f"port {each}") for each in (25, 465, 587))
    control_is_silent = _is_silent(probes, "control")
    if control_is_silent:
        yield _Silent("smtpd", "smtpd's control", "smtpctl show status")
    elif _is_silent(probes, "dispatcher"):
        # Nobody else can tell the two apart.
        where = "smtpctl show mta paused; at each handshake it waits for crypto"
        yield _Silent("smtpd", "smtpd's dispatcher", where)
        return
    for number, probe in ((25, incoming), (465, outgoing), (587, submission)):
        if probe is not None and probe.silent and probe.step == "connect":
            # The dispatcher answers others: this is a flood of clients, or the limit of sessions.
            yield _Silent("smtpd", "smtpd's dispatcher", f"port {number}, connect", hangs=False)
            return
    if _is_crypto(incoming, outgoing):
        yield _Silent("smtpd", "smtpd's crypto", "port 465, TLS")
    elif incoming is not None and incoming.silent:
        part, where = _incoming(incoming, submission), f"port 25, {incoming.step}"
        # Its resolver may be what waits.
        hangs = not (part == _LOOKUP and _is_silent(probes, "DNS"))
        yield _Silent("smtpd", part, where, hangs)
    elif outgoing is not None and outgoing.silent:
        if part := _outgoing(outgoing, submission, logins_silent=logins_silent):
            yield _Silent("smtpd", part, f"port 465, {outgoing.step}")
    elif submission is not None and submission.silent:
        yield _Silent("smtpd", "the submission filter", f"port 587, {submission.step}")
    queue_is_silent = incoming is not None and incoming.silent and incoming.step == "MAIL"
    if _is_silent(probes, "scheduler") and not (control_is_silent or queue_is_silent):
        yield _Silent("smtpd", "smtpd's scheduler", "smtpctl show queue")


def _is_crypto(incoming: Probe | None, outgoing: Probe | None) -> bool:
    """The handshake has no answer, and another port had its greeting before or just then."""
    if incoming is None or outgoing is None or not outgoing.silent or outgoing.step != "TLS":
        return False
    return incoming.silent and incoming.step not in _BEFORE_GREETING


def _incoming(probe: Probe, submission: Probe | None) -> str:
    if probe.step in _BEFORE_GREETING:
        # Both need the client's name from lookup; a filter can hold up its own port only.
        others_greet = submission is not None and not submission.silent
        return "the inbound filter" if others_greet else _LOOKUP
    return {
        "first command": "smtpd's dispatcher",
        "MAIL": "smtpd's queue",
        "QUIT": "smtpd's dispatcher",
    }.get(probe.step, "the inbound filter")


def _outgoing(probe: Probe, submission: Probe | None, *, logins_silent: bool) -> str:
    if probe.step == "AUTH":
        return "" if logins_silent else "smtpd's parent"
    if probe.step == "TLS" and submission is not None and submission.silent:
        return "the submission filter"  # a connection waits for it before TLS does
    return {
        "TLS": "smtpd's crypto",
        "first command": "smtpd's dispatcher",
        "QUIT": "smtpd's dispatcher",
    }.get(probe.step, "the submission filter")


def _dovecot(probes: Mapping[str, Probe], *, logins_silent: bool) -> Iterator[_Silent]:
    silent = [name for name in ("master", "auth", "anvil", "stats") if _is_silent(probes, name)]
    for name in silent:
        yield _Silent("dovecot", f"Dovecot's {name}", f"its socket, {probes[name].step}")
    if "master" in silent:
        return  # nobody is started who could answer
    for name, service in _SERVICES.items():
        if not _is_silent(probes, name):
            continue
        step = probes[name].step
        if step in _BEFORE_GREETING:
            yield _Silent("dovecot", f"Dovecot's {service}", f"{name}, {step}")
        elif not silent and not (step == "LOGIN" and logins_silent):
            at_login = "login (auth-worker, config or imap)"
            part = at_login if step == "LOGIN" else service
            yield _Silent("dovecot", f"Dovecot's {part}", f"{name}, {step}")


def _reported(seen: Seen) -> list[Fault]:
    """What no restart cures."""
    found = [
        Fault(f"{_TITLES.get(name, name)}: {probe.said}")
        for name, probe in seen.answers.probes.items()
        # Where there is no way to any name server, nobody waits for one.
        if probe.said and name != "DNS"
    ]
    found += [
        Fault(f"smtpd: {name} is paused; `smtpctl resume {name.lower()}` has it go on")
        for name in seen.control.paused
    ]
    if _is_silent(seen.answers.probes, "DNS"):
        found.append(
            Fault(
                f"DNS: no name server answers within {seen.seconds:g} s "
                f"({', '.join(seen.name_servers)}); clients wait some seconds for the greeting, "
                "mail cannot be verified, and mail to other servers waits"
            )
        )
    if seen.control.longest > LONGEST_DELIVERY:
        found.append(
            Fault(
                f"local mail does not move: the delivery of {seen.control.envelope} takes "
                f"{seen.control.longest / 60:.0f} minutes by now; see `signpost queue list`"
            )
        )
    return found


def _is_silent(probes: Mapping[str, Probe], name: str) -> bool:
    return name in probes and probes[name].silent
