"""Single values as a person writes them → typed values, or BrokenRuleError.

It must not know which variable a value comes from.
"""

from __future__ import annotations

import ipaddress
import os
import re
import zoneinfo
from pathlib import Path

from entrypoint.config.domain_names import domain_name
from entrypoint.config.problems import BrokenRuleError
from entrypoint.text import listed

_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
_SMALLEST, _LARGEST = 64 * 1024, 1024**3
_SMALLEST_QUOTA, _LARGEST_QUOTA = 1024**2, 1000 * 1024**4
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_TRUE, _FALSE = ("yes", "true", "1"), ("no", "false", "0")
_DELIMITERS = "+-_=."
_LONGEST_SELECTOR = 63 - len("-ed25519")
_LONGEST_COMMAND = 1000  # bytes; smtpd's own limit is 4,096 for all that it puts together


def boolean(text: str) -> bool:
    """yes, true, 1, no, false or 0, in any case."""
    word = text.lower()
    if word not in _TRUE + _FALSE:
        raise BrokenRuleError("neither yes nor no", "use yes or no")
    return word in _TRUE


def enforcement(text: str) -> str:
    """yes, quarantine or no, in any case; true, false, 1 and 0 as for a boolean."""
    word = text.lower()
    if word == "quarantine":
        return word
    if word not in _TRUE + _FALSE:
        raise BrokenRuleError("unknown value", "use yes, quarantine or no")
    return "yes" if word in _TRUE else "no"


def choice(text: str, allowed: tuple[str, ...]) -> str:
    """One of the words allowed, in any case."""
    if text.lower() not in allowed:
        raise BrokenRuleError("unknown value", f"use {listed(allowed, 'or')}")
    return text.lower()


def size(text: str) -> int:
    """A size in bytes, 64K to 1G: digits, then K, M or G (powers of 1024) or nothing."""
    match = re.fullmatch(r"([0-9]{1,12})([KMG]?)", text, re.IGNORECASE)
    if not match:
        raise BrokenRuleError("not a size", "write it like 35M")
    value = int(match[1]) * _UNITS[match[2].upper()]
    if not _SMALLEST <= value <= _LARGEST:
        raise BrokenRuleError("a size out of the range 64K to 1G", "write it like 35M")
    return value


def quota(text: str) -> int:
    """A mailbox's size in bytes, 1M to 1000T: digits, then K, M, G or T (powers of 1024)."""
    match = re.fullmatch(r"([0-9]{1,15})([KMGT]?)", text, re.IGNORECASE)
    if not match:
        raise BrokenRuleError("not a size", "write it like 5G")
    value = int(match[1]) * (_UNITS | {"T": 1024**4})[match[2].upper()]
    if not _SMALLEST_QUOTA <= value <= _LARGEST_QUOTA:
        raise BrokenRuleError("a size out of the range 1M to 1000T", "write it like 5G")
    return value


