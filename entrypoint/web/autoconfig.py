"""How mail programs find the server: Mozilla's autoconfig 1.1, and Microsoft's autodiscover.

Sources: draft-ietf-mailmaint-autoconfig and Mozilla's page on the file's format, as Thunderbird and
K-9 read it; [MS-OXDSCLI] in its "plain old XML", for Outlook. What Outlook posts is hostile until
it has been read: a document type, and so every entity, is refused, and so is deep nesting.
"""

from __future__ import annotations

from html import escape  # of & < > and both quotes; a quarter of the memory of xml.sax
from xml.parsers import expat

from entrypoint.config.ports import Port, Protocol
from entrypoint.web.site import Site

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


def leaf(name: str, text: str) -> str:
    """An element with text in it."""
    return f"<{name}>{escape(text)}</{name}>\n"


def branch(name: str, *children: str, **attributes: str) -> str:
    """An element with elements in it, which leaf or branch made."""
    attributes_text = "".join(f' {key}="{escape(value)}"' for key, value in attributes.items())
    return f"<{name}{attributes_text}>\n{''.join(children)}</{name}>\n"


def document(root: str) -> bytes:
    """The bytes of a document; `root` is what branch made."""
    return (_DECLARATION + root).encode()


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


AUTODISCOVER_TYPE = "application/xml; charset=utf-8"
_BASE = "http://schemas.microsoft.com/exchange/autodiscover"
_ASKED = f"{_BASE}/outlook/requestschema/2006 EMailAddress"
_PROTOCOLS: tuple[Protocol, ...] = ("imap", "pop3", "smtp")
_MOST_NESTED = 8
_MOST_ELEMENTS = 64


class _Reader:
    """Collects the text of the one element that counts; raises ValueError for what has no place."""

    def __init__(self) -> None:
        self.text: str | None = None
        self._depth = self._elements = 0
        self._inside = False

    def refuse(self, *_: object) -> None:
        raise ValueError("a document type")

    def begin(self, name: str, _: object) -> None:
        self._depth += 1
        self._elements += 1
        if self._depth > _MOST_NESTED or self._elements > _MOST_ELEMENTS:
            raise ValueError("too many elements")
        if name == _ASKED:
            if self.text is not None:
                raise ValueError("two addresses")
            self.text, self._inside = "", True

    def end(self, _: str) -> None:
        self._depth -= 1
        self._inside = False

    def data(self, text: str) -> None:
        if self._inside and self.text is not None:
            self.text += text


def asked_address(question: bytes) -> str:
    """The address in a question of Outlook's, as it was written. Raises ValueError."""
    # UTF-8 whatever it declares.
    parser = expat.ParserCreate("utf-8", namespace_separator=" ")
    reader = _Reader()
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.EntityDeclHandler = reader.refuse
    parser.StartElementHandler = reader.begin
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.data
    try:
        parser.Parse(question, True)
    except expat.ExpatError as error:
        raise ValueError(f"not XML: {error}") from None
    if reader.text is None:
        raise ValueError("no address")
    return reader.text.strip()


def autodiscover_config(site: Site, address: str) -> bytes:
    """The settings. One server of each kind, TLS from the first byte: Outlook takes the first."""
    found = [(protocol, site.implicit(protocol)) for protocol in _PROTOCOLS]
    return document(
        branch(
            "Autodiscover",
            branch(
                "Response",
                branch("User", leaf("DisplayName", address)),
                branch(
                    "Account",
                    leaf("AccountType", "email"),
                    leaf("Action", "settings"),
                    *(
                        _protocol(protocol, site.host, port.number, address)
                        for protocol, port in found
                        if port is not None
                    ),
                ),
                xmlns=f"{_BASE}/outlook/responseschema/2006a",
            ),
            xmlns=f"{_BASE}/responseschema/2006",
        )
    )


def _protocol(protocol: Protocol, host: str, port: int, address: str) -> str:
    # UsePOPAuth: the login of the incoming server counts for SMTP, too.
    of_smtp = (leaf("UsePOPAuth", "on"), leaf("SMTPLast", "off")) if protocol == "smtp" else ()
    return branch(
        "Protocol",
        leaf("Type", protocol.upper()),
        leaf("Server", host),
        leaf("Port", str(port)),
        leaf("DomainRequired", "off"),
        leaf("LoginName", address),
        leaf("SPA", "off"),
        leaf("SSL", "on"),
        leaf("Encryption", "SSL"),
        leaf("AuthRequired", "on"),
        *of_smtp,
    )
