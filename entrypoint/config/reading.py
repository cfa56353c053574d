"""Which variables are set, and what each says: its value, or the content of its X_FILE.

Each is parsed field by field, and what breaks a rule is noted. It must not know the fields, nor
what a value means.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from entrypoint.config.problems import BrokenRuleError, Problems
from entrypoint.config.settings import Variable

_LARGEST_FILE = 4 * 1024**2  # bytes
_CLOSE = 0.8  # difflib's ratio

# NAME_PORT, which Kubernetes sets for each service of the namespace, and Docker for a --link.
_LINK = re.compile(r"(?:tcp|udp|sctp)://\S+")
# How the names of all that is set for such a service go on.
_LINKED = re.compile(
    r"_(?:PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)(?:_[A-Z]+)?)?|SERVICE_(?:HOST|PORT(?:_[A-Z0-9_]+)?))"
)

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
    links = _service_links(environ)
    for field, variable in variables.items():
        forms = [form for name in variable.names for form in (name, f"{name}_FILE")]
        present = [form for form in forms if environ.get(form, "").strip()]
        for name in links.intersection(present):
            problems.add(
                name,
                "the address of another service, which Kubernetes or Docker has set by its name",
                "set enableServiceLinks: false for the pod, or rename that service",
                environ[name],
            )
            present.remove(name)
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
    for name in sorted(set(environ) - set(known) - _ORDINARY - _service_links(environ)):
        upper = name.upper()
        close = difflib.get_close_matches(upper, known, n=1, cutoff=_CLOSE)
        if close and re.fullmatch(r"[A-Za-z0-9_-]+", name):
            problems.add(name, "unknown variable", f"did you mean {close[0]}?")


def _service_links(environ: Mapping[str, str]) -> frozenset[str]:
    """The variables that tell of other services, not of this one."""
    services = [
        name.removesuffix("_PORT")
        for name, value in environ.items()
        if name.endswith("_PORT") and _LINK.fullmatch(value)
    ]
    return frozenset(
        name
        for service in services
        for name in environ
        if name.startswith(service) and _LINKED.fullmatch(name[len(service) :])
    )


def is_quoted(text: str) -> bool:
    """Does it stand in quotes that nobody has taken off?"""
    return len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"


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


T = TypeVar("T")


class Reading:
    """The values by field, each taken as one text, as a secret or as it is."""

    def __init__(self, given: Mapping[str, Given | None], problems: Problems) -> None:
        self._given = given
        self.problems = problems

    def is_set(self, field: str) -> bool:
        """Is the variable set, be its value right or wrong?"""
        return field in self._given

    def raw(self, field: str) -> Given | None:
        """The value just as it was written; None where it is unset or could not be read."""
        return self._given.get(field)

    def note_quotes(self, environ: Mapping[str, str]) -> None:
        """Note the quotes around each value that is wrong: they are mostly why."""
        texts = dict(environ) | {each.name: each.text for each in self._given.values() if each}
        for name in sorted({line.partition(":")[0] for line in self.problems.lines}):
            if is_quoted(texts.get(name, "").strip()):
                self.problems.add(
                    name,
                    "the value begins and ends with a quote",
                    "take both out: Compose does that in .env, docker run --env-file does not",
                )

    def value(self, field: str, parse: Callable[[str], T]) -> T | None:
        """The value parsed, without white space around it; None if unset or, noted, wrong."""
        given = self.raw(field)
        if given is None:
            return None
        text = given.text.strip()
        try:
            return parse(text)
        except BrokenRuleError as error:
            self.problems.broken(given.name, error, text)
            return None

    def secret(self, field: str, parse: Callable[[str], T]) -> T | None:
        """The same for a secret: only newlines at its end are taken off, and it is never shown."""
        given = self.raw(field)
        if given is None:
            return None
        try:
            return parse(re.sub(r"(\r?\n)+\Z", "", given.text))
        except BrokenRuleError as error:
            self.problems.broken(given.name, error)
            return None

    def each(self, field: str, words: list[str], parse: Callable[[str], T]) -> tuple[T, ...] | None:
        """The words of a list parsed; None where one of them, noted, is wrong or comes twice."""
        given = self.raw(field)
        if given is None:
            return None
        before = len(self.problems.lines)
        found: list[T] = []
        for word in words:
            try:
                value = parse(word)
            except BrokenRuleError as error:
                self.problems.broken(given.name, error, word)
                continue
            if value in found:
                self.problems.add(given.name, "duplicate value", "take one of the two out", word)
            found.append(value)
        if not words:
            self.problems.add(given.name, "an empty list", "write a value, or unset it", given.text)
        return tuple(found) if len(self.problems.lines) == before else None

    def note(self, field: str, rule: str, cure: str, value: str | None = None) -> None:
        """Note a mistake of a variable that is set, by the name that it was set by."""
        given = self.raw(field)
        self.problems.add(given.name if given else field.upper(), rule, cure, value)
