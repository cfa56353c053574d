"""The old server's folders → folders here: names, hierarchy, and those for special use.

Pure. A name that Dovecot would not take becomes one that it takes; none is left out for its name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from imapclient.imap_utf7 import decode, encode

from entrypoint.mailbox_import.responses import OldFolder

# RFC 6154, as `mailbox` in dovecot.conf.j2 has them.
_SPECIAL = {
    "\\sent": "Sent",
    "\\drafts": "Drafts",
    "\\trash": "Trash",
    "\\junk": "Junk",
    "\\archive": "Archive",
    "\\all": "Archive",
}
# What servers without special use call them, and mail programs there.
_USUAL = {
    "sent items": "Sent",
    "sent messages": "Sent",
    "sent mail": "Sent",
    "deleted items": "Trash",
    "deleted messages": "Trash",
    "junk e-mail": "Junk",
    "junk email": "Junk",
    "junk mail": "Junk",
    "spam": "Junk",
    "bulk mail": "Junk",
    "archives": "Archive",
}
_OURS = {name.lower(): name for name in _SPECIAL.values()}
_VIEWS = {
    "\\flagged": "it shows flagged messages of other folders",
    "\\important": "it shows important messages of other folders",
}
# A folder is one file's name of 255 bytes, in which `.` and `~` take three.
_LONGEST, _DEEPEST = 230, 16


@dataclass(frozen=True)
class Planned:
    """A folder there, and its name here. last: it has what is in others as well (Gmail's All Mail).

    skipped: why it is not brought; then it has no name here.
    """

    old: OldFolder
    there: str
    here: str = ""
    last: bool = False
    skipped: str = ""


def planned(folders: Sequence[OldFolder], prefix: bytes) -> list[Planned]:
    """Each folder that can hold messages, INBOX first, and in the server's order."""
    # A server that knows special use says which is which; names of others are just names then.
    known = {name for each in folders for flag, name in _SPECIAL.items() if flag in each.flags}
    found = [_planned(each, prefix, known) for each in folders if not _is_empty(each)]
    return sorted(found, key=lambda each: (each.last, each.here != "INBOX"))


def _is_empty(folder: OldFolder) -> bool:
    return bool({"\\noselect", "\\nonexistent"} & folder.flags)


def _planned(folder: OldFolder, prefix: bytes, known: set[str]) -> Planned:
    there = text_of(folder.name)
    for flag, why in _VIEWS.items():
        if flag in folder.flags:
            return Planned(folder, there, skipped=why)
    if folder.name.upper() == b"INBOX":
        return Planned(folder, there, "INBOX")
    for flag, name in _SPECIAL.items():
        if flag in folder.flags:
            return Planned(folder, there, name, last=flag == "\\all")
    return Planned(folder, there, _name_here(folder, prefix, known))


def text_of(name: bytes) -> str:
    """A name in IMAP's UTF-7; one that is not is taken as it stands."""
    try:
        text: str = decode(name)
        if encode(text) == name:
            return text
    except (ValueError, KeyError, IndexError):
        pass
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("latin-1")


def _name_here(folder: OldFolder, prefix: bytes, known: set[str]) -> str:
    name = folder.name
    if prefix and name.startswith(prefix):
        name = name[len(prefix) :] or name
    split = name.split(folder.delimiter.encode("latin-1")) if folder.delimiter else [name]
    parts = [_part(text_of(each)) for each in split if each]
    if not parts:
        parts = ["_"]
    if len(parts) == 1:
        lower = parts[0].lower()
        usual = _USUAL.get(lower)
        if usual is not None and usual not in known:
            return usual
        parts = [_OURS.get(lower, parts[0])]
    if parts[0].upper() == "INBOX":
        parts[0] = "INBOX"
        if len(parts) == 1:  # of another name there
            parts = ["INBOX_"]
    text = "/".join(parts)
    if len(parts) > _DEEPEST or _stored_size(text) > _LONGEST:
        mark = hashlib.sha256(folder.name).hexdigest()[:8]
        while _stored_size(parts[-1]) > _LONGEST - 20:
            parts[-1] = parts[-1][: len(parts[-1]) * 2 // 3]
        return f"{parts[-1]} {mark}"
    return text


def _part(text: str) -> str:
    """A name of one level; here `/` parts levels, and control characters are in none."""
    clean = re.sub(r"[\x00-\x1f\x7f-\x9f/\u2028\u2029\ud800-\udfff\ufffe\uffff]", "_", text)
    return clean if clean.strip(" ") else clean.replace(" ", "_")


def _stored_size(text: str) -> int:
    encoded: bytes = encode(text)
    return len(encoded) + 2 * sum(encoded.count(each) for each in (b".", b"~"))
