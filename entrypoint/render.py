"""Settings → the files that smtpd, supervisor and the filters read.

Rendering is pure; writing is atomic and gives every file its one owner and mode. Templates get
the Settings and nothing else. It must not know the environment or what is in /data.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import SecretStr

from entrypoint.routes import routes_of
from entrypoint.settings import Settings

RUN = Path("/run/signpost")
MASK = "********"


@dataclass(frozen=True)
class RenderedFile:
    """One file below RUN. `mode` as for chmod."""

    path: Path
    content: str
    owner: str
    group: str
    mode: int


# template, file below RUN, owner, group, mode
_TEMPLATES = (
    ("smtpd.conf.j2", "smtpd.conf", "root", "root", 0o600),
    ("supervisord.conf.j2", "supervisord.conf", "root", "root", 0o600),
    ("mailname.j2", "mailname", "root", "root", 0o644),
    ("domains.j2", "tables/domains", "root", "opensmtpd", 0o640),
    ("virtuals.j2", "tables/virtuals", "root", "opensmtpd", 0o640),
    ("credentials.j2", "tables/credentials", "root", "opensmtpd", 0o640),
    ("relaysecrets.j2", "tables/relaysecrets", "root", "opensmtpd", 0o640),
    ("dkim-keys.j2", "dkim-keys", "root", "signer", 0o640),
)


def render(settings: Settings) -> list[RenderedFile]:
    """Every file, with its secrets; plain account passwords must have been hashed before."""
    return _render(settings, SecretStr.get_secret_value)


def render_masked(settings: Settings) -> list[RenderedFile]:
    """The same files with every secret masked, for a person to read."""
    return _render(settings, lambda secret: MASK)


def _render(settings: Settings, reveal: Callable[[SecretStr], str]) -> list[RenderedFile]:
    environment = Environment(
        loader=PackageLoader("templates", ""),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 -- no HTML; `quoted` is the escape of smtpd.conf
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"quoted": quoted, "reveal": reveal, "relay_url": relay_url}

    def text(template: str) -> str:
        return environment.get_template(template).render(settings=settings)

    files = [
        RenderedFile(RUN / name, text(template), owner, group, mode)
        for template, name, owner, group, mode in _TEMPLATES
    ]
    book = json.dumps(address_book(settings), indent=1) + "\n"
    # Both filters read it; it holds addresses and no secret.
    files.append(RenderedFile(RUN / "addresses.json", book, "root", "root", 0o644))
    if settings.doctor_every is not None:
        # The doctor that looks by itself has no environment to read; pydantic masks the secrets.
        dump = settings.model_dump_json(indent=1) + "\n"
        files.append(RenderedFile(RUN / "settings.json", dump, "root", "root", 0o600))
    return files


def quoted(text: str) -> str:
    """A string of smtpd.conf(5). Raises ValueError for what could end it."""
    if any(char in text for char in '"\\') or not text.isprintable():
        raise ValueError("a quote, a backslash or a control character in a quoted string")
    return f'"{text}"'


def relay_url(settings: Settings) -> str:
    """The relay host as smtpd.conf(5) wants it: `PROTOCOL://[LABEL@]HOST:PORT`."""
    host = str(settings.relay_host)
    if settings.relay_implicit_tls:
        protocol = "smtps"
    else:
        protocol = "smtp+notls" if settings.relay_tls == "no" else "smtp+tls"
    label = "relay@" if settings.relay_authenticated else ""
    return f"{protocol}://{label}{f'[{host}]' if ':' in host else host}:{settings.relay_port}"


def address_book(settings: Settings) -> dict[str, object]:
    """What `filters.addresses` reads: every address, the logins that its mail reaches, and
    the addresses whose mail goes to other domains, too.
    """
    routes = routes_of(settings)
    owners = {account.address: [account.address] for account in settings.accounts}
    for alias in settings.all_aliases:
        owners[alias.address] = sorted(routes.accounts_behind(_probe(alias.address)))
    return {
        "delimiter": settings.recipient_delimiter,
        "domains": list(settings.mail_names),
        "owners": owners,
        "forwards": sorted(entry for entry in owners if routes.leaves(_probe(entry))),
    }


def _probe(entry: str) -> str:
    """An address that the entry takes; nothing else takes that of a catch-all."""
    return f"*{entry}" if entry.startswith("@") else entry


def write(files: Iterable[RenderedFile], run: Path = RUN) -> None:
    """Replace every file atomically; a directory lets nobody but its owner list it."""
    for file in files:
        path = run / file.path.relative_to(RUN)
        for directory in (run, path.parent):
            directory.mkdir(mode=0o711, parents=True, exist_ok=True)
            directory.chmod(0o711)
        write_file(path, file.content.encode(), file.owner, file.group, file.mode)


def write_certificate(run: Path, certificate: bytes, key: bytes) -> None:
    """What smtpd serves: it refuses a key that is not root's alone, so it reads this copy."""
    folder = run / "tls"
    folder.mkdir(mode=0o700, exist_ok=True)
    write_file(folder / "cert.pem", certificate, "root", "root", 0o600)
    write_file(folder / "key.pem", key, "root", "root", 0o600)


def write_file(path: Path, content: bytes, owner: str, group: str, mode: int) -> None:
    """Write atomically: the file is never there with the wrong owner, mode or half its content."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)  # left by a start that was killed
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(mode)
        shutil.chown(temporary, owner, group)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
