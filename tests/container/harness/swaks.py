"""The one wrapper of swaks: an SMTP conversation from a container, and what was said in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from .shell import attempt, run

Security = Literal["none", "starttls", "implicit"]

_TLS_OPTIONS: dict[Security, tuple[str, ...]] = {
    "none": (),
    "starttls": ("--tls",),
    "implicit": ("--tls-on-connect",),
}
_COMMAND = re.compile(r"^ [-~]> (.*)$")
_REPLY = re.compile(r"^<[-~*]+\s+(\d{3})([ -]|$)(.*)$")


@dataclass(frozen=True)
class Reply:
    """A server's whole reply and the command that it answers ("" for the banner)."""

    command: str
    code: int
    text: str


@dataclass(frozen=True)
class Conversation:
    """What swaks printed; `exit_code` as swaks's manual lists them (0 = the mail was accepted)."""

    exit_code: int
    transcript: str
    replies: tuple[Reply, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "replies", tuple(_replies(self.transcript)))

    @property
    def outcome(self) -> Reply:
        """The last reply that was not one to QUIT: the refusal, or the final 250."""
        told = [reply for reply in self.replies if reply.command != "QUIT"]
        assert told, f"the server said nothing:\n{self.transcript}"
        return told[-1]

    @property
    def code(self) -> int:
        """The outcome's code."""
        return self.outcome.code

    def reply_to(self, command: str) -> Reply:
        """The last reply to a command that begins with this."""
        for reply in reversed(self.replies):
            if reply.command.startswith(command):
                return reply
        raise AssertionError(f"no reply to {command}:\n{self.transcript}")

    def accepted(self) -> Conversation:
        """Itself, if the mail was accepted; else the test fails with the transcript."""
        assert self.exit_code == 0, self.transcript
        return self


def _replies(transcript: str) -> list[Reply]:
    replies: list[Reply] = []
    command, lines = "", list[str]()
    for line in transcript.splitlines():
        if sent := _COMMAND.match(line):
            # The lines of a message are no commands; swaks hides all but their number.
            command, lines = sent[1], []
        elif said := _REPLY.match(line):
            lines.append(said[3])
            if said[2] != "-":
                replies.append(Reply(command, int(said[1]), "\n".join(lines)))
                lines = []
    return replies


@dataclass(frozen=True)
class Swaks:
    """swaks in a container."""

    container: str

    def __call__(
        self,
        server: str,
        *,
        port: int = 25,
        sender: str = "someone@outside.test",
        to: str | Sequence[str] = (),
        message: bytes | None = None,
        source: str | None = None,
        helo: str = "client.outside.test",
        security: Security = "none",
        login: tuple[str, str] | None = None,
        quit_after: str | None = None,
        options: Sequence[str] = (),
    ) -> Conversation:
        """One conversation. `message` (CRLF) is sent exactly as it is; None sends swaks's own.

        `sender` "" is the null sender; `login` is a user and a password; `quit_after` is a stage
        of swaks (CONNECT, FIRST-EHLO, TLS, EHLO, AUTH, MAIL, RCPT). Addresses hold no comma:
        swaks takes it as the start of another recipient.
        """
        command = ["swaks", "--server", server, "--port", str(port), "--ehlo", helo]
        command += ["--from", sender or "<>", "--timeout", "60", "--suppress-data"]
        # Without a recipient swaks asks for one, for ever where nobody can answer.
        command += ["--to", (to if isinstance(to, str) else ",".join(to)) or "nobody@far.test"]
        command += _TLS_OPTIONS[security]
        if source is not None:
            command += ["--local-interface", source]
        if login is not None:
            command += ["--auth", "PLAIN", "--auth-user", login[0], "--auth-password", login[1]]
        if quit_after is not None:
            command += ["--quit-after", quit_after]
        data = b""
        if message is not None:
            command += ["--data", "-", "--no-data-fixup"]
            data = stuffed(message)
        done = attempt(
            "docker", "exec", "-i", self.container, *command, *options, stdin=data, timeout=120
        )
        return Conversation(done.returncode, (done.stdout + done.stderr).decode(errors="replace"))

    def say(self, server: str, port: int, *sessions: Sequence[str]) -> list[Conversation]:
        """Commands that swaks would not say, each sent when the one before it is answered."""
        lines = "\n\n".join("\n".join(commands) for commands in sessions)
        said = run(
            *("docker", "exec", "-i", self.container, "say", server, str(port)),
            stdin=lines.encode(),
        )
        transcripts = said.decode(errors="replace").split("\f")
        assert len(transcripts) == len(sessions)
        return [Conversation(0, transcript) for transcript in transcripts]


def stuffed(message: bytes) -> bytes:
    """The message as it goes over the wire after DATA, RFC 5321 section 4.5.2.

    Without the last CRLF: swaks adds one to all that it sends.
    """
    assert message.endswith(b"\r\n")
    return re.sub(rb"(?m)^\.", b"..", message) + b"."
