"""Settings → the files that smtpd, supervisor and the filters read.

Rendering is pure; writing is atomic and gives every file its one owner and mode. Templates get
the Settings and nothing else. It must not know the environment or what is in /data.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from entrypoint.accounts.login_spellings import spellings
from entrypoint.config.expansion import LISTS, Expansions
from entrypoint.config.ports import served_ports, to_text
from entrypoint.config.problems import ConfigurationError
from entrypoint.config.routes import routes_of
from entrypoint.config.settings import Account, Settings
from entrypoint.files import write_file
from entrypoint.paths import DKIM_KEYS, LOGINS, PORTS, RUN, WEB
from entrypoint.web.published import site_of
from filters.credentials import LoginTable

if TYPE_CHECKING:
    from jinja2 import Environment

MASK = "********"
VIRTUALS = "tables/virtuals"


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
    ("virtuals.j2", VIRTUALS, "root", "opensmtpd", 0o640),
    # Whoever delivers as vmail reads it; it holds no secret.
    ("mailboxes.j2", "mailboxes", "root", "root", 0o644),
    ("relaysecrets.j2", "tables/relaysecrets", "root", "opensmtpd", 0o640),
    ("dkim-keys.j2", DKIM_KEYS, "root", "signer", 0o640),
)
# Who delivers, and the two filters: each has the key in a file of its own.
_KNOW_LOOPS = ("vmail", "verifier", "signer")
_DOVECOT = (
    ("dovecot-users.j2", "dovecot/users", "root", "dovecot", 0o640),
    ("dovecot-spellings.j2", "dovecot/spellings", "root", "dovecot", 0o640),
    ("dovecot.conf.j2", "dovecot/dovecot.conf", "root", "root", 0o644),
)


def render(settings: Settings) -> list[RenderedFile]:
    """Every file, with its secrets; plain account passwords must have been hashed before."""
    return _render(settings, SecretStr.get_secret_value)


def render_dkim_keys(settings: Settings) -> RenderedFile:
    """The one file that changes while the server runs: which keys sign."""
    (found,) = (each for each in _TEMPLATES if each[1] == DKIM_KEYS)
    template, name, owner, group, mode = found
    text = (
        template_environment(SecretStr.get_secret_value)
        .get_template(template)
        .render(settings=settings)
    )
    return RenderedFile(RUN / name, text, owner, group, mode)


def render_masked(settings: Settings) -> list[RenderedFile]:
    """The same files with every secret masked, for a person to read."""
    return _render(settings, lambda secret: MASK)


def template_environment(reveal: Callable[[SecretStr], str]) -> Environment:
    """What renders any template; `reveal` says how a secret is written."""
    # Maintenance renders in a child process, and needs no template engine for as long as it runs.
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=PackageLoader("templates", ""),
        undefined=StrictUndefined,
        # What is not HTML: `quoted` is the escape of smtpd.conf.
        autoescape=select_autoescape(("html.j2",), default=False),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "quoted": quoted,
        "reveal": reveal,
        "relay_url": relay_url,
        "dovecot_size": dovecot_size,
        "spellings": spellings,
    }
    return environment


def _render(settings: Settings, reveal: Callable[[SecretStr], str]) -> list[RenderedFile]:
    environment = template_environment(reveal)
    expansions = Expansions(routes_of(settings))
    environment.filters["virtuals"] = lambda _settings: expansions.table

    def text(template: str) -> str:
        return environment.get_template(template).render(settings=settings)

    files = [
        RenderedFile(RUN / name, content, "root", "opensmtpd", 0o640)
        for name, content in expansions.files.items()
    ]
    # Dovecot's first: smtpd knows nobody whom it does not know.
    files += [
        RenderedFile(RUN / name, text(template), owner, group, mode)
        for template, name, owner, group, mode in (
            *(_DOVECOT if settings.enable_imap else ()),
            *_TEMPLATES,
        )
    ]
    addresses = json.dumps(address_table(settings, expansions), indent=1) + "\n"
    # Both filters read it; it holds addresses and no secret.
    files.append(RenderedFile(RUN / "addresses.json", addresses, "root", "root", 0o644))
    if settings.srs_secret is not None:
        # It finds the senders that smtpd has rewritten with it.
        secret = f"{reveal(settings.srs_secret)}\n"
        files.append(RenderedFile(RUN / "srs-secret", secret, "root", "verifier", 0o640))
    ports = to_text(served_ports(imap=settings.enable_imap, pop3=settings.enable_pop3))
    files.append(RenderedFile(RUN / PORTS, ports, "root", "root", 0o644))
    if settings.serves_web:
        site = site_of(settings).to_json()
        files.append(RenderedFile(WEB / "site.json", site, "root", "root", 0o644))
        if settings.enable_autoconfig:
            from entrypoint.web import setup_page  # the web service's, which speaks HTTP

            page = text("client-setup.html.j2")
            files.append(RenderedFile(WEB / setup_page.NAME, page, "root", "root", 0o644))
    if settings.loop_key is not None:
        key = reveal(settings.loop_key) + "\n"
        files += [
            RenderedFile(RUN / f"marks/{user}", key, user, user, 0o400) for user in _KNOW_LOOPS
        ]
    logins = json.dumps(login_table(settings.accounts, reveal), indent=1) + "\n"
    files.append(RenderedFile(RUN / LOGINS, logins, "root", "logins", 0o640))
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


def dovecot_size(size: int | None) -> str:
    """Bytes as Dovecot reads them; None and 0 are no limit."""
    return f"{size}B" if size else "unlimited"


def relay_url(settings: Settings) -> str:
    """The relay host as smtpd.conf(5) wants it: `PROTOCOL://[LABEL@]HOST:PORT`."""
    host = str(settings.relay_host)
    if settings.relay_implicit_tls:
        protocol = "smtps"
    else:
        protocol = "smtp+notls" if settings.relay_tls == "no" else "smtp+tls"
    label = "relay@" if settings.relay_authenticated else ""
    return f"{protocol}://{label}{f'[{host}]' if ':' in host else host}:{settings.relay_port}"


def address_table(settings: Settings, expansions: Expansions) -> dict[str, object]:
    """What `filters.addresses` reads: every address, the logins that it belongs to, and
    the addresses whose mail goes to other domains, too.
    """
    found = expansions.by_entry
    return {
        "delimiter": settings.recipient_delimiter,
        "domains": list(settings.mail_names),
        "owners": {entry: sorted(each.owners) for entry, each in found.items()},
        "forwards": sorted(entry for entry, each in found.items() if each.leaves),
        "senders": {each.account: list(each.addresses) for each in settings.send_as},
    }


def login_table(
    accounts: Iterable[Account], reveal: Callable[[SecretStr], str]
) -> dict[str, object]:
    """What `filters.credentials` reads: every account's hashes, its own without a name."""
    return {
        "logins": {
            account.address: {
                "hashes": [
                    {"name": "", "hash": reveal(account.secret)},
                    *(
                        {"name": each.name, "hash": reveal(each.hash)}
                        for each in account.app_passwords
                    ),
                ]
            }
            for account in accounts
        }
    }


