"""Says once when mail is accepted, and ends: `python -m entrypoint.supervise.readiness FORM`.

A process of its own: TLS is in memory only for as long as this asks. FORM is the log's.
"""

from __future__ import annotations

import logging
import os
import sys
import time

from entrypoint.config.ports import port_numbers, rendered_ports
from entrypoint.log import start_logging
from entrypoint.paths import PORTS, RUN

log = logging.getLogger(__name__)

_WITHIN = 60.0  # seconds
_ASKS_EVERY = 0.05


def main() -> None:
    """Wait until every port greets and logins can be checked, or the server is gone."""
    from entrypoint.probe.ready import is_ready  # TLS, which supervisor's process does without

    start_logging("signpost", sys.argv[1])
    server = os.getppid()
    ports = rendered_ports(RUN / PORTS)
    smtp = [port for port in ports if port.protocol == "smtp"]
    ports_text = f"mail is accepted on the ports {port_numbers(smtp)}"
    mailboxes = [port for port in ports if port.protocol != "smtp"]
    if mailboxes:
        ports_text += f", and read on {port_numbers(mailboxes)}"
    deadline = time.monotonic() + _WITHIN
    while time.monotonic() < deadline and os.getppid() == server:
        if is_ready([*mailboxes, *smtp]):  # smtpd logs whoever connects
            log.info("signpost ready: %s", ports_text)
            return
        time.sleep(_ASKS_EVERY)


if __name__ == "__main__":
    main()
