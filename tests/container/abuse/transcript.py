"""Reads the battery's cases: what a client says, and what has to come of it.

Knows no server: `Names` has what a case may name, and a case becomes the steps of
clients/transcripts.py. The lines of a case, which `= ITS NAME` begins:

    on 587 as alice from stranger   a session; `bare`: up to the greeting; `clear`: no TLS, whatever
                                    its port has
    > TEXT                          a line; those in a row are one segment; `>>`: without a line end
    < PATTERN                       a reply, as it begins; `closed`, and `silence`
    tls NAME, half-close            a handshake, with or without SNI; no more from the client
    slowly SECONDS TEXT             byte by byte
    mail SENDER RECIPIENT           MAIL, RCPT and DATA, all of them accepted
    letter FIELDS                   a whole message, its end included
    put SCRIPT, activate            by ManageSieve
    arrives ADDRESS PATTERN         who has got a message with {token} in it; and nobody else
    leaves PATTERN                  what the next hop has got, its commands first; and nothing else
    log PATTERN                     a line of the log

`* ANYTHING` begins a template: a case that has lines with `| TEXT` is the template with those in
the place of {case}, and `=> PATTERN ; PATTERN`, or the template's own, in that of {outcome}. In
braces are `{x*300}`, `{plain alice}`, `{base64 TEXT}`, `{literal TEXT}`, `{own}`, `{token}`; a
backslash stands before r, n, t, 0, x9b, { and itself.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TLS_PORTS = {443, 465, 993, 995}
SMTP_PORTS = {25, 465, 587}
IMAP_PORTS = {143, 993}


@dataclass(frozen=True)
class Names:
    """What stands for a word in braces; `logins` are an address and a password by a first name."""

    words: Mapping[str, str]
    sources: Mapping[str, str]
    logins: Mapping[str, tuple[str, str]]


@dataclass
class Case:
    """One case, as its lines; what they mean is known when the server is."""

    file: str
    name: str
    lines: list[str]
    arrives: list[str] = field(default_factory=list)
    leaves: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        return f"{self.file}: {self.name}"


def read_cases(folder: Path) -> list[Case]:
    """All cases of a folder's files."""
    return [case for path in sorted(folder.glob("*.txt")) for case in _read(path)]


_OUTCOMES = ("arrives", "leaves", "log")


def _read(path: Path) -> Iterator[Case]:
    template: list[str] = []
    default = ""
    case: tuple[str, list[str]] | None = None
    for line in path.read_text("utf-8").split("\n"):
        if not line or line.startswith("#"):
            continue
        if line[0] in "*=" and not line.startswith("=>"):
            if case is not None:
                yield _case(path.stem, *case, template, default)
            case = (line[2:], []) if line[0] == "=" else None
            if case is None:
                template, default = [], ""
        elif case is not None:
            case[1].append(line)
        elif line.startswith("=> "):
            default = line[3:]
        else:
            template.append(line)
    if case is not None:
        yield _case(path.stem, *case, template, default)


def _case(file: str, name: str, lines: list[str], template: list[str], default: str) -> Case:
    own = [line[2:] for line in lines if line.startswith("|")]
    outcome = next((line[3:] for line in lines if line.startswith("=> ")), default)
    if own or any(line.startswith("=> ") for line in lines):
        rest = [line for line in lines if line[0] != "|" and not line.startswith("=> ")]
        lines = [*_filled(template, own, outcome), *rest]
    found: dict[str, list[str]] = {kind: [] for kind in _OUTCOMES}
    steps = []
    for line in lines:
        kind, _, rest = line.partition(" ")
        (found[kind] if kind in _OUTCOMES else steps).append(rest if kind in _OUTCOMES else line)
    return Case(file, name, steps, **found)


def _filled(template: list[str], own: list[str], outcome: str) -> Iterator[str]:
    for line in template:
        if "{case}" in line:
            yield from (line.replace("{case}", text) for text in own)
        elif line == "< {outcome}":
            yield from (f"< {pattern}" for pattern in outcome.split(" ; "))
        else:
            yield line


@dataclass
class Script:
    """The sessions to be played, and the pattern of each answer by session."""

    sessions: list[dict[str, Any]] = field(default_factory=list)
    patterns: list[list[str]] = field(default_factory=list)

    def open(self, port: int, tls: bool, source: str | None) -> None:
        self.sessions.append({"port": port, "tls": tls, "source": source, "steps": []})
        self.patterns.append([])

    def send(self, data: bytes) -> None:
        """More to be sent in the segment that is open, if there is one."""
        steps = self.sessions[-1]["steps"]
        if steps and steps[-1][0] == "send":
            data = base64.b64decode(steps[-1][1]) + data
            steps.pop()
        steps.append(["send", base64.b64encode(data).decode()])

    def step(self, *step: object) -> None:
        self.sessions[-1]["steps"].append(list(step))

    def hear(self, pattern: str) -> None:
        self.step("hear", *(["shortly"] if pattern == "silence" else []))
        self.patterns[-1].append(pattern)

    def say(self, line: str, pattern: str) -> None:
        self.send(line.encode() + b"\r\n")
        self.hear(pattern)


