"""DNS for the engine, in one place to import from: the interface, the real thing and the value.

A program shares one DnsResolver among its messages and wraps it in a Lookup for each.
"""

from __future__ import annotations

from filters.mailauth.dns.client import DnsResolver, system_nameservers
from filters.mailauth.dns.lookup import Lookup
from filters.mailauth.dns.types import Answer, DnsTemporaryError, RecordData, Resolver
from filters.mailauth.dns.zone import StaticResolver

__all__ = [
    "Answer",
    "DnsResolver",
    "DnsTemporaryError",
    "Lookup",
    "RecordData",
    "Resolver",
    "StaticResolver",
    "system_nameservers",
]
