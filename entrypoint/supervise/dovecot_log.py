"""A line of Dovecot's log → its level and the message.

It must not know what is done with either.
"""

from __future__ import annotations

import re

# `imap-login: Info: text`, `lmtp(alice@example.org)<71><id>: Error: text`
_LINE = re.compile(r"(?:([^\s:]+): )?(Debug|Info|Warning|Error|Fatal|Panic): ")
_UNNAMED = "master"  # while it starts it writes its errors to stderr, too
_LEVEL = {
    "Debug": "debug",
    "Info": "info",
    "Warning": "warning",
    "Error": "error",
    "Fatal": "error",
    "Panic": "error",
}
# Each delivery connects anew, and the health check knocks once a minute: no event for a person. An
# empty line is what a program that Dovecot ran left on stderr. A login's name, which may hold
# anything, stands behind all that is looked at here (`login_log_format_elements`).
_ORDINARY = re.compile(
    r"[^\s:]+: \Z|lmtp\(\d+\): (?:Connect from local|Disconnect from local: Logged out)"
    r"|[a-z0-9]+-login: Login aborted: [^<=]*\(no_auth_attempts\): client=(?:127\.0\.0\.1|::1),"
)


def classify(line: str) -> tuple[str, str]:
    """The level, and the text with the service before it; a line of another form is a warning."""
    match = _LINE.match(line)
    if match is None:
        return "warning", line
    text = f"{match[1] or _UNNAMED}: {line[match.end() :]}"
    level = _LEVEL[match[2]]
    return ("debug" if _ORDINARY.match(text) else level), text
