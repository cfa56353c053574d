"""Is the clock right? No time server is asked: what is here must not lie in the future.

A clock that is behind shows itself, by files that were written later than now. One that is ahead
does not; it makes certificates look expired.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

from entrypoint.doctor.finding import Finding
from entrypoint.text import minute

# When this program was built: the clock cannot be before that.
BUILT = Path(__file__)
_SLACK = 120.0  # seconds
_MOST_FOLDERS = 2_000  # a look at each costs a call; mailboxes may be many


def check_clock(data: Path, spool: Path, now: float, built: Path = BUILT) -> Finding:
    """now: Unix time. A folder's time is that of the last file that came or went."""
    cure = "set the host's clock, and have it kept right by NTP (chrony, systemd-timesyncd)"
    for path, what in chain(
        [(built, "this program was built")],
        ((path, f"{path} was written") for path in _written(data, spool)),
    ):
        seen = _time_of(path)
        if seen is not None and seen > now + _SLACK:
            return Finding(
                "clock",
                None,
                "fail",
                f"the clock says {_utc(now)}, and {what} on {_utc(seen)}",
                cure,
            )
    return Finding("clock", None, "ok", f"{_utc(now)}, later than every file here")


def _written(data: Path, spool: Path) -> Iterator[Path]:
    folders = chain([data, data / "VERSION"], _below(spool), _mailboxes(data / "mail"))
    return islice(folders, _MOST_FOLDERS)


def _mailboxes(mail: Path) -> Iterator[Path]:
    """DOMAIN/USER/Maildir/new, where every delivery leaves the folder's time."""
    for domain in _below(mail):
        for user in _below(domain):
            yield user / "Maildir/new"


def _below(folder: Path) -> Iterable[Path]:
    try:
        return sorted(islice(folder.iterdir(), _MOST_FOLDERS))
    except OSError:
        return ()


def _time_of(path: Path) -> float | None:
    try:
        return path.lstat().st_mtime
    except OSError:
        return None


def _utc(seconds: float) -> str:
    return f"{minute(seconds)} UTC"
