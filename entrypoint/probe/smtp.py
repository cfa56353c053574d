"""Questions for smtpd, from which each of its processes has to give an answer once.

What asks whom (OpenSMTPD 7.6): a greeting needs the dispatcher, and the lookup process for the
client's name; TLS the crypto process; MAIL the queue, for a message id; RCPT the inbound filter,
through lookup; AUTH the submission filter, then the parent, which runs PAM. `smtpctl` asks control,
and through it the scheduler (`show queue`) and the dispatcher (`show mta paused`).

Nobody's mail is handed in: the one recipient is refused.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

from entrypoint.config.ports import Port
from entrypoint.probe.dialog import Dialog, DialogError
from entrypoint.probe.login import ProbeLogin
from entrypoint.probe.questions import Probe, at_port
from entrypoint.smtpctl import QueuedEnvelope, SmtpctlError, lines_of

# smtpd reads each envelope from the disk for the list: the ones behind so many are not looked at.
_MOST_ENVELOPES = 2_000


@asynccontextmanager
async def _greeted(port: Port, login: ProbeLogin, probe: Probe) -> AsyncIterator[Dialog]:
    async with at_port(port.number, probe, tls=port.implicit_tls) as link:
        probe.step = "greeting"
        await link.reply("220")
        probe.step = "first command"
        await link.say(f"XPROBE {login.mark}", "5")
        yield link
        # The session's last line in the log belongs to it, too.
        probe.step = "QUIT"
        await link.say("QUIT", "221")


async def greet(port: Port, login: ProbeLogin, probe: Probe) -> None:
    """A greeting, and no more."""
    async with _greeted(port, login, probe):
        pass


async def receive(port: Port, login: ProbeLogin, probe: Probe) -> None:
    """Port 25, up to a recipient that must be refused."""
    async with _greeted(port, login, probe) as link:
        probe.step = "EHLO"
        await link.say("EHLO localhost", "250")
        probe.step = "MAIL"
        await link.say("MAIL FROM:<>", "250")
        probe.step = "RCPT"
        await link.say(f"RCPT TO:<{login.name}>", "550")


async def submit(port: Port, login: ProbeLogin, probe: Probe) -> None:
    """Port 465, up to a login."""
    async with _greeted(port, login, probe) as link:
        probe.step = "EHLO"
        await link.say("EHLO localhost", "250")
        # The filter sees the command before smtpd finds that there is no such mechanism.
        probe.step = "AUTH unknown"
        await link.say("AUTH XPROBE", "5")
        probe.step = "AUTH"
        plain = b64encode(f"\0{login.name}\0{login.password}".encode("ascii")).decode("ascii")
        await link.say(f"AUTH PLAIN {plain}", "235")


@dataclass
class Control:
    """What `smtpctl` says: the parts that were paused by hand, and local mail that waits."""

    paused: list[str] = field(default_factory=list)
    # Seconds since a local delivery began, or since it was due.
    longest: float = 0.0
    envelope: str = ""

    async def status(self, probe: Probe) -> None:
        """Control's own answer."""
        async for line in _smtpctl(probe, "show", "status"):
            name, _, state = line.partition(" ")
            if state == "paused":
                self.paused.append(name)

    async def dispatcher(self, probe: Probe) -> None:
        """The dispatcher's answer, for which no name has to be looked up."""
        async for _ in _smtpctl(probe, "show", "mta", "paused"):
            pass

    async def queue(self, probe: Probe) -> None:
        """The scheduler's answer; the queue's, too, where there is mail."""
        count = 0
        async with aclosing(_smtpctl(probe, "show", "queue")) as lines:
            async for line in lines:
                self.note(line)
                count += 1
                if count == _MOST_ENVELOPES:
                    return

    def note(self, line: str) -> None:
        """One line of `show queue`."""
        try:
            envelope = QueuedEnvelope.parse(line)
        except ValueError:
            return
        waited = {"inflight": envelope.seconds, "pending": -envelope.seconds}
        if envelope.agent == "mda" and waited.get(envelope.state, 0) > self.longest:
            self.longest, self.envelope = waited[envelope.state], envelope.evpid


async def _smtpctl(probe: Probe, *arguments: str) -> AsyncGenerator[str, None]:
    probe.step = f"smtpctl {' '.join(arguments)}"
    try:
        async with aclosing(lines_of(*arguments)) as lines:
            async for line in lines:
                yield line
    except SmtpctlError as error:
        raise DialogError(str(error).removeprefix(f"{probe.step}: ")) from None
