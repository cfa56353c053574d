"""Every question that a running server has to answer, asked at once and within a bounded time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from entrypoint import junk, metrics
from entrypoint.config.ports import TEST_HTTP_PORT, Port, rendered_ports
from entrypoint.health import UNNEEDED
from entrypoint.health.judge import STOPPED, Seen
from entrypoint.paths import (
    JUNK,
    LOGINS_SOCKET,
    MAINTENANCE_SOCKET,
    PORTS,
    RUN,
    TARGET,
    VERDICT_SOCKET,
    WEB,
)
from entrypoint.probe import dovecot, junk_filter, name_servers, smtp
from entrypoint.probe.dialog import DialogError, socket_dialog
from entrypoint.probe.login import LOGIN, ProbeLogin
from entrypoint.probe.processes import Process, processes, since
from entrypoint.probe.questions import HOST, Probe, Question, ask_all, at_port

# Which IMAP port a login is tried at.
_LOGIN_PORT = 993
_WHERE_THE_CAUSE_IS_KNOWN = 1.0  # seconds


async def examine(seconds: float, run: Path = RUN, *, unneeded_too: bool = False) -> Seen:
    """unneeded_too: for who restarts them, for nothing is unhealthy without them.

    Raises OSError or ValueError where nothing was ever started here.
    """
    ports, login = rendered_ports(run / PORTS), ProbeLogin.read(run / LOGIN.name)
    control = smtp.Control()
    is_test_target = (run / TARGET.name).is_file()
    if is_test_target:
        questions = _of_test_target(ports, login, control)
    else:
        questions = _of_mail_server(ports, login, control, run)
    if unneeded_too and (run / metrics.PORT).is_file():
        port = int((run / metrics.PORT).read_text("ascii"))
        questions[metrics.PROGRAM] = partial(web, port, tls=False)
    verdicts = run / JUNK.name / VERDICT_SOCKET.name
    if unneeded_too and verdicts.exists():
        questions[junk.PROGRAM] = partial(verdict_server, path=verdicts)
    servers = name_servers.name_servers()
    if servers:
        questions["DNS"] = partial(name_servers.ask, servers)
    before = processes()
    seconds = patience(seconds, before)
    answers = await ask_all(questions, seconds)
    if is_test_target:  # nothing is delivered there: it starts so
        control.paused = [name for name in control.paused if name == "SMTP"]
    return Seen(answers, seconds, since(before, processes()), control, servers)


def patience(seconds: float, before: Sequence[Process]) -> float:
    """How long answers are waited for: less where a program that is needed is stopped."""
    if any(each.state == STOPPED and each.program not in UNNEEDED for each in before):
        return min(seconds, _WHERE_THE_CAUSE_IS_KNOWN)
    return seconds


def _of_test_target(
    ports: tuple[Port, ...], login: ProbeLogin, control: smtp.Control
) -> dict[str, Question]:
    """No mail is begun there, for a test may let it fail: greetings only."""
    found: dict[str, Question] = {
        **_control(control),
        "logins": logins,
        f"port {TEST_HTTP_PORT}": partial(web, TEST_HTTP_PORT, tls=False),
    }
    for port in ports:
        if port.protocol == "smtp":
            found[f"port {port.number}"] = partial(smtp.greet, port, login)
        else:
            found[f"port {port.number}"] = partial(dovecot.greet, port)
    return found


def _of_mail_server(
    ports: tuple[Port, ...], login: ProbeLogin, control: smtp.Control, run: Path
) -> dict[str, Question]:
    found: dict[str, Question] = {
        **_smtpd(ports, login, control),
        **_dovecot(ports, login),
        "logins": logins,
        "maintenance": maintenance,
    }
    if (run / WEB.name / "site.json").is_file():
        found["port 80"] = partial(web, 80, tls=False)
        found["port 443"] = partial(web, 443, tls=True)
    return found


def _control(control: smtp.Control) -> dict[str, Question]:
    return {
        "control": control.status,
        "dispatcher": control.dispatcher,
        "scheduler": control.queue,
    }


def _smtpd(
    ports: tuple[Port, ...], login: ProbeLogin, control: smtp.Control
) -> dict[str, Question]:
    dialogs = {25: smtp.receive, 465: smtp.submit}
    found = _control(control)
    for port in ports:
        if port.protocol == "smtp":
            dialog = dialogs.get(port.number, smtp.greet)
            found[f"port {port.number}"] = partial(dialog, port, login)
    return found


def _dovecot(ports: tuple[Port, ...], login: ProbeLogin) -> dict[str, Question]:
    served = [port for port in ports if port.protocol != "smtp"]
    if not served:
        return {}
    found: dict[str, Question] = {name: partial(dovecot.process, name) for name in dovecot.SOCKETS}
    found["lmtp"] = partial(dovecot.deliver, login)
    found["quota-status"] = partial(dovecot.quota, login)
    for port in served:
        if port.number == _LOGIN_PORT:
            found[f"port {port.number}"] = partial(dovecot.log_in, port, login)
        else:
            found[f"port {port.number}"] = partial(dovecot.greet, port)
    return found


async def logins(probe: Probe, path: Path = LOGINS_SOCKET) -> None:
    """A question that filters.logins must deny."""
    async with socket_dialog(path) as link:
        probe.step = "question"
        await link.write("\0")
        link.end_writing()
        await link.expect("wrong")


async def maintenance(probe: Probe, path: Path = MAINTENANCE_SOCKET) -> None:
    """A question that it answers at once, whatever it is applying."""
    async with socket_dialog(path) as link:
        probe.step = "ping"
        await link.write('{"request": "ping"}\n')
        await link.expect('{"ok": true')


async def verdict_server(probe: Probe, path: Path) -> None:
    """A question for no account; what it says is broken is no reason to restart it."""
    async with socket_dialog(path) as link:
        probe.step = "question"
        await junk_filter.ask(link)


async def web(number: int, probe: Probe, *, tls: bool, host: str = HOST) -> None:
    """Any answer in HTTP (RFC 9110)."""
    async with at_port(number, probe, tls=tls, host=host) as link:
        probe.step = "request"
        await link.write("HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        if not (said := await link.some()).startswith(b"HTTP/1."):
            raise DialogError(f"no HTTP: {said[:80]!r}")
