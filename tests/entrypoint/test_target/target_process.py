"""The API and an SMTP server over one mailbox, as a process of their own.

    python -m tests.entrypoint.test_target.target_process DATABASE [RULES as JSON]

Prints its ports as JSON when it serves.
"""

import asyncio
import contextlib
import json
import signal
import smtplib
import socket
import sys
from functools import partial
from pathlib import Path

from entrypoint.test_target.api.access import AccessRules, host_names
from entrypoint.test_target.api.app import ApiServer, make_app
from entrypoint.test_target.api.connection import PATIENCE
from entrypoint.test_target.api.smtp_submission import SmtpSubmission
from entrypoint.test_target.api.target import Target
from entrypoint.test_target.fault_table import FaultTable
from entrypoint.test_target.mailboxes.mailboxes import Mailboxes
from entrypoint.test_target.mailboxes.metrics import mailbox_metrics
from entrypoint.test_target.page.routes import page_routes
from entrypoint.test_target.store.mailbox import KEEP, Mailbox
from entrypoint.test_target.zone_table import ZoneTable
from tests.entrypoint.test_target.smtp_server import SmtpServer


def logins(text: str) -> dict[str, str]:
    """Of `user:password user2:password2`."""
    return {user: password for user, _, password in (e.partition(":") for e in text.split())}


async def main(path: str, options: dict[str, str]) -> None:
    mailbox = Mailbox(Path(path), int(options.get("keep", KEEP)))
    delivers = "mail" in options
    smtp = await asyncio.start_server(
        SmtpServer(mailbox, delivers).serve, "127.0.0.1", 0, limit=2**24
    )
    smtp_port = smtp.sockets[0].getsockname()[1]
    listener = socket.create_server(("127.0.0.1", 0))
    target = Target(
        mailbox,
        SmtpSubmission(mailbox, partial(smtplib.SMTP, "127.0.0.1", smtp_port, "localhost", 20)),
        FaultTable(),
        ZoneTable(),
        "0.1.0",
    )
    mailboxes = Mailboxes(Path(options["mail"]), mailbox) if delivers else None
    if mailboxes is not None:
        target.collectors.append(partial(mailbox_metrics, mailboxes))
    rules = AccessRules(
        hosts=host_names(options.get("hosts", "").split()),
        origins=frozenset(options.get("origins", "").split()),
        logins=logins(options.get("logins", "")),
        send_logins=logins(options["send"]) if "send" in options else None,
    )
    ports = {"http": listener.getsockname()[1], "smtp": smtp_port}
    print(json.dumps(ports), flush=True)
    app = make_app(target, rules, page_routes())
    server = ApiServer(app, float(options.get("patience", PATIENCE)))

    def stop() -> None:
        target.waits.close()
        server.stop()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
    delivering = asyncio.create_task(mailboxes.run()) if mailboxes is not None else None
    await server.serve(listener)
    smtp.close()
    if delivering is not None:
        delivering.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await delivering
    mailbox.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}))
