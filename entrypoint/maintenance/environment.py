"""The configuration's own variables, kept for the programs that run without an environment.

Secrets are among them: the file is root's alone, and lies where everything rendered does. Accounts
are kept with hashes, and their plain passwords nowhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from entrypoint.config.settings import Account, Settings
from entrypoint.config.variables import VARIABLES
from entrypoint.files import write_file
from entrypoint.paths import RUN

_NAME = "environment.json"
_ACCOUNTS = VARIABLES["accounts"].names[0]


def keep(environ: Mapping[str, str], settings: Settings, completed: Settings) -> None:
    """Keep what a later `read_environment` returns; see `worth_keeping`."""
    found = worth_keeping(environ, settings, completed)
    content = json.dumps(found, indent=1, sort_keys=True).encode("ascii")
    write_file(RUN / _NAME, content, "root", "root", 0o600)


def read_environment(run: Path = RUN) -> dict[str, str]:
    """The variables as they were when the container started. Raises OSError or ValueError."""
    found: dict[str, str] = json.loads((run / _NAME).read_text("ascii"))
    return found


def worth_keeping(
    environ: Mapping[str, str], settings: Settings, completed: Settings
) -> dict[str, str]:
    """The variables of Settings and their NAME_FILE forms; the accounts' passwords are hashes.

    settings: what the environment says. completed: the same with every password hashed.
    """
    names = [name for variable in VARIABLES.values() for name in variable.names]
    ours = {form for name in names for form in (name, f"{name}_FILE")}
    found = {name: value for name, value in environ.items() if name in ours}
    if found.get(_ACCOUNTS, "").strip():
        hashed = {account.address: account for account in completed.accounts}
        written = (_written(hashed[account.address]) for account in settings.accounts)
        found[_ACCOUNTS] = "".join(f"{line}\n" for line in written)
    return found


def _written(account: Account) -> str:
    """The account as an entry of ACCOUNTS."""
    size = {None: "", 0: ":quota=none"}.get(account.quota, f":quota={account.quota}")
    return f"{account.address}:{account.secret.get_secret_value()}{size}"
