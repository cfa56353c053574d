"""A line of smtpd's log → its level, the program that it comes from, and the message.

smtpd writes no time stamps, and prefixes its filters' lines with `NAME:` or `warn: NAME:`. The
programs of `filters` write their levels as smtpd does. It must not know what is done with any.
"""

from __future__ import annotations

import base64
import re

# smtpd's words for a level, and those of filters.program.
_LEVEL = {
    "debug": "debug",
    "info": "info",
    "warn": "warning",
    "warning": "warning",
    "error": "error",
    "critical": "error",
    "fatal": "error",
}
_PREFIX = re.compile(r"(debug|info|warn|warning|error|critical|fatal): +")
_FILTER = re.compile(r"((?:extra-)?(?:inbound|submission)(?:-\d+)?|capture): +")
# A client's command may hold quotation marks, and smtpd escapes none. The reply, which stands
# behind it, holds none (filters.smtpd.verdict), so the last result is smtpd's.
_REFUSED = re.compile(r'([0-9a-f]{16} smtp failed-command) command="(.*)" result="(.*)"')
# What smtpd refuses as AUTH before it looks at it (no TLS yet, refused by a filter) it would show
# as it came; so it would the answers of a client that goes on with LOGIN (RFC 4954) all the same.
_SPACE = re.compile(r"(?:\s|\\t)+")  # a tab is escaped
_MECHANISM = re.compile(r"PLAIN|LOGIN|EXTERNAL|X?OAUTH\w*|SCRAM-[A-Z0-9-]+|\w+-MD5", re.IGNORECASE)
_SHOWN = {"(...)", "(username)", "(password)"}  # smtpd's own for what is not
_CONTROLS = {*range(1, 0x20), 0x7F}
_LONGEST_COMMAND = 600  # characters, escapes included; RFC 5321 §4.5.3.1.4: 512 octets


def classify(program: str, line: str) -> tuple[str, str, str]:
    """(level, program, message). What a client has written stands last in the message, quoted."""
    level = "info"
    if match := _PREFIX.match(line):
        level, line = _LEVEL[match[1]], line[match.end() :]
    of_filter = _FILTER.match(line) if program == "smtpd" else None
    if of_filter is not None:
        # What a filter writes is its own event; what has no level was not written on purpose
        # (a traceback, the shell), and that is worth a warning.
        program, level, line = of_filter[1], "warning", line[of_filter.end() :]
        if inner := _PREFIX.match(line):
            level, line = _LEVEL[inner[1]], line[inner.end() :]
    elif refused := _REFUSED.fullmatch(line):
        begin, command, result = refused.groups()
        line = f"{begin} result={_quoted(result)} command={_quoted(_without_password(command))}"
    return level, program, line


def _without_password(command: str) -> str:
    """With "(...)" for what may be one."""
    auth, *rest = _SPACE.split(command, 2)
    if auth.upper() == "AUTH":
        known = [word for word in rest[:1] if _MECHANISM.fullmatch(word)]
        hidden = " ".join(rest[len(known) :])
        return " ".join([auth, *known, "(...)"]) if hidden and hidden not in _SHOWN else command
    try:
        decoded = base64.b64decode(command, validate=True)
    except ValueError:
        return command
    return command if not decoded or _CONTROLS.intersection(decoded) else "(...)"


def _quoted(text: str) -> str:
    """Cut, with a backslash before each quotation mark; before others there is one of smtpd's."""
    cut = text[:_LONGEST_COMMAND]
    if len(text) > _LONGEST_COMMAND:
        # What is left of an escape would escape the end.
        cut = cut[: len(cut) - (len(cut) - len(cut.rstrip("\\"))) % 2]
    quotation = cut.replace('"', '\\"')
    return f'"{quotation}"{"..." if len(text) > _LONGEST_COMMAND else ""}'
