"""Mail that Dovecot cannot read, since it is another user's, and that could not be taken over.

`entrypoint.maintenance.mail_owners` writes the file. It must not know how health is shown.
"""

from __future__ import annotations

import json
from pathlib import Path

from entrypoint.paths import LEFT_MAIL


def left_mail(path: Path = LEFT_MAIL) -> list[str]:
    """What is wrong, a line for each mailbox. A file that is not there is good."""
    try:
        return [str(text) for text in json.loads(path.read_bytes())]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError):
        return [f"{path}: it cannot be understood"]