def number(text: str, least: int, most: int) -> int:
    """A whole number in a range."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise BrokenRuleError(f"not a number from {least} to {most}", "correct it or leave it out")
    return int(text)


def delimiter(text: str) -> str:
    """The one character that divides a local part from its tag."""
    if len(text) != 1 or text not in _DELIMITERS:
        raise BrokenRuleError("unknown delimiter", "use one of + - _ = .")
    return text


def selector(text: str) -> str:
    """A DKIM selector (RFC 6376 §3.1): labels of letters, digits and inner hyphens.

    Further keys are named after it, and a label has 63 characters at most (RFC 1035 §2.3.4).
    """
    name = text.lower()
    labels = name.split(".")
    if len(name) > _LONGEST_SELECTOR or not all(
        re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", label) for label in labels
    ):
        raise BrokenRuleError(
            "not a selector: it is letters, digits and inner hyphens, 55 characters at most",
            "write it like mail or s2026",
        )
    return name


def ip_address(text: str) -> str:
    """An IPv4 or IPv6 address of one host, without a zone or a port."""
    try:
        address = ipaddress.ip_address("" if "%" in text else text)
    except ValueError:
        raise BrokenRuleError(
            "not an IP address", "write it like 192.0.2.53 or 2001:db8::53, without a port"
        ) from None
    if address.is_unspecified or address.is_multicast:
        raise BrokenRuleError("not the address of one host", "write it like 192.0.2.53")
    return str(address)


def ip_address_of(text: str, version: int) -> str:
    """The same, of one version: 4 or 6."""
    address = ip_address(text)
    if ipaddress.ip_address(address).version != version:
        raise BrokenRuleError(
            f"not an IPv{version} address",
            f"write it like {'192.0.2.25' if version == 4 else '2001:db8::25'}",
        )
    return address


def duration(text: str, least: int, most: int) -> int:
    """Seconds in a range: digits, then s, m, h or d."""
    match = re.fullmatch(r"([0-9]{1,9})([smhd])", text, re.IGNORECASE)
    if not match:
        raise BrokenRuleError("not a length of time", "write it like 30m or 1h")
    seconds = int(match[1]) * _SECONDS[match[2].lower()]
    if not least <= seconds <= most:
        raise BrokenRuleError(
            f"a time out of the range {_written(least)} to {_written(most)}",
            "write it like 30m or 1h",
        )
    return seconds


def _written(seconds: int) -> str:
    """Seconds in the largest unit that divides them."""
    unit = next(unit for unit in ("d", "h", "m", "s") if seconds % _SECONDS[unit] == 0)
    return f"{seconds // _SECONDS[unit]}{unit}"


def file_path(text: str) -> Path:
    """An absolute path without a character that could end a quoted string."""
    if not text.startswith("/"):
        raise BrokenRuleError("not an absolute path", "begin it with /")
    if not text.isprintable() or any(char in "\"'`\\" for char in text):
        raise BrokenRuleError(
            "a path may not hold quotes, backslashes or control characters", "rename the file"
        )
    return Path(text)


def filter_command(text: str) -> str:
    """A command for smtpd.conf's `proc-exec "…"`, its program given by its whole path.

    smtpd puts its own folder before any other path, and it stops where the program does not run.
    """
    if not text.isprintable() or any(char in text for char in "\"'`\\"):
        raise BrokenRuleError(
            "a command may not hold quotes, backslashes or control characters",
            "put it into a script and name that",
        )
    if not text.startswith("/"):
        raise BrokenRuleError(
            "the command does not begin with an absolute path",
            "write the program's whole path, such as /opt/signpost/bin/python",
        )
    if len(text.encode()) > _LONGEST_COMMAND:
        raise BrokenRuleError(
            f"a command has at most {_LONGEST_COMMAND} bytes", "put it into a script and name that"
        )
    program = text.split()[0]
    if not Path(program).is_file() or not os.access(program, os.X_OK):
        raise BrokenRuleError(
            "there is no such program that can be run", "mount it, and make it executable"
        )
    return text


def time_zone(text: str) -> str:
    """A name of the time zone database, checked where the system has that database."""
    cure = "write it like Europe/Paris or UTC"
    # No dots: a zone is a file name below the database's folder.
    if not re.fullmatch(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*", text):
        raise BrokenRuleError("not the name of a time zone", cure)
    if _zone_exists("UTC") and not _zone_exists(text):
        raise BrokenRuleError("no such time zone", cure)
    return text


def _zone_exists(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; no zone's file; a folder such as "Europe"
        return False
    return True


def secret_line(text: str) -> str:
    """A password that goes into a table of smtpd as the end of a line."""
    if not text.isprintable() or text != text.strip():
        raise BrokenRuleError(
            "a password may not hold control characters, nor begin or end with a space",
            "set another password at the relay host",
        )
    if len(text.encode()) > 500:
        raise BrokenRuleError(
            "a password has at most 500 bytes", "set another password at the relay host"
        )
    return text


def login(text: str) -> str:
    """A login name that goes into a table of smtpd, before a colon."""
    if not re.fullmatch(r"[!#$%&()*+,./0-9;<=>?@A-Z\[\]^_a-z{|}~-]{1,255}", text):
        raise BrokenRuleError(
            "a login is printable ASCII without spaces, colons, quotes and backslashes",
            "check the name that the relay host gave you",
        )
    return text


def key_text(text: str) -> str:
    """A secret key that goes into smtpd.conf as a quoted string."""
    if not re.fullmatch(r"[!#-&(-\[\]-_a-~]{8,128}", text):
        raise BrokenRuleError(
            "a key is 8 to 128 printable ASCII characters without spaces, quotes and backslashes",
            "make one with: openssl rand -hex 16",
        )
    return text


_PERIODS = {"m": 60, "h": 3600, "d": 86_400}
_MOST = 1_000_000
_GREYLIST_WAIT = 60  # seconds; filters/guard/greylist.py says why


def rate(text: str) -> dict[str, int]:
    """Recipients in a time such as 300/h, as the fields of RateLimit; `no` or 0 is no limit."""
    word = text.lower()
    if word in {"no", "false", "0"}:
        return {"recipients": 0, "seconds": _PERIODS["h"]}
    match = re.fullmatch(r"([0-9]{1,7})\s*/\s*([mhd])", word)
    if not match:
        raise BrokenRuleError(
            "not a number of recipients in a minute, an hour or a day",
            "write it like 300/h or 2000/d, or no",
        )
    if not 1 <= int(match[1]) <= _MOST:
        raise BrokenRuleError(f"a rate out of the range 1 to {_MOST}", "write it like 300/h, or no")
    return {"recipients": int(match[1]), "seconds": _PERIODS[match[2]]}


def probe_domain(text: str) -> str:
    """A domain name, or "" for no."""
    return "" if text.lower() in _FALSE else domain_name(text)


def blocklist(text: str) -> dict[str, object]:
    """A zone, or zone=score, as the fields of DnsBlocklist."""
    zone, equals, word = text.partition("=")
    if equals and word.lower() != "score":
        raise BrokenRuleError(
            "unknown word behind =",
            "write it like zen.example.org=score, or the zone alone to refuse whom it lists",
        )
    return {"zone": domain_name(zone), "scores": bool(equals)}


def greylist(text: str) -> int:
    """Seconds before which nobody new is let in: yes, or a time such as 5m; 0 for no."""
    if re.fullmatch(r"[0-9]+[smhd]", text, re.IGNORECASE):
        return duration(text, least=1, most=3600)
    try:
        return _GREYLIST_WAIT if boolean(text) else 0
    except BrokenRuleError:
        raise BrokenRuleError(
            "neither yes, no nor a time", "use yes, no or a time like 5m"
        ) from None