def rendered_hashes(run: Path = RUN) -> dict[str, str]:
    """The hashes of accounts' own passwords as they were rendered last, by address."""
    try:
        logins = LoginTable.from_json((run / LOGINS).read_text("utf-8")).logins
    except (OSError, ValueError):
        return {}
    return {
        login.decode(): each.hash.decode("ascii")
        for login, passwords in logins.items()
        for each in passwords
        if not each.name
    }


def write(files: Iterable[RenderedFile], run: Path = RUN) -> None:
    """Replace every file atomically; a directory lets nobody but its owner list it."""
    for file in files:
        path = run / file.path.relative_to(RUN)
        for directory in (run, path.parent):
            directory.mkdir(mode=0o711, parents=True, exist_ok=True)
            directory.chmod(0o711)
        write_file(path, file.content.encode(), file.owner, file.group, file.mode)


def remove_unused_lists(run: Path = RUN) -> None:
    """Remove the lists that smtpd's table names no longer, once smtpd has the table."""
    with suppress(OSError):  # it takes some room, no more
        table = (run / VIRTUALS).read_text("utf-8")
        for path in (run / LISTS).glob("*"):
            if path.name not in table:
                path.unlink()


def write_certificate(run: Path, certificate: bytes, key: bytes) -> None:
    """What is served. smtpd refuses a key that is not root's alone, so it reads this copy."""
    folder = run / "tls"
    folder.mkdir(mode=0o700, exist_ok=True)
    write_file(folder / "cert.pem", certificate, "root", "root", 0o600)
    write_file(folder / "key.pem", key, "root", "root", 0o600)
    if (run / WEB.name).is_dir():
        # The web service can read no file of root's, and must never read half a change: one file.
        pair = key + b"\n" + certificate
        write_file(run / WEB.name / "pair.pem", pair, "root", "web", 0o640)


def check_syntax(path: Path) -> None:
    """Raises ConfigurationError with smtpd's own words."""
    done = subprocess.run(  # noqa: S603 -- a fixed program on a file of ours
        ["/usr/sbin/smtpd", "-n", "-f", str(path)], capture_output=True, check=False
    )
    if done.returncode:
        said = (done.stderr + done.stdout).decode("utf-8", "backslashreplace").strip()
        raise ConfigurationError([f"smtpd refuses {path}: {line}" for line in said.splitlines()])
