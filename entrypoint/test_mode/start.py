"""The start of a test target: settings → folders → rendered files → smtpd -n → supervisor."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

from entrypoint import paths, render
from entrypoint.config.host import host_facts
from entrypoint.config.problems import ConfigurationError, DiskError
from entrypoint.disks import explained
from entrypoint.files import claim_tree, own_folder, write_file
from entrypoint.log import start_logging
from entrypoint.probe.new_login import make_probe_login
from entrypoint.resolv_conf import OURS, RESOLV_CONF, ask, servers_in
from entrypoint.supervise.become import become_supervisor
from entrypoint.test_mode import render as test_render
from entrypoint.test_mode.passwords import hashed
from entrypoint.test_mode.reading import load
from entrypoint.test_mode.settings import TestSettings
from entrypoint.tls.self_signed import self_signed
from entrypoint.tls.sources import self_signed_paths
from entrypoint.volume_format import mark_volumes
from entrypoint.volume_mode import claim_volumes

log = logging.getLogger(__name__)

USER = "target"
_ENGINE_COMMENT = f"# {test_render.ENGINE_NAMES} is asked for the webhook's host alone"


def start(environ: Mapping[str, str]) -> NoReturn:
    """Become the test target. Raises ConfigurationError."""
    settings, warnings = load(environ, host_facts())
    number = version("signpost")
    os.environ["TZ"] = settings.tz
    start_logging("signpost", settings.log_format, settings.log_level)
    log.warning(
        "signpost %s: TEST target %s: accepts all mail, sends nothing out, is for tests only",
        number,
        settings.mail_hostname,
    )
    for warning in warnings:
        log.warning("%s", warning)
    try:
        _prepare(settings, number)
    except OSError as error:
        raise DiskError([explained(error)]) from error
    render.check_syntax(paths.RUN / "smtpd.conf")
    become_supervisor(settings.log_format, settings.tz)


def _prepare(settings: TestSettings, number: str) -> None:
    # Before anything is written.
    claim_volumes("test")
    mark_volumes()
    own_folder(paths.SERVER_LOCK.parent, "root", "root", 0o755)
    engine_names = ask_ourselves()
    own_folder(paths.SPOOL / "purge", "opensmtpq", "root", 0o700)
    own_folder(paths.SPOOL / "filters", "root", "root", 0o711)
    _own(paths.SPOOL / "filters" / USER, 0o700)
    _own(test_render.DATABASE.parent, 0o700)
    _own(paths.DATA / "mail", 0o700)
    shutil.rmtree(paths.DOVECOT_RUN, ignore_errors=True)
    files = test_render.render(hashed(settings), number, engine_names=engine_names)
    render.write(files)
    for folder in (test_render.TARGET_FOLDER, test_render.TARGET_TLS, paths.RUN / "logins"):
        own_folder(folder, USER, USER, 0o750)
    if settings.zone_file is not None:
        zone = settings.zone_file.read_bytes()
        write_file(test_render.TARGET_ZONE, zone, "root", USER, 0o640)
    make_probe_login(imap=False)
    certificate, key = _pair(settings)
    render.write_certificate(paths.RUN, certificate, key)
    for name, content in (("cert.pem", certificate), ("key.pem", key)):
        write_file(test_render.TARGET_TLS / name, content, "root", USER, 0o640)


def _own(folder: Path, mode: int) -> None:
    """The target's, even if an image with other numbers for its users has written it."""
    claim_tree(folder, USER, USER)
    own_folder(folder, USER, USER, mode)


def _pair(settings: TestSettings) -> tuple[bytes, bytes]:
    """A certificate and its key, which stay the same as long as the volume does."""
    if settings.ssl_cert_path is not None and settings.ssl_key_path is not None:
        return settings.ssl_cert_path.read_bytes(), settings.ssl_key_path.read_bytes()
    made = self_signed_paths(paths.DATA / "test-certificates" / settings.mail_hostname)
    if not (made.certificate.exists() and made.key.exists()):
        own_folder(made.key.parent, "root", "root", 0o700)
        certificate, key = self_signed(settings.mail_hostname)
        write_file(made.key, key, "root", "root", 0o600)
        write_file(made.certificate, certificate, "root", "root", 0o644)
    return made.certificate.read_bytes(), made.key.read_bytes()


def ask_ourselves(path: Path = RESOLV_CONF, ours: Path = OURS) -> bool:
    """Make every program of the container ask the target's own name server, and no other.

    Whether the engine's own was named before; a comment tells the next start. Raises
    ConfigurationError where the file can be neither written nor is it so already.
    """
    try:
        text = path.read_text("utf-8", "replace")
        named = servers_in(text)
        engine_names = test_render.ENGINE_NAMES in named or _ENGINE_COMMENT in text.splitlines()
        comment = f"{_ENGINE_COMMENT}\n" if engine_names else ""
        ask([test_render.NAME_SERVER], comment, path, ours)
    except OSError as error:
        raise ConfigurationError(
            [
                f"{path}: cannot be written ({error.strerror}), nor {ours}, and names other name "
                f"servers than the test target's own, so that questions would leave the container; "
                f"start it with --dns {test_render.NAME_SERVER}, or with --tmpfs /run"
            ]
        ) from error
    return engine_names
