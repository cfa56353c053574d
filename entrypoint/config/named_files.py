"""The files outside of our own folders that the variables name: secrets, certificates, programs.

It must not know what is in them.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from entrypoint.config.settings import Settings
from entrypoint.config.variables import VARIABLES


def named_files(environ: Mapping[str, str], settings: Settings) -> dict[Path, list[str]]:
    """By path, the variables that name it."""
    found: dict[Path, list[str]] = {}
    for name, path in _named(environ, settings):
        names = found.setdefault(Path(path), [])
        if name not in names:
            names.append(name)
    return found


def _named(environ: Mapping[str, str], settings: Settings) -> Iterator[tuple[str, str | Path]]:
    for variable in VARIABLES.values():
        for form in (f"{name}_FILE" for name in variable.names):
            if path := environ.get(form, "").strip():
                yield form, path
    for field in ("ssl_cert_path", "ssl_key_path", "acme_ca_file"):
        path = getattr(settings, field)
        if path is not None:
            yield VARIABLES[field].names[0], path
    for key in settings.dkim_keys:
        yield "DKIM_KEYS", key.path
    commands = {
        "EXTRA_FILTERS_INBOUND": settings.extra_filters_inbound,
        "EXTRA_FILTERS_SUBMISSION": settings.extra_filters_submission,
        "ACME_DNS_HOOK": (settings.acme_dns_hook,) if settings.acme_dns_hook else (),
    }
    for name, written in commands.items():
        for command in written:
            yield name, _program(command)


def _program(command: str) -> str:
    try:
        return shlex.split(command)[0]
    except (ValueError, IndexError):  # smtpd's shell may read it in another way
        return command.split()[0]
