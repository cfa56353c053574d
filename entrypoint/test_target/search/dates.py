"""Dates as people write them in `after:` and `before:` → milliseconds since 1970."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORMS = (
    *("%Y", "%Y-%m", "%Y/%m", "%Y/%m/%d", "%Y.%m.%d", "%m/%d/%Y", "%d.%m.%Y", "%Y%m%d"),
    *("%d %b %Y", "%d %B %Y", "%b %d %Y", "%B %d %Y", "%b %d, %Y", "%B %d, %Y"),
    *("%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S"),
    *("%d %b %Y %H:%M", "%d %b %Y %H:%M:%S", "%b %d %Y %H:%M", "%b %d %Y %H:%M:%S"),
)
_NUMBER = re.compile(r"\d{10}(?:\d{3})?\Z")
_ISO = re.compile(r"\d{4}-\d{1,2}-\d{1,2}(?:[T ].*)?\Z", re.IGNORECASE | re.DOTALL)
_SHORT = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")


def time_zone(name: str) -> tzinfo | None:
    """An IANA name's zone; None, the server's own, if there is none of that name."""
    try:
        return ZoneInfo(name) if name else None
    except (ValueError, OSError, KeyError):
        return None


def parse_moment(text: str, zone: tzinfo | None) -> int | None:
    """None if it is no date. zone: of dates that name none. Ten digits are seconds, 13 are ms."""
    text = text.strip()
    if _NUMBER.match(text) and text.isascii():
        return int(text) * (1 if len(text) == 13 else 1000)
    date = _date(text)
    if date is None:
        return None
    try:
        if date.tzinfo is None:
            date = date.replace(tzinfo=zone) if zone else date.astimezone()
        return (date - _EPOCH) // timedelta(milliseconds=1)
    except (OverflowError, ValueError, OSError):
        return None


def _date(text: str) -> datetime | None:
    if _ISO.match(text):
        padded = _SHORT.sub(lambda part: f"{part[1]}-{part[2]:0>2}-{part[3]:0>2}", text, count=1)
        padded = padded.upper().replace(" +", "+").replace(" UTC", "Z")
        try:
            return datetime.fromisoformat(padded)
        except ValueError:
            return None
    for form in _FORMS:
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