def played(case: Case, names: Names, token: str) -> Script:
    """What a case's lines say to the server."""
    script = Script()
    words = {**names.words, "token": token}
    for line in case.lines:
        kind, _, rest = line.partition(" ")
        match kind:
            case "on":
                _open(script, rest.split(), names)
            case ">":
                script.send(expanded(rest, words, names) + b"\r\n")
            case ">>":
                script.send(expanded(rest, words, names))
            case "<":
                script.hear(text(rest, words))
            case "tls":
                script.step("tls", rest or None)
            case "half-close":
                script.step("half-close")
            case "slowly":
                seconds, _, data = rest.partition(" ")
                bytes_ = base64.b64encode(expanded(data, words, names) + b"\r\n").decode()
                script.step("slowly", bytes_, float(seconds))
            case "mail":
                sender, recipient = text(rest, words).split()
                script.say(f"MAIL FROM:{sender}", "250 ")
                script.say(f"RCPT TO:{recipient}", "250 ")
                script.say("DATA", "354 ")
            case "letter":
                script.send(_letter(expanded(rest, words, names), token))
            case "put":
                content = expanded(rest, words, names)
                script.send(b'PUTSCRIPT "abuse" {%d+}\r\n%s\r\n' % (len(content), content))
            case "activate":
                script.say('SETACTIVE "abuse"', "OK")
            case _:
                raise ValueError(f"{case.id}: no such line: {line}")
    return script


def _letter(fields: bytes, token: str) -> bytes:
    head = [
        *([fields] if fields else []),
        b"To: somebody@example.org",
        b"Subject: abuse",
        b"Date: Wed, 25 Nov 2026 04:00:00 +0000",
        b"Message-ID: <%s@abuse.test>" % token.encode(),
    ]
    return b"\r\n".join([*head, b"", b"text of " + token.encode(), b".", b""])


def _open(script: Script, words: list[str], names: Names) -> None:
    """`PORT [as LOGIN] [from SOURCE] [bare | clear]`: up to where a case begins."""
    port = int(words[0])
    login = names.logins[words[words.index("as") + 1]] if "as" in words else None
    source = names.sources[words[words.index("from") + 1]] if "from" in words else None
    script.open(port, port in TLS_PORTS and "clear" not in words, source)
    if "clear" in words:
        return
    if port in SMTP_PORTS:
        script.hear("220 ")
    elif port not in {80, 443}:
        script.hear(r"\* OK|\+OK|(?s:.*)\nOK ")
    if "bare" in words or port in {80, 443}:
        return
    if port in SMTP_PORTS:
        _greet(script, port, login)
    elif port == 4190:
        script.say("STARTTLS", "OK")
        script.step("tls", None)
        script.hear(r"(?s:.*)\nOK ")
    if login is None or port in SMTP_PORTS:
        return
    user, password = (re.sub(r'(["\\])', r"\\\1", word) for word in login)
    if port in IMAP_PORTS:
        script.say(f'a0 LOGIN "{user}" "{password}"', "a0 OK")
    elif port == 4190:
        script.say(f'AUTHENTICATE "PLAIN" "{plain(login)}"', "OK")
    else:
        script.say(f"USER {login[0]}", r"\+OK")
        script.say(f"PASS {login[1]}", r"\+OK")


def _greet(script: Script, port: int, login: tuple[str, str] | None) -> None:
    script.say("EHLO client.outside.test", "250")
    if port == 587:
        script.say("STARTTLS", "220 ")
        script.step("tls", None)
        script.say("EHLO client.outside.test", "250")
    if login is not None:
        script.say(f"AUTH PLAIN {plain(login)}", "235 ")


def plain(login: tuple[str, str]) -> str:
    """AUTH PLAIN's initial response."""
    return base64.b64encode("\0".join(["", *login]).encode()).decode()


def text(line: str, words: Mapping[str, str]) -> str:
    """The line with the words in braces that are known."""
    return re.sub(r"\{(\w+)\}", lambda found: words.get(found[1], found[0]), line)


_ESCAPES = {b"r": b"\r", b"n": b"\n", b"0": b"\0", b"t": b"\t", b"\\": b"\\", b"{": b"{"}


def expanded(line: str, words: Mapping[str, str], names: Names) -> bytes:
    r"""The bytes of a line, with what stands in braces and behind a backslash."""
    line = text(line, words)
    line = re.sub(r"\{plain (\w+)\}", lambda found: plain(names.logins[found[1]]), line)
    line = re.sub(r"\{([^{}]+?)\*(\d+)\}", lambda found: found[1] * int(found[2]), line)

    def encoded(found: re.Match[str]) -> str:
        return base64.b64encode(_unescaped(found[1].encode())).decode()

    def literal(found: re.Match[str]) -> str:
        return f"\\{{{len(_unescaped(found[1].encode()))}+}}\\r\\n{found[1]}"

    line = re.sub(r"\{base64 ([^{}]*)\}", encoded, line)
    line = re.sub(r"\{literal ([^{}]*)\}", literal, line)
    return _unescaped(line.encode())


def _unescaped(data: bytes) -> bytes:
    def unescape(found: re.Match[bytes]) -> bytes:
        return bytes([int(found[1], 16)]) if found[1] else _ESCAPES[found[2]]

    return re.sub(rb"\\(?:x([0-9a-fA-F]{2})|([rn0t\\{]))", unescape, data)
