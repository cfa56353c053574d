"""The submission filter as the image starts it, in sessions that count as logins of `alice@`.

smtp-source neither logs in nor speaks TLS, without which smtpd takes no login; and without a login
the filter signs nothing. What it registers and what it does for a message is all that of a login.
"""

from __future__ import annotations

from typing import Any

from bench.testbed import PLAIN
from filters import submission
from filters.smtpd import FilterServer, Report, Session


def _log_in(session: Session | None, report: Report) -> None:
    if session is not None:
        session.user = PLAIN.sender


def main() -> None:
    as_it_is = submission.restrict

    def restrict(server: FilterServer, **parts: Any) -> None:
        server.register_handler("report", "link-greeting", _log_in)
        as_it_is(server, **parts)

    submission.restrict = restrict
    submission.main()


if __name__ == "__main__":
    main()
