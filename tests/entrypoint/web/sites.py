"""Sites for the tests, made from settings as a start makes them."""

from __future__ import annotations

from entrypoint.config import environ
from entrypoint.config.settings import HostFacts, Settings
from entrypoint.web.published import site_of
from entrypoint.web.site import Site

MINE = {"DOMAINS": "example.org, example.net", "ACCOUNTS": "alice@example.org:x"}


def configured(**variables: str) -> Settings:
    return environ.load(MINE | variables, host=HostFacts(ipv6=False))


def site(**variables: str) -> Site:
    chosen = {"ENABLE_AUTOCONFIG": "yes", "MTA_STS": "testing"} | variables
    return Site.from_json(site_of(configured(**chosen)).to_json())
