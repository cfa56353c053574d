"""Names of folders in IMAP ↔ names of directories in a Maildir, as dovecot.conf has them.

`mailbox_list_layout = maildir++`, separator `/`, escape character DEL: the folder `lists/v1.2` is
the directory `.lists.v1\\x7f2e2`.
"""

from __future__ import annotations

import base64
import re

from entrypoint.test_target.mailboxes.maildir import is_text

JUNK = "Junk"
# `auto = subscribe` in dovecot.conf: those that Dovecot makes when something is for them.
_MADE_WHEN_ASKED = frozenset({"Junk", "Archive"})
# Sieve's own word in subaddress.sieve: nobody plants a draft.
_CLOSED = frozenset({"Drafts", "Sent", "Trash"})
_OTHER_LETTERS = re.compile("[^ -~]+")
_ESCAPED = re.compile("[.\x7f]|^~")
_LONGEST = 255  # bytes of a directory's name


def directory_of(folder: str) -> str | None:
    """Below the Maildir; "" is INBOX. None: there is no such folder's name."""
    if folder.upper() == "INBOX":
        return ""
    parts = folder.split("/")
    if not all(parts) or "\0" in folder or not is_text(folder):
        return None
    name = "".join("." + _ESCAPED.sub(_hexadecimal, _utf7(part)) for part in parts)
    return name if len(name) <= _LONGEST else None


def takes_tagged_mail(folder: str) -> bool:
    """Whether subaddress.sieve files into it, if it is there."""
    return folder not in _CLOSED


def is_made_when_asked(folder: str) -> bool:
    """Whether it need not be there yet."""
    return folder in _MADE_WHEN_ASKED


def _hexadecimal(match: re.Match[str]) -> str:
    return f"\x7f{ord(match[0]):02x}"


def _utf7(text: str) -> str:
    """RFC 3501, 5.1.3."""
    return _OTHER_LETTERS.sub(_shifted, text.replace("&", "&-"))


def _shifted(match: re.Match[str]) -> str:
    letters = base64.b64encode(match[0].encode("utf-16-be")).decode().rstrip("=")
    return f"&{letters.replace('/', ',')}-"
