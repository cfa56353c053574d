"""What lives in /data and outlasts a container: keys, certificates, secrets, mail, VERSION.

`ensure` makes what is missing and never touches what is there, except for owners and modes. It
returns the Settings completed with what the state knows: generated secrets and hashed passwords.
"""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import SecretStr

from entrypoint.accounts import store as mailboxes
from entrypoint.accounts.merge import merged
from entrypoint.accounts.stored import Stored
from entrypoint.completion import HashOf, completed, new_hash
from entrypoint.config.ineffective import ineffective_settings
from entrypoint.config.problems import ConfigurationError
from entrypoint.config.settings import Settings
from entrypoint.disks import explained, takes_nothing
from entrypoint.dkim_keys.key_files import KeyFiles
from entrypoint.dkim_keys.model import DomainKeys, Key
from entrypoint.dkim_keys.store import KeyStore
from entrypoint.files import own_folder, write_file
from entrypoint.log_line import LogLine, Say
from entrypoint.paths import DATA
from entrypoint.text import day
from entrypoint.tls.sources import ensure_self_signed, self_signed_paths
from filters.mailauth.dkim.signing_key import BadKey, SigningKey, load_signing_key

VERIFIER = "verifier"
DEMO_PASSWORD_FILE = "secrets/demo-password"  # noqa: S105 -- a file's name
_VERIFIERS = KeyFiles(VERIFIER)


def ensure(
    settings: Settings,
    version: str,
    data: Path = DATA,
    say: Say | None = None,
    hash_of: HashOf = new_hash,
) -> Settings:
    """Make everything that the settings need; the completed settings.

    say: hears what happened to DKIM keys and is no ordinary start, of kept
    accounts that do not fit, and of settings without effect. hash_of: of plain passwords.
    What exists already serves while the disk of /data takes nothing; `say` hears what is not
    done. Raises OSError where something is missing and cannot be written, ConfigurationError where
    a DKIM key or the file of accounts cannot be used.
    """

    def warn(text: str) -> None:
        if say is not None:
            say(LogLine("warning", text))

    own_folder(data, "root", "root", 0o755)
    own_folder(data / "mail", "vmail", "vmail", 0o700)
    for private in ("secrets", "tls"):
        own_folder(data / private, "root", "root", 0o700)
    ensure_keys(settings, data, say)
    try:
        ensure_self_signed(settings, data)
    except OSError as error:
        pair = self_signed_paths(data)
        if not takes_nothing(error) or not (pair.certificate.exists() and pair.key.exists()):
            raise
        warn(f"the self-signed certificate stays as it is: {explained(error)}")
    try:
        write_file(data / "VERSION", f"{version}\n".encode(), "root", "root", 0o644)
    except OSError as error:  # nothing depends on it
        if not takes_nothing(error):
            raise
        warn(explained(error))
    accounts = mailboxes.AccountStore(data / "accounts")
    accounts.prepare()
    return complete(settings, accounts.load(), data, say, hash_of)


def ensure_keys(settings: Settings, data: Path = DATA, say: Say | None = None) -> None:
    """The keys of DKIM and ARC alone; parameters and errors as for `ensure`."""
    own_folder(data, "root", "root", 0o755)
    for public in ("dkim", *(["arc"] if settings.arc_seal else [])):
        own_folder(data / public, "root", "root", 0o755)
    store = KeyStore(settings, data / "dkim")
    with store.locked():
        notes = store.reconcile(int(time.time()))
    notes = [note for note in notes if note.level != "info"]
    for note in (*notes, *(LogLine("warning", text) for text in store.undone)):
        if say is not None:
            say(note)
    if settings.arc_seal:
        path = _arc_key(settings, data)
        _VERIFIERS.folder(path.parent)
        _VERIFIERS.make(path, "rsa")
        _VERIFIERS.claim(path)


def lacks_keys(settings: Settings, data: Path = DATA) -> bool:
    """Has a domain no DKIM key yet, or the host no key for ARC? Raises ConfigurationError."""
    state = KeyStore(settings, data / "dkim").load()
    return any(
        not state.get(domain, DomainKeys()).signing for domain in settings.signing_domains
    ) or (settings.arc_seal and not _VERIFIERS.exists(_arc_key(settings, data)))


