"""What a client's names say of it: the name of its address, and the one that it gives in HELO.

Words of closed sets come out, whatever the names hold. It asks nobody: smtpd has looked the name up
before it greeted. It must not know what the words count.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from functools import lru_cache

from filters.facts import HeloFact, RdnsFact
from filters.guard.networks import Address, address_of, is_public
from filters.mailauth.envelope import Envelope
from filters.mailauth.names import ldh

# A provider's words for lines that anybody has. They count as whole words beside a number, such as
# `dhcp12` and `pool-3`: `dynamics365.example.org` and `pool.example.org` are somebody's own names.
_DIAL_UP = frozenset(
    {"dynamic", "dinamic", "dinamico", "dyn", "dynip", "dhcp", "dialup", "dialin", "dial", "ppp"}
    | {"pppoe", "adsl", "dsl", "vdsl", "xdsl", "cable", "catv", "cpe", "hfc", "ftth", "broadband"}
    | {"pool", "pools"}
)
# Whoever has a name with one of these has given it to a mail server: large senders put the address
# into them, too (66-220-155-151.mail-mail.facebook.com).
_MAIL = frozenset(
    {"mail", "mails", "email", "mailer", "mailout", "mailgw", "smtp", "smtps", "esmtp", "mx", "mta"}
    | {"out", "outbound", "outgoing", "relay", "postfix", "exim", "newsletter", "bounce", "bounces"}
)
_LONGEST_NAME = 255


def rdns_word(envelope: Envelope, *, dns_fails: bool = False) -> RdnsFact:
    """Of the name that smtpd has found for the address, if that name points back to it.

    dns_fails: whether DNS does not answer at the moment; to smtpd that looks like no name.
    """
    address = envelope.client_address
    if address is None or envelope.client_unknown or not is_public(address):
        return "unknown"
    if envelope.reverse == "pass" and envelope.client_name is not None:
        return "generic" if is_generic(envelope.client_name, address) else "ok"
    if envelope.reverse != "fail" or dns_fails:
        return "unknown"
    return "missing"


def helo_word(
    envelope: Envelope, is_ours: Callable[[str], bool], *, vouched: bool = False
) -> HeloFact:
    """Of HELO's argument. is_ours: whether only we and our own hosts may give this name.

    vouched: whether the name's domain has said by SPF that this client is one of its hosts.
    """
    if envelope.client_address is None or envelope.client_unknown:
        return "unknown"
    client, given = address_of(envelope.client_address), _literal(envelope.helo)
    if given is not None:
        return "literal" if given == client else "lies"
    name = ldh(envelope.helo.removesuffix("."))
    if name is None or "." not in name:
        return "unknown"
    if vouched or not is_ours(name) or _is_confirmed(name, envelope):
        return "ok"
    return "lies"


def _literal(helo: str) -> Address | None:
    """The address that HELO names, in brackets (RFC 5321 §4.1.3) or, as some do, without."""
    text = helo.removeprefix("[").removesuffix("]")
    if text[:5].lower() == "ipv6:":
        text = text[5:]
    return address_of(text) if "%" not in text else None


def _is_confirmed(name: str, envelope: Envelope) -> bool:
    return envelope.reverse == "pass" and (envelope.client_name or "").lower().rstrip(".") == name


@lru_cache(maxsize=4096)  # who sends once sends again
def is_generic(name: str, address: str) -> bool:
    """Whether a provider has made the name, for a line or for whatever machine has the address.

    It is, unless a word for mail stands before its last two labels, if the address stands in it
    (three of its four numbers in a row at least, either way round, or all of it in hexadecimal
    digits), or, before its last two labels, a dial-up's word and a number.
    """
    lower, client = name.lower(), address_of(address)
    if client is None or len(lower) > _LONGEST_NAME:
        return False
    host = ".".join(lower.rstrip(".").split(".")[:-2])
    words = frozenset(re.findall(r"[a-z]+", host))
    if words & _MAIL:
        return False
    if words & _DIAL_UP and re.search(r"[0-9]", host):
        return True
    return _names_v4(lower, client) if client.version == 4 else _names_v6(lower, client)


def _names_v4(name: str, client: Address) -> bool:
    octets = list(client.packed)
    if client.packed.hex() in name or "".join(f"{octet:03}" for octet in octets) in name:
        return True
    numbers = [int(text) for text in re.findall(r"[0-9]+", name) if len(text) <= 3]
    wanted = {tuple(row[at : at + 3]) for row in (octets, octets[::-1]) for at in (0, 1)}
    return any(tuple(numbers[at : at + 3]) in wanted for at in range(len(numbers) - 2))


def _names_v6(name: str, client: Address) -> bool:
    """Half of its digits in a row, either way round; or its groups as they are mostly written."""
    assert isinstance(client, ipaddress.IPv6Address)  # noqa: S101 -- the caller has looked
    digits = client.packed.hex()
    squeezed = re.sub(r"[^0-9a-z]", "", name)
    if any(half in squeezed for half in (digits[:16], digits[16:], digits[::-1][:16])):
        return True
    groups = [group.lstrip("0") or "0" for group in re.findall("....", digits)]
    return any(text in name for text in (str(client).replace(":", "-"), "-".join(groups)))
