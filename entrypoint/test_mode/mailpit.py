"""Mailpit's variables: which mean something here, which need nothing, and which there cannot be.

It must not know what a value means: entrypoint.test_mode.reading reads those that count.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from entrypoint.config.problems import Problems

# They ask for what is so anyway.
_IDLE = frozenset(
    {
        "MP_ALLOW_INTERNAL_HTTP_REQUESTS",
        "MP_BLOCK_REMOTE_CSS_AND_FONTS",
        "MP_DISABLE_VERSION_CHECK",
        "MP_ENABLE_CHAOS",
        "MP_HIDE_DELETE_ALL_BUTTON",
        "MP_QUIET",
        "MP_SMTP_AUTH_ALLOW_INSECURE",
        "MP_SMTP_DISABLE_RDNS",
        "MP_SMTP_STRICT_RFC_HEADERS",
        "MP_VERBOSE",
    }
)
_SENDS_OUT = ("MP_SMTP_RELAY_", "MP_SMTP_FORWARD_", "MP_ENABLE_SPAMASSASSIN")
_INSTEAD = {
    "MP_MAX_MESSAGES": "all messages are kept until they take TEST_KEEP",
    "MP_MAX_AGE": "all messages are kept until they take TEST_KEEP",
    "MP_DATABASE": "messages are below /data: mount a volume there to keep them",
    "MP_DATA_FILE": "messages are below /data: mount a volume there to keep them",
    "MP_SMTP_ALLOWED_RECIPIENTS": "TEST_ACCEPT=accounts takes mail for ACCOUNTS only",
    "MP_SMTP_BIND_ADDR": "the port is 1025: publish it as another",
    "MP_UI_BIND_ADDR": "the port is 8025: publish it as another",
    "MP_WEBROOT": "the page is at /",
}
# What was closed must not be open because it is written in another way.
_CLOSES = {
    "MP_UI_TLS_CERT": "publish the port behind a proxy that has TLS, or unset it",
    "MP_UI_TLS_KEY": "publish the port behind a proxy that has TLS, or unset it",
    "MP_POP3_AUTH": "IMAP and POP3 take the logins of MP_SMTP_AUTH; unset it",
    "MP_POP3_AUTH_FILE": "IMAP and POP3 take the logins of MP_SMTP_AUTH; unset it",
}


def is_mailpits(name: str) -> bool:
    """Whether it is one that there cannot be, or that has no effect."""
    return name in _CLOSES or name in _INSTEAD or name in _IDLE or name.startswith(_SENDS_OUT)


def note_mailpit(
    environ: Mapping[str, str],
    known: Collection[str],
    problems: Problems,
    warnings: list[str],
) -> None:
    """known: the names that are read. What would send mail out, or open what was closed, is a
    mistake; of what else there is not, a warning.
    """
    read = {form for name in known for form in (name, f"{name}_FILE")}
    for name in sorted(environ):
        if not name.startswith("MP_") or name in read | _IDLE or not environ[name].strip():
            continue
        if name.startswith(_SENDS_OUT):
            problems.add(name, "the test target sends nothing out", f"unset {name}")
        elif name in _CLOSES:
            problems.add(name, "not supported", _CLOSES[name])
        elif name in _INSTEAD:
            warnings.append(f"{name}: without effect; {_INSTEAD[name]}")
        else:
            warnings.append(f"{name}: without effect in a test target")
