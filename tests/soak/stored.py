"""What is on a volume: each message of the mailboxes, or of the queue, a line of JSON.

    python3 -m tests.soak.stored RUN mailboxes|queue FOLDER

It runs in a container that has nothing but Python.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.soak.numbered import read

# What the server itself writes to an account, where a disk without room made its script fail.
NOTICE = b"\nSubject: Your Sieve script fails\n"


def in_mailboxes(run: str, data: Path) -> Iterator[tuple[object, ...]]:
    for maildir in (data / "mail").glob("*/*/Maildir"):
        address = f"{maildir.parent.name}@{maildir.parent.parent.name}"
        for path in (*maildir.glob("new/*"), *maildir.glob("cur/*"), *maildir.glob(".*/[nc]*/*")):
            folder = path.parent.parent.name.removeprefix(".").replace("Maildir", "INBOX")
            # Where the junk filter may put what would be in INBOX.
            folder = folder.replace("Junk", "INBOX")
            content = path.read_bytes()
            copy = read(run, content)
            if copy is None:
                kind = "notice" if NOTICE in content else "unknown"
                yield -1, f"{address}/{folder}", kind, False, path.stat().st_ctime
            else:
                kind = "bounce" if copy.bounce else "message"
                # What gave it its name; nobody flags anything here.
                changed = path.stat().st_ctime
                yield copy.number, f"{address}/{folder}", kind, copy.whole, changed


def in_queue(run: str, spool: Path) -> Iterator[tuple[object, ...]]:
    for folder in ("queue", "corrupt"):
        for path in (spool / folder).rglob("message"):
            copy = read(run, path.read_bytes())
            number = -1 if copy is None else copy.number
            yield number, folder, "queued", True, path.stat().st_ctime


if __name__ == "__main__":
    run_, what_, folder_ = sys.argv[1:]
    look = in_mailboxes if what_ == "mailboxes" else in_queue
    for found in look(run_, Path(folder_)):
        print(json.dumps(found))
