"""Mozilla's autoconfig file, version 1.1, as Thunderbird and K-9 read it.

Source: draft-ietf-mailmaint-autoconfig, and Mozilla's page on the file's format.
"""

from __future__ import annotations

from entrypoint.config.ports import Port
from entrypoint.web.site import Site
from entrypoint.web.xml_text import branch, document, leaf

TYPE = "application/xml; charset=utf-8"


def client_config(site: Site, domain: str) -> bytes:
    """The file of a domain. The program itself puts the address in the place of the user name."""
    return document(
        branch(
            "clientConfig",
            branch(
                "emailProvider",
                leaf("domain", domain),
                leaf("displayName", f"Mail for {domain}"),
                leaf("displayShortName", domain),
                *(_server(site.host, each) for each in site.services if each.protocol != "smtp"),
                *(_server(site.host, each) for each in site.services if each.protocol == "smtp"),
                id=domain,
            ),
            version="1.1",
        )
    )


def _server(host: str, port: Port) -> str:
    return branch(
        "outgoingServer" if port.protocol == "smtp" else "incomingServer",
        leaf("hostname", host),
        leaf("port", str(port.number)),
        leaf("socketType", "SSL" if port.implicit_tls else "STARTTLS"),
        leaf("username", "%EMAILADDRESS%"),
        # In clear inside TLS, that is.
        leaf("authentication", "password-cleartext"),
        type=port.protocol,
    )
