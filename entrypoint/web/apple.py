"""Apple's configuration profile with one mail account, unsigned.

Source: Apple's device management documentation, "Mail" (com.apple.mail.managed).
"""

from __future__ import annotations

import plistlib
import uuid

from entrypoint.web.site import Site

TYPE = "application/x-apple-aspen-config"


def profile(site: Site, address: str) -> bytes:
    """The profile of an address; the device asks for the password itself.

    The same address has the same identifiers, so a profile that comes again replaces the first.
    Raises ValueError where no server keeps mail.
    """
    imap, smtp = site.implicit("imap"), site.implicit("smtp")
    if imap is None or smtp is None:
        raise ValueError("no server for a profile")
    local, _, domain = address.partition("@")
    name = ".".join([*reversed(domain.split(".")), "mail"])
    account = {
        "PayloadType": "com.apple.mail.managed",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{name}.{local}.account",
        "PayloadUUID": _uuid("account", address),
        "PayloadDisplayName": address,
        "EmailAccountDescription": address,
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
            "PayloadIdentifier": f"{name}.{local}",
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
