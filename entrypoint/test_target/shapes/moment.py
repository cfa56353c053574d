"""Moments as Go writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(moment: datetime) -> str:
    """RFC 3339 with as many digits of the second as it has (Go's RFC3339Nano)."""
    whole = moment.replace(microsecond=0).isoformat()
    fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
    return f"{whole[:19]}{fraction}{'Z' if whole[19:] in {'', '+00:00'} else whole[19:25]}"


def milliseconds(moment: datetime) -> int:
    """Since 1970."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def from_milliseconds(number: int) -> datetime:
    """The same moment, in UTC."""
    return _EPOCH + timedelta(milliseconds=number)
