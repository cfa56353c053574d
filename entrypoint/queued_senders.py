"""What an earlier version took into the queue with a sender that smtpd cannot rewrite (SRS).

In at the start, before smtpd: the queue's folder; out: what was changed, a line each. Such mail
gets the null sender, which is never rewritten: it arrives, and nobody hears of it if it cannot.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from filters.srs import can_rewrite

# An envelope's file bears its id. Beside it lies the message, which a stranger wrote.
_ENVELOPE = "[0-9a-f]" * 16


def clear_unrewritable(spool: Path) -> Iterator[str]:
    """Change the envelopes in the spool that are forwarded with such a sender; name each.

    A file that cannot be read or written stays as it is, and is named if it is one of them.
    """
    for path in sorted(spool.glob(f"queue/*/*/{_ENVELOPE}")):
        try:
            envelope = path.read_bytes()
        except OSError:
            continue
        sender = _unrewritable_sender(envelope)
        if sender is None:
            continue
        cause = f"queue: the sender of {path.name} cannot be rewritten (SRS): {sender}"
        try:
            _replace(path, envelope, spool / "temporary" / f"{path.name}.sender")
            yield f"{cause}; it leaves with the null sender"
        except OSError as error:
            yield f"{cause}; `signpost queue remove {path.name}`: {error.strerror}"


def _unrewritable_sender(envelope: bytes) -> str | None:
    fields = dict(
        line.split(": ", 1)
        for line in envelope.decode("ascii", "backslashreplace").split("\n")
        if ": " in line
    )
    sender, recipient = fields.get("sender", ""), fields.get("rcpt", "")
    forwarded = fields.get("type") == "mta" and recipient != fields.get("dest")
    if not forwarded or sender in ("", "@") or can_rewrite(sender, recipient.partition("@")[2]):
        return None
    return sender


def _replace(path: Path, envelope: bytes, temporary: Path) -> None:
    lines = envelope.split(b"\n")
    text = b"\n".join(b"sender: @" if line.startswith(b"sender: ") else line for line in lines)
    owner = path.stat()
    temporary.write_bytes(text)
    try:
        temporary.chmod(owner.st_mode & 0o777)
        os.chown(temporary, owner.st_uid, owner.st_gid)
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
