"""Questions for Dovecot: its ports as clients see them, and its processes at their own sockets.

A login at IMAP goes the whole way: imap-login, auth, auth-worker, filters.logins, and the master,
which starts the session's process. Each socket's first line is its process's own.
"""

from __future__ import annotations

from entrypoint.config.ports import Port
from entrypoint.paths import DOVECOT_RUN
from entrypoint.probe.dialog import Dialog, DialogError, socket_dialog
from entrypoint.probe.greetings import GREETINGS
from entrypoint.probe.login import ProbeLogin
from entrypoint.probe.questions import Probe, at_port

# A process, the socket at which it says `VERSION` to whoever comes, and the socket's owner.
SOCKETS = {
    "master": ("master", "root"),
    "auth": ("auth-master", "root"),
    "stats": ("stats-reader", "root"),
    "anvil": ("anvil", "vmail"),
}


async def greet(port: Port, probe: Probe) -> None:
    """A greeting, and no more."""
    async with at_port(port.number, probe, tls=port.implicit_tls) as link:
        await _greeting(port, link, probe)
        await _leave(port, link, probe)


async def log_in(port: Port, login: ProbeLogin, probe: Probe) -> None:
    """An IMAP port with TLS, up to a session."""
    async with at_port(port.number, probe, tls=port.implicit_tls) as link:
        await _greeting(port, link, probe)
        probe.step = "LOGIN"
        await link.send(f"a LOGIN {login.name} {login.password}")
        line = await link.until("a ")
        if not line.startswith("a OK"):
            raise DialogError(line[:200])
        await _leave(port, link, probe)


async def process(name: str, probe: Probe) -> None:
    """A process at its own socket."""
    path, user = SOCKETS[name]
    async with socket_dialog(DOVECOT_RUN / path, user) as link:
        probe.step = "first line"
        await link.expect("VERSION\t")


async def deliver(login: ProbeLogin, probe: Probe) -> None:
    """LMTP, up to a recipient that nobody is."""
    async with socket_dialog(DOVECOT_RUN / "lmtp", "vmail") as link:
        probe.step = "greeting"
        await link.reply("220")
        for command, code in (
            ("LHLO localhost", "250"),
            ("MAIL FROM:<>", "250"),
            (f"RCPT TO:<{_nobody(login)}>", "550"),
            ("QUIT", "221"),
        ):
            probe.step = command.split()[0]
            await link.say(command, code)


async def quota(login: ProbeLogin, probe: Probe) -> None:
    """quota-status, as the inbound filter asks it at RCPT."""
    async with socket_dialog(DOVECOT_RUN / "quota-status-inbound", "verifier") as link:
        probe.step = "question"
        await link.write(f"request=smtpd_access_policy\nrecipient={_nobody(login)}\nsize=0\n\n")
        await link.expect("action=")


def _nobody(login: ProbeLogin) -> str:
    """A name that no userdb has."""
    return f"nobody-{login.name}"


async def _greeting(port: Port, link: Dialog, probe: Probe) -> None:
    probe.step = "greeting"
    expected = GREETINGS[port.protocol]
    await link.expect(expected.first)
    if expected.last != expected.first:
        await link.until(expected.last)


async def _leave(port: Port, link: Dialog, probe: Probe) -> None:
    probe.step = "LOGOUT"
    expected = GREETINGS[port.protocol]
    await link.send(expected.leave)
    await link.until(expected.left)
