"""TestSettings → the files of a test target, below RUN.

It must not know the environment or what is in /data.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from pydantic import SecretStr

from entrypoint.config.ports import TEST_HTTP_PORT, TEST_SMTP_PORT, test_ports, to_text
from entrypoint.paths import DATA, LOGINS, LOGINS_SOCKET, PORTS, RUN, TARGET
from entrypoint.render import MASK, RenderedFile, login_table, template_environment
from entrypoint.test_mode.settings import PlainLogin, TestSettings
from entrypoint.test_target.settings import TargetSettings, TlsPair

TARGET_TLS = RUN / "target-tls"
TARGET_FOLDER = RUN / "target"
# A copy that the target may read, whatever the owner of the file that was mounted.
TARGET_ZONE = RUN / "zone"
DATABASE = DATA / "test/messages.sqlite"
BACKEND = ("127.0.0.1", 10025)
NAME_SERVER = "127.0.0.1"
# Docker's own, in a network with a name: it knows those of the other containers.
ENGINE_NAMES = "127.0.0.11"

# template, file below RUN, owner, group, mode
_TEMPLATES = (
    ("test/smtpd.conf.j2", "smtpd.conf", "root", "root", 0o600),
    ("test/supervisord.conf.j2", "supervisord.conf", "root", "root", 0o600),
    ("mailname.j2", "mailname", "root", "root", 0o644),
)
_ACCOUNTS = (("test/domains.j2", "tables/domains", "root", "opensmtpd", 0o640),)
_DOVECOT = (("test/dovecot.conf.j2", "dovecot/dovecot.conf", "root", "root", 0o644),)


def render(
    settings: TestSettings, version: str, *, engine_names: bool = False
) -> list[RenderedFile]:
    """Every file, with its secrets; plain passwords of SMTP must have been hashed before.

    engine_names: whether the container engine's name server is there.
    """
    return _render(settings, version, SecretStr.get_secret_value, engine_names=engine_names)


def render_masked(settings: TestSettings, version: str) -> list[RenderedFile]:
    """The same files with every secret masked, for a person to read."""
    return _render(settings, version, lambda secret: MASK)


def _render(
    settings: TestSettings,
    version: str,
    reveal: Callable[[SecretStr], str],
    *,
    engine_names: bool = False,
) -> list[RenderedFile]:
    environment = template_environment(reveal)
    files = [
        RenderedFile(
            RUN / name,
            environment.get_template(template).render(settings=settings),
            owner,
            group,
            mode,
        )
        for template, name, owner, group, mode in (
            *(_DOVECOT if settings.enable_imap else ()),
            *_TEMPLATES,
        )
    ]
    ports = test_ports(imap=settings.enable_imap, implicit_tls=settings.smtp_require_tls)
    files.append(RenderedFile(RUN / PORTS, to_text(ports), "root", "root", 0o644))
    if settings.accept == "accounts":
        known = json.dumps(address_table(settings), indent=1) + "\n"
        files.append(RenderedFile(RUN / "addresses.json", known, "root", "root", 0o644))
    if settings.right_logins:
        logins = json.dumps(login_table(settings.right_logins, reveal), indent=1) + "\n"
        files.append(RenderedFile(RUN / LOGINS, logins, "root", "target", 0o640))
    run = target_settings(settings, version, reveal, engine_names=engine_names)
    target = run.model_dump_json(indent=1) + "\n"
    files.append(RenderedFile(TARGET, target, "root", "target", 0o640))
    return files


def address_table(settings: TestSettings) -> dict[str, object]:
    """What `filters.addresses` reads: the accounts, and no alias."""
    return {
        "delimiter": settings.recipient_delimiter,
        "domains": list(settings.account_domains),
        "owners": {account.address: [account.address] for account in settings.accounts},
        "forwards": [],
        "senders": {},
    }


def target_settings(
    settings: TestSettings,
    version: str,
    reveal: Callable[[SecretStr], str],
    *,
    engine_names: bool = False,
) -> TargetSettings:
    """What the target's own process reads."""
    any_address = "::" if settings.host.ipv6 else "0.0.0.0"  # noqa: S104 -- ports are published
    return TargetSettings(
        hostname=settings.mail_hostname,
        http_address=any_address,
        http_port=TEST_HTTP_PORT,
        smtp_address=any_address,
        smtp_port=TEST_SMTP_PORT,
        smtp_tls=settings.smtp_tls,
        smtp_login_required=bool(settings.smtp_logins and not settings.smtp_accept_any),
        backend=BACKEND,
        database=str(DATABASE),
        keep_bytes=settings.keep,
        logins=str(RUN / LOGINS) if settings.right_logins else None,
        any_mailbox=settings.accept == "any",
        delimiter=settings.recipient_delimiter,
        zone_file=None if settings.zone_file is None else str(TARGET_ZONE),
        http_hosts=settings.http_hosts,
        http_cors=settings.http_cors,
        ui_logins=_plain(settings.ui_logins, reveal),
        send_logins=_plain(settings.send_logins, reveal) if settings.send_logins else None,
        webhook_url=None if settings.webhook_url is None else reveal(settings.webhook_url),
        webhook_limit=settings.webhook_limit,
        webhook_name_server=f"{ENGINE_NAMES}:53" if engine_names else None,
        mail_root=str(DATA / "mail"),
        tls=TlsPair(cert=str(TARGET_TLS / "cert.pem"), key=str(TARGET_TLS / "key.pem"))
        if settings.offers_starttls
        else None,
        capture_socket=str(TARGET_FOLDER / "capture"),
        logins_socket=str(LOGINS_SOCKET),
        name_server=f"{NAME_SERVER}:53",
        max_message_size=settings.message_size_limit,
        label=settings.label,
        version=version,
    )


def _plain(logins: tuple[PlainLogin, ...], reveal: Callable[[SecretStr], str]) -> dict[str, str]:
    return {each.name: reveal(each.password) for each in logins}
