"""The target process, put together: what listens, who tells whom, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import ssl
import sys
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from entrypoint.test_target.api.access import AccessRules, host_names
from entrypoint.test_target.api.app import ApiServer, make_app
from entrypoint.test_target.api.smtp_submission import SECONDS, SmtpSubmission
from entrypoint.test_target.api.target import Target
from entrypoint.test_target.api.webhook import Webhook
from entrypoint.test_target.capture_server import CaptureServer
from entrypoint.test_target.fault_table import FaultTable
from entrypoint.test_target.faults import Command
from entrypoint.test_target.front import Front
from entrypoint.test_target.front_session import FrontRules, FrontSession
from entrypoint.test_target.login_server import Credentials, CredentialServer
from entrypoint.test_target.page.routes import page_routes
from entrypoint.test_target.proxied_smtp import ProxiedSmtp
from entrypoint.test_target.receiving import Receiving
from entrypoint.test_target.settings import TargetSettings
from entrypoint.test_target.store.mailbox import Mailbox
from entrypoint.test_target.storing import Storing
from entrypoint.test_target.zone_server import ZoneServer
from entrypoint.test_target.zone_table import ZoneTable
from entrypoint.test_target.zone_text import read_zone
from filters.unix_socket import listen_at

log = logging.getLogger(__name__)

# Modes of sockets; their folders let nobody else come near.
_FILTERS = 0o660
_EVERYBODYS = 0o666  # smtpd's parent and Dovecot ask there: root without its capabilities

_BACKLOG = 1_024
_FAREWELL = 1.0  # seconds for requests and messages that are under way when it ends
_PROBE = 0.05  # seconds between two looks at smtpd's listener


class TargetProcess:
    """All parts of a running target."""

    def __init__(self, settings: TargetSettings) -> None:
        """Raises OSError and ValueError (ZoneError is one), each with words for the operator."""
        self._settings = settings
        self._credentials = Credentials(_path(settings.logins), any_mailbox=settings.any_mailbox)
        self._faults = FaultTable(self._announce)
        self._zones = ZoneTable(self._publish, _zone_file(settings.zone_file))
        self._mailbox = Mailbox(Path(settings.database), settings.keep_bytes or sys.maxsize)
        self._storing = Storing(self._mailbox)
        rules = FrontRules(
            accepts=self._credentials.are_right,
            tls=_tls(settings),
            implicit_tls=settings.smtp_tls == "implicit",
            needs_tls=settings.smtp_tls == "required",
            needs_login=settings.smtp_login_required,
            changed=self._client_changed,
            ended=self._client_ended,
            auth_fault=self._auth_fault,
        )
        self._front = Front(settings.backend, rules)
        self._listener = _listen(settings.http_address, settings.http_port)
        self._smtp_listener = _listen(settings.smtp_address, settings.smtp_port)
        self.http_port = self._listener.getsockname()[1]
        self.smtp_port = self._smtp_listener.getsockname()[1]
        self._ready = False
        self.target = Target(
            self._mailbox,
            # Behind the front: what it asks for, TLS or a login, is for those who come to it.
            SmtpSubmission(
                self._mailbox, partial(ProxiedSmtp, *settings.backend, "localhost", SECONDS)
            ),
            self._faults,
            self._zones,
            settings.version,
            ready=lambda: self._ready and self._capture.connected,
            label=settings.label,
        )
        self._receiving = Receiving(
            self._storing,
            self._faults,
            self._front.sessions,
            self._count_refused,
            hostname=settings.hostname,
            backend=settings.backend[1],
            front=self.smtp_port,
        )
        self._capture = CaptureServer(self._receiving.answer, self._state)
        self._names: ZoneServer | None = None

    # -- its life ----------------------------------------------------------------------------

    async def run(self) -> None:
        """Until SIGTERM. Raises OSError where something cannot listen."""
        settings = self._settings
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        api = ApiServer(make_app(self.target, _access(settings), page_routes()))
        background: list[asyncio.Task[None]] = [asyncio.create_task(self._become_ready())]
        if settings.mail_root is not None:
            background.append(asyncio.create_task(self._deliver(Path(settings.mail_root))))
        if settings.webhook_url:
            webhook = Webhook(
                self._mailbox,
                settings.webhook_url,
                limit=settings.webhook_limit,
                name_server=settings.webhook_name_server,
            )
            background.append(asyncio.create_task(webhook.run()))
        try:
            await self._capture.start(listen_at(Path(settings.capture_socket), _FILTERS))
            logins = await CredentialServer(self._credentials, settings.delimiter).start(
                listen_at(Path(settings.logins_socket), _EVERYBODYS)
            )
            if settings.name_server is not None:
                await self._serve_names(settings.name_server)
            front = await self._front.start(self._smtp_listener)
            serving = asyncio.create_task(api.serve(self._listener))
            await stop.wait()
            self._ready = False
            front.close()
            logins.close()
            self.target.waits.close()
            api.stop()
            await self._capture.close(_FAREWELL)
            await asyncio.wait([serving], timeout=_FAREWELL)
            serving.cancel()
        finally:
            for task in background:
                task.cancel()
            await asyncio.wait(background)
            self._close()

    def _close(self) -> None:
        self._receiving.close()
        if self._names is not None:
            self._names.close()
        self._credentials.close()
        self._mailbox.close()

    async def _deliver(self, root: Path) -> None:
        # Only here: it needs more libraries than the rest.
        from entrypoint.test_target.mailboxes.mailboxes import Mailboxes
        from entrypoint.test_target.mailboxes.metrics import mailbox_metrics

        mailboxes = Mailboxes(root, self._mailbox, self._settings.delimiter)
        self.target.collectors.append(partial(mailbox_metrics, mailboxes))
        await mailboxes.run()

    async def _serve_names(self, place: str) -> None:
        address, _, port = place.rpartition(":")
        self._names = ZoneServer(self._zones.served.everything, silent=False)
        try:
            await self._names.start(address.strip("[]"), int(port))
        except OSError as error:
            raise OSError(
                error.errno, f"the name server cannot listen at {place}: {error.strerror}"
            ) from error

    async def _become_ready(self) -> None:
        """Once mail is accepted: the filter is here, and smtpd listens behind the front."""
        await self._capture.came.wait()
        while True:
            if await self._smtpd_listens():
                break
            await asyncio.sleep(_PROBE)
        self._ready = True
        name = self._settings.hostname
        log.info(
            "signpost test target: accessible via http://%s:%d/ and smtp://%s:%d",
            *(name, self.http_port, name, self.smtp_port),
        )

    async def _smtpd_listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(*self._settings.backend)
        except OSError:
            return False
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True

    # -- what the filter has to know ---------------------------------------------------------

    def _state(self) -> Iterator[Mapping[str, Any]]:
        for run in ("", *self._zones.runs()):
            yield {"zone": run, "names": self._zones.get(run)}
        yield {"faults": self._faults.present, "front": self._settings.backend[1]}
        for session in self._front.sessions.values():
            if session.login or session.tls:
                yield _known_client(session)

    async def _announce(self, present: bool) -> None:
        await self._capture.tell({"faults": present})

    async def _publish(self, run: str, names: Mapping[str, Any] | None) -> None:
        await self._capture.tell({"zone": run, "names": names})

    async def _client_changed(self, session: FrontSession) -> None:
        await self._capture.tell(_known_client(session))

    def _client_ended(self, session: FrontSession) -> None:
        if session.login or session.tls:
            self._capture.mention({"client": session.client, "known": None})

    async def _auth_fault(self, session: FrontSession, login: str) -> str | None:
        if not self._faults.present:
            return None
        command = Command(phase="auth", client=session.client[0], login=login)
        step = self._faults.step_for(command, time.monotonic())
        if step is None:
            return None
        await asyncio.sleep(step.delay)
        if step.disconnect:
            session.cut()
        return step.reply

    def _count_refused(self) -> None:
        self.target.smtp.refused += 1


def _listen(address: str, port: int) -> socket.socket:
    """address: "::" is every one, of IPv4 as well, and of IPv4 alone on a machine without IPv6.

    Raises OSError that names the place.
    """
    try:
        if address == "::" and socket.has_dualstack_ipv6():
            return socket.create_server(
                (address, port),
                family=socket.AF_INET6,
                backlog=_BACKLOG,
                dualstack_ipv6=True,
                reuse_port=False,
            )
        place = "0.0.0.0" if address == "::" else address  # noqa: S104 -- as asked for
        family = socket.AF_INET6 if ":" in place else socket.AF_INET
        return socket.create_server((place, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise OSError(error.errno, f"port {port} of {address}: {error.strerror}") from error


def _known_client(session: FrontSession) -> Mapping[str, Any]:
    known = {"login": session.login, "tls": session.tls, "cipher": session.cipher}
    return {"client": session.client, "known": known}


def _access(settings: TargetSettings) -> AccessRules:
    return AccessRules(
        hosts=host_names(settings.http_hosts),
        origins=frozenset(settings.http_cors),
        logins=settings.ui_logins,
        send_logins=settings.send_logins,
    )


def _tls(settings: TargetSettings) -> ssl.SSLContext | None:
    if settings.tls is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.tls.cert, settings.tls.key)
    return context


def _path(text: str | None) -> Path | None:
    return Path(text) if text is not None else None


def _zone_file(name: str | None) -> Mapping[str, Any]:
    if name is None:
        return {}
    try:
        return read_zone(Path(name).read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
