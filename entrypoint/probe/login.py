"""The login that the health check has: made anew at each start, and nobody's account.

It has no address, no mailbox and no place in any list. Its name has no `@`, so that no account can
have it, and nobody can guess it. It lies in memory (/run), for root alone; filters.logins gets the
digest of its password, and Dovecot its name and an empty home.

mark: what the probes say first in each SMTP session, so that the log can leave those out. Who does
not know it cannot have a session left out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from entrypoint.paths import RUN

LOGIN = RUN / "probe-login.json"


@dataclass(frozen=True)
class ProbeLogin:
    """Name, password and mark, all of them words of ASCII letters, digits and `-`."""

    name: str
    password: str
    mark: str

    @classmethod
    def read(cls, path: Path = LOGIN) -> ProbeLogin:
        """Raises OSError or ValueError."""
        try:
            found = json.loads(path.read_text("ascii"))
            return cls(found["name"], found["password"], found["mark"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path}: no login of the health check: {error!r}") from error
