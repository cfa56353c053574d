"""Domain and host names as a person writes them → lower-case A-labels.

It must not know which variable a name comes from.

Where the versions of IDNA make different domains of a name in U-labels, it is refused: a mail
server must not guess which of them was meant. An A-label can always be written.
"""

from __future__ import annotations

import ipaddress
import re

from entrypoint.config.problems import BrokenRuleError
from filters.mailauth.names import readings

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SERVICE_LABEL = re.compile(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?")
_CURE = "write it like example.org"


def domain_name(text: str) -> str:
    """A domain name with at least two labels, or BrokenRuleError."""
    name = _a_labels(text)
    labels = name.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise BrokenRuleError(
            "not a domain name: a label is 1 to 63 letters, digits and inner hyphens", _CURE
        )
    if len(labels) < 2 or labels[-1].isdigit():
        raise BrokenRuleError(
            "not a domain name: it needs two labels, the last not a number", _CURE
        )
    return name


def connect_name(text: str) -> str:
    """A host to connect to: an IP address, a domain name or the one label of a container."""
    if _is_ip_address(text):
        return str(ipaddress.ip_address(text))
    name = _a_labels(text)
    labels = name.split(".")
    if not all(_SERVICE_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise BrokenRuleError("not a host name or an IP address", "write it like smtp.example.net")
    return name


def _is_ip_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text  # a zone (fe80::1%eth0) may hold any character


def _a_labels(text: str) -> str:
    name = text.removesuffix(".")
    if len(name) > 253:
        raise BrokenRuleError("not a domain name: longer than 253 characters", _CURE)
    if name.isascii():
        return _checked_puny(name.lower())
    if not all(
        _SERVICE_LABEL.fullmatch(label.lower()) for label in name.split(".") if label.isascii()
    ):
        raise BrokenRuleError("not an internationalised domain name", _CURE)
    found = readings(name)
    if not found:
        raise BrokenRuleError("not an internationalised domain name", "write its A-label (xn--…)")
    if len(found) > 1:
        raise BrokenRuleError(
            "a name that is different domains by different versions of IDNA",
            "write the one that is meant: "
            + " or ".join(f"{domain} ({version})" for domain, version in found.items()),
        )
    return _checked_puny(next(iter(found)))


def _checked_puny(name: str) -> str:
    for label in name.split("."):
        if not label.startswith("xn--"):
            continue
        try:
            decoded = label[4:].encode("ascii").decode("punycode")
        except UnicodeError:
            decoded = ""
        if not decoded or decoded.isascii():
            raise BrokenRuleError(
                "not a domain name: a label that begins with xn-- and is no A-label",
                "check its spelling",
            )
    return name
