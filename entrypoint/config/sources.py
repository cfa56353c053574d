"""Which variables are set, and what each says: the value itself or the content of its X_FILE.

It must not know what a value means. It reads the mapping that it is given and the files that X_FILE
variables name.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from entrypoint.config.problems import BrokenRuleError, Problems
from entrypoint.config.settings import Variable

_LARGEST_FILE = 4 * 1024**2  # bytes
_CLOSE = 0.8  # difflib's ratio

# Variables that look like ours and belong to others: shells, OpenSSL, Debian, container engines.
_ORDINARY = frozenset(
    {"HOME", "HOSTNAME", "HOSTTYPE", "LANG", "LANGUAGE", "LOGNAME", "MAIL", "MAILCHECK"}
    | {"MAILPATH", "OLDPWD", "OSTYPE", "PATH", "PWD", "SHELL", "SHLVL", "SSL_CERT_DIR"}
    | {"SSL_CERT_FILE", "TERM", "TMPDIR", "TZDIR", "USER", "container"}
)


@dataclass(frozen=True)
class Given:
    """A value and the variable that a person set, such as RELAYHOST or DOMAINS_FILE."""

    name: str
    text: str


def gather(
    environ: Mapping[str, str], variables: Mapping[str, Variable], problems: Problems
) -> dict[str, Given | None]:
    """The values that are set, by the name of their field in Settings. Empty ones count as unset.

    A variable of which two forms are set, or whose file cannot be read, is noted as a mistake; it
    is set, and its value is None.
    """
    found: dict[str, Given | None] = {}
    for field, variable in variables.items():
        forms = [form for name in variable.names for form in (name, f"{name}_FILE")]
        present = [form for form in forms if environ.get(form, "").strip()]
        if len(present) > 1:
            problems.add(
                " and ".join(present), "set together, and they mean the same", "keep one of them"
            )
            found[field] = None
        elif present:
            name = present[0]
            read = _decoded if name in variable.names else _content
            try:
                found[field] = Given(name, read(environ[name]))
            except BrokenRuleError as error:
                # A path is no secret, but a person may have written the secret in its place.
                hidden = variable.secret or read is _decoded
                problems.broken(name, error, None if hidden else environ[name])
                found[field] = None
    return found


def note_unknown(
    environ: Mapping[str, str], variables: Mapping[str, Variable], problems: Problems
) -> None:
    """Note each variable that is none of ours but is spelt almost like one."""
    names = [name for variable in variables.values() for name in variable.names]
    known = names + [f"{name}_FILE" for name in names]
    for name in sorted(set(environ) - set(known) - _ORDINARY):
        upper = name.upper()
        close = difflib.get_close_matches(upper, known, n=1, cutoff=_CLOSE)
        if close and re.fullmatch(r"[A-Za-z0-9_-]+", name):
            problems.add(name, "unknown variable", f"did you mean {close[0]}?")


def _decoded(text: str) -> str:
    try:
        text.encode()  # os.environ keeps bytes that are not UTF-8 as lone surrogates
    except UnicodeEncodeError:
        raise BrokenRuleError("the value is not UTF-8", "write it in UTF-8") from None
    return text


def _content(path: str) -> str:
    file = Path(path.strip())
    try:
        if not file.is_file():
            raise BrokenRuleError("no such file", "mount it, or correct the path")
        with file.open("rb") as opened:
            content = opened.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise BrokenRuleError(
            f"the file cannot be read ({error.strerror})", "mount it so that root can read it"
        ) from None
    if len(content) > _LARGEST_FILE:
        raise BrokenRuleError("the file is larger than 4 MiB", "name another file")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BrokenRuleError("the file is not UTF-8", "save it as UTF-8 text") from None
    if not text.strip():
        raise BrokenRuleError("the file is empty", "write the value into it, or unset this")
    return text
