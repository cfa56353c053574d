"""Request → Response: what each path and name of the host answers; all else is 404.

It must not know sockets, nor log: a request may hold somebody's address.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from entrypoint.config.addresses import own_address
from entrypoint.config.problems import BrokenRuleError
from entrypoint.web import apple, autoconfig
from entrypoint.web.http import HttpRequest, HttpResponse, plain
from entrypoint.web.mta_sts import policy_host
from entrypoint.web.setup_page import setup_page
from entrypoint.web.site import Site
from filters.login_name import login_name

# token: RFC 8555 §8.1, base64url. Returns what the ACME client has laid ready, or None.
Challenge = Callable[[str], bytes | None]
# Returns the page for a person, or None where there is none.
Page = Callable[[], bytes | None]

_CHALLENGE = re.compile(r"/\.well-known/acme-challenge/([A-Za-z0-9_-]{1,128})")
_MOZILLA = frozenset({"/.well-known/autoconfig/mail/config-v1.1.xml", "/mail/config-v1.1.xml"})
_MICROSOFT = "/autodiscover/autodiscover.xml"
_APPLE = "/apple.mobileconfig"
_POLICY = "/.well-known/mta-sts.txt"

# A person may have typed it; what was typed is not in the answer.
_NO_ADDRESS = b"This is no mail address, or no name. Please go back and correct it.\n"
_NOT_HERE = b"This server has no mail for that domain. Please go back and correct the address.\n"


def respond(
    site: Site, request: HttpRequest, challenge: Challenge, page: Page = lambda: None
) -> HttpResponse:
    """What is answered to any request."""
    if request.path == "/":
        return setup_page(site, request, page())
    if request.path.lower() == _MICROSOFT:  # Outlook writes it in upper and lower case
        return _microsoft(site, request) if site.services else plain(404)
    if request.method == "POST":
        return plain(405, ("Allow", "GET, HEAD")) if _is_known(request.path) else plain(404)
    if token := _CHALLENGE.fullmatch(request.path):
        laid = challenge(token[1])
        return plain(404) if laid is None else HttpResponse(200, laid, "application/octet-stream")
    if request.path == _POLICY:
        return _policy(site, request)
    if site.services and request.path in _MOZILLA:
        return _mozilla(site, request)
    if site.services and request.path == _APPLE:
        return _apple(site, request)
    return plain(404)


def _is_known(path: str) -> bool:
    return path in _MOZILLA or path in {_POLICY, _APPLE}


def _policy(site: Site, request: HttpRequest) -> HttpResponse:
    """RFC 8461 §3.3: by HTTPS only, so whoever gets it has found the certificate good."""
    hosts = (policy_host(domain) for domain in site.domains)
    if site.policy is None or not request.secure or request.host not in hosts:
        return plain(404)
    return HttpResponse(200, site.policy.encode())


def _mozilla(site: Site, request: HttpRequest) -> HttpResponse:
    domain = _domain(site, request, "autoconfig", request.query.get("emailaddress", ""))
    if domain is None:
        return plain(404)
    return HttpResponse(200, autoconfig.client_config(site, domain), autoconfig.TYPE)


def _microsoft(site: Site, request: HttpRequest) -> HttpResponse:
    if not _is_ours(site, request.host, "autodiscover"):
        return plain(404)
    if not request.secure:
        # Outlook's last try asks in plaintext where to go; there the certificate is for the host.
        to = f"https://{site.host}{_MICROSOFT}"
        return plain(404) if request.method == "POST" else plain(302, ("Location", to))
    if request.method != "POST":
        return plain(405, ("Allow", "POST"))
    try:
        address = own_address(login_name(autoconfig.asked_address(request.body)))
    except (ValueError, BrokenRuleError):
        return plain(400)
    if _of(address) not in site.domains:
        return plain(404)
    content = autoconfig.autodiscover_config(site, address)
    return HttpResponse(200, content, autoconfig.AUTODISCOVER_TYPE)


def _apple(site: Site, request: HttpRequest) -> HttpResponse:
    # Unsigned, so only TLS says whose it is.
    if not request.secure or not _is_ours(site, request.host, "autoconfig"):
        return plain(404)
    try:
        address = own_address(login_name(request.query.get("email", "")))
        person = apple.full_name(request.query.get("name", ""))
    except BrokenRuleError:
        return HttpResponse(400, _NO_ADDRESS)
    if _of(address) not in site.domains:
        return HttpResponse(404, _NOT_HERE)
    profile = apple.profile(site, address, person)
    name = ("Content-Disposition", 'attachment; filename="mail.mobileconfig"')
    return HttpResponse(200, profile, apple.TYPE, (name,))


def _is_ours(site: Site, host: str, prefix: str) -> bool:
    names = (site.host, *site.domains)
    return host in names or any(host == f"{prefix}.{name}" for name in names)


def _domain(site: Site, request: HttpRequest, prefix: str, address: str) -> str | None:
    """The domain that is asked about: by the address, if there is one, else by the host's name."""
    if not _is_ours(site, request.host, prefix):
        return None
    if address:
        domain = _of(login_name(address))
    else:
        domain = request.host.removeprefix(f"{prefix}.")
        if request.host in site.domains:
            domain = request.host
    return domain if domain in site.domains else None


def _of(address: str) -> str:
    return address.rpartition("@")[2]