def complete(
    settings: Settings,
    stored: Stored,
    data: Path = DATA,
    say: Say | None = None,
    hash_of: HashOf = new_hash,
) -> Settings:
    """The settings with what /data has of keys, secrets, accounts and aliases.

    Nothing is made but a secret that is not there yet. stored: what the commands have written; say
    and hash_of as for `ensure`, but for DKIM keys. Raises OSError and ConfigurationError.
    """
    srs = settings.srs_secret or SecretStr(_kept(data / "secrets/srs", 40))
    demo_password = _kept(data / DEMO_PASSWORD_FILE, 20) if settings.demo else ""
    keys = KeyStore(settings, data / "dkim")
    whole = completed(
        settings,
        srs=srs,
        loops=_loop_key(data, say),
        demo_password=SecretStr(demo_password),
        signing=keys.signing(keys.load()),
        hash_of=hash_of,
    )
    accounts = mailboxes.AccountStore(data / "accounts")
    whole, unfit = merged(whole, stored)
    if say is not None:
        for problem in unfit:
            say(LogLine("warning", f"{accounts.path}: passed over: {problem}"))
        for problem in ineffective_settings(whole):
            say(LogLine("warning", problem))
    return whole


def signing_keys(settings: Settings, data: Path = DATA) -> list[SigningKey]:
    """The keys in use: those that sign for the domains, and ARC's.

    Raises ConfigurationError that names every bad one.
    """
    return [*_load(settings, data, ("signing",))[0], *_arc_keys(settings, data)]


def published_keys(
    settings: Settings, data: Path = DATA
) -> tuple[list[SigningKey], dict[tuple[str, str], str]]:
    """The keys whose records are to be published, and what those are for that do not sign, by
    domain and selector. Raises ConfigurationError that names every bad one.
    """
    keys, purposes = _load(settings, data, ("signing", "next", "old"))
    return [*keys, *_arc_keys(settings, data)], purposes


def _load(
    settings: Settings, data: Path, statuses: Sequence[str]
) -> tuple[list[SigningKey], dict[tuple[str, str], str]]:
    store = KeyStore(settings, data / "dkim")
    keys: list[SigningKey] = []
    purposes: dict[tuple[str, str], str] = {}
    errors: list[str] = []
    state = store.load()
    for domain in settings.signing_domains:
        of_domain = state.get(domain, DomainKeys())
        if not of_domain.signing:
            errors.append(
                f"{domain}: there is no DKIM key yet; start the server once (`docker compose up`)"
            )
        chosen = [key for status in statuses for key in of_domain.keys if key.status == status]
        for key in chosen:
            try:
                keys.append(store.read(domain, key))
            except ConfigurationError as error:
                errors += error.errors
            if key.status != "signing":
                purposes[domain, key.selector] = _purpose(key)
    if errors:
        raise ConfigurationError(errors)
    return keys, purposes


def _purpose(key: Key) -> str:
    if key.status == "next":
        return "the next DKIM key: mail is signed with it once every name server has this record"
    return f"an old DKIM key: keep the record until {day(key.until or 0)}"


def _arc_key(settings: Settings, data: Path) -> Path:
    return data / "arc" / settings.mail_hostname / f"{settings.arc_selector}.pem"


def _arc_keys(settings: Settings, data: Path) -> list[SigningKey]:
    if not settings.arc_seal:
        return []
    path = _arc_key(settings, data)
    try:
        pem = _VERIFIERS.read(path)
        return [load_signing_key(settings.mail_hostname, settings.arc_selector, pem)]
    except FileNotFoundError:
        problem = "there is no such key yet; start the server once (`docker compose up`)"
    except (OSError, BadKey) as error:
        problem = str(error)
    raise ConfigurationError([f"{path}: {problem}"])


def demo_password(data: Path = DATA) -> str:
    """The one secret that is ever shown."""
    return (data / DEMO_PASSWORD_FILE).read_text("ascii").strip()


def salt_key(data: Path = DATA) -> str | None:
    """What the salts of accounts are made of; None where the disk takes none."""
    try:
        return _kept(data / "secrets/salts", 40)
    except OSError as error:
        if not takes_nothing(error):
            raise
        return None


def pseudonym_key(data: Path = DATA) -> str:
    """What the pseudonyms of addresses are made with. Raises OSError."""
    return _kept(data / "secrets/pseudonyms", 40)


def _loop_key(data: Path, say: Say | None) -> SecretStr | None:
    """None where the disk takes nothing: mail goes on without the marks of mail loops."""
    try:
        return SecretStr(_kept(data / "secrets/loops", 40))
    except OSError as error:
        if not takes_nothing(error):
            raise
        if say is not None:
            say(LogLine("warning", f"mail loops are not recognized: {explained(error)}"))
        return None


def _kept(path: Path, length: int) -> str:
    """The secret in the file, or a new one of letters and digits that is kept there."""
    if not path.exists():
        alphabet = string.ascii_letters + string.digits
        made = "".join(secrets.choice(alphabet) for _ in range(length))
        write_file(path, f"{made}\n".encode(), "root", "root", 0o600)
    return path.read_text("ascii").strip()
