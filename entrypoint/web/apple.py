"""Apple's configuration profile with one mail account, unsigned.

Source: Apple's device management documentation, "Mail" (com.apple.mail.managed).
"""

from __future__ import annotations

import plistlib
import uuid

from entrypoint.config.problems import BrokenRuleError
from entrypoint.web.site import Site

TYPE = "application/x-apple-aspen-config"


_LONGEST_NAME = 100  # characters


def full_name(text: str) -> str:
    """A person's name as it was typed, "" for none. Raises BrokenRuleError."""
    name = " ".join(text.split())
    if len(name) > _LONGEST_NAME or not name.isprintable():
        raise BrokenRuleError("not a name", f"use {_LONGEST_NAME} printable characters at most")
    return name


def profile(site: Site, address: str, name: str = "") -> bytes:
    """The profile of an address; the device asks for the password itself.

    name: the person's, which stands in From; the local part if it is not known.
    The same address has the same identifiers, so a profile that comes again replaces the first.
    Raises ValueError where no server keeps mail.
    """
    imap, smtp = site.implicit("imap"), site.implicit("smtp")
    if imap is None or smtp is None:
        raise ValueError("no server for a profile")
    local, _, domain = address.partition("@")
    place = ".".join([*reversed(domain.split(".")), "mail"])
    account = {
        "PayloadType": "com.apple.mail.managed",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{place}.{local}.account",
        "PayloadUUID": _uuid("account", address),
        "PayloadDisplayName": address,
        "EmailAccountDescription": address,
        "EmailAccountName": name or local,
        "EmailAccountType": "EmailTypeIMAP",
        "EmailAddress": address,
        "IncomingMailServerAuthentication": "EmailAuthPassword",
        "IncomingMailServerHostName": site.host,
        "IncomingMailServerPortNumber": imap.number,
        "IncomingMailServerUseSSL": True,
        "IncomingMailServerUsername": address,
        "OutgoingMailServerAuthentication": "EmailAuthPassword",
        "OutgoingMailServerHostName": site.host,
        "OutgoingMailServerPortNumber": smtp.number,
        "OutgoingMailServerUseSSL": True,
        "OutgoingMailServerUsername": address,
        "OutgoingPasswordSameAsIncomingPassword": True,
    }
    return plistlib.dumps(
        {
            "PayloadType": "Configuration",
            "PayloadVersion": 1,
            "PayloadIdentifier": f"{place}.{local}",
            "PayloadUUID": _uuid("profile", address),
            "PayloadDisplayName": f"Mail for {address}",
            "PayloadOrganization": domain,
            "PayloadRemovalDisallowed": False,
            "PayloadContent": [account],
        }
    )


def _uuid(what: str, address: str) -> str:
    # RFC 4122 §4.3; a URI such as RFC 6068's is a name in that sense.
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"mailto:{address}?{what}")).upper()
