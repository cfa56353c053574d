"""Which host, path and method lead to what."""

from __future__ import annotations

import plistlib
import re
import xml.etree.ElementTree as ET

import pytest

from entrypoint.web.answer import respond
from entrypoint.web.autoconfig import branch, document, leaf
from entrypoint.web.http import HttpRequest, HttpResponse
from entrypoint.web.site import Site

from .sites import site

BOTH = site()
MOZILLA = "/mail/config-v1.1.xml"
WELL_KNOWN = "/.well-known/autoconfig/mail/config-v1.1.xml"
MICROSOFT = "/autodiscover/autodiscover.xml"
POLICY = "/.well-known/mta-sts.txt"
CHALLENGE = "/.well-known/acme-challenge/"
OUTLOOK = "http://schemas.microsoft.com/exchange/autodiscover/outlook"
OF_2006 = "{http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006}"
OF_2006A = f"{{{OUTLOOK}/responseschema/2006a}}"


def answered(
    host: str,
    path: str,
    method: str = "GET",
    of: Site = BOTH,
    *,
    body: bytes = b"",
    secure: bool = True,
    **query: str,
) -> HttpResponse:
    laid = {"t_-0": b"t_-0.thumbprint"}
    return respond(of, HttpRequest(method, host, path, query, body, secure), laid.get)


def question(address: str, schema: str = f"{OUTLOOK}/requestschema/2006") -> bytes:
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<Autodiscover xmlns="{schema}"><Request>'
        f"<EMailAddress>{address}</EMailAddress><AcceptableResponseSchema>"
        f"{OUTLOOK}/responseschema/2006a</AcceptableResponseSchema></Request></Autodiscover>"
    ).encode()


@pytest.mark.parametrize(
    ("domain", "written"),
    [
        ("xn--bcher-kva.example", "Alice@BÜCHER.example"),
        ("xn--bcher-kva.example", "alice@bu\u0308cher.example"),
        ("xn--bcher-kva.example", "alice@XN--Bcher-KVA.example"),
        ("xn--gro-7ka.example", "alice@groß.example"),
    ],
)
def test_a_domain_in_u_labels_is_the_one_in_a_labels(domain: str, written: str) -> None:
    ours = site(DOMAINS=domain, ACCOUNTS=f"alice@{domain}:x")
    host, address = f"autoconfig.{domain}", f"alice@{domain}"
    found = answered(host, MOZILLA, of=ours, emailaddress=written)
    assert (found.status, f"<domain>{domain}<".encode() in found.content) == (200, True)
    found = answered(f"mail.{domain}", "/apple.mobileconfig", of=ours, email=written)
    (account,) = plistlib.loads(found.content)["PayloadContent"]
    assert account["IncomingMailServerUsername"] == account["EmailAddress"] == address
    body = question(written)
    found = answered(f"autodiscover.{domain}", MICROSOFT, "POST", ours, body=body)
    assert f"<LoginName>{address}</LoginName>".encode() in found.content


# -- nothing else ---------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize(
    "path",
    [
        "/index.html",
        "/.env",
        "/mail/config-v1.1.xml/",
        "//mail/config-v1.1.xml",
        "/mail/",
        "/Mail/config-v1.1.xml",
        "/mail/../mail/config-v1.1.xml",
        "/%6dail/config-v1.1.xml",
        "/autodiscover/",
        "/autodiscover/autodiscover.json",
        CHALLENGE,
        CHALLENGE + "../t_-0",
        CHALLENGE + "t_-0/",
        CHALLENGE + "%2e%2e",
        CHALLENGE + "other",
        CHALLENGE + "a" * 129,
    ],
)
def test_everything_else_is_not_there(method: str, path: str) -> None:
    for host in ("example.org", "mail.example.org", "autoconfig.example.org"):
        assert answered(host, path, method).status == 404


@pytest.mark.parametrize(
    "host",
    [
        "",
        "example.com",
        "autoconfig.example.com",
        "example.org.example.com",
        "xexample.org",
        "autoconfig.autoconfig.example.org",
        "mta-sts.example.org",
        "www.example.org",
    ],
)
@pytest.mark.parametrize("path", [MOZILLA, WELL_KNOWN, MICROSOFT, "/apple.mobileconfig"])
def test_a_strange_host_is_told_nothing(host: str, path: str) -> None:
    method, body = ("POST", question("alice@example.org")) if path == MICROSOFT else ("GET", b"")
    of = {"emailaddress": "alice@example.org", "email": "alice@example.org"}
    assert answered(host, path, method, body=body, **of).status == 404


@pytest.mark.parametrize("path", [MOZILLA, WELL_KNOWN, "/apple.mobileconfig", POLICY])
def test_nothing_is_posted_there(path: str) -> None:
    response = answered("example.org", path, "POST")
    assert (response.status, response.fields) == (405, (("Allow", "GET, HEAD"),))


def test_without_autoconfig_only_the_policy_is_there() -> None:
    of = site(ENABLE_AUTOCONFIG="no")
    for path in (MOZILLA, WELL_KNOWN, "/apple.mobileconfig"):
        assert answered("example.org", path, of=of, email="alice@example.org").status == 404
    asked = question("alice@example.org")
    assert answered("example.org", MICROSOFT, "POST", of, body=asked).status == 404
    assert answered("mta-sts.example.org", POLICY, of=of).status == 200


# -- Mozilla --------------------------------------------------------------------------------


@pytest.mark.parametrize("secure", [True, False])
@pytest.mark.parametrize(
    ("host", "address", "domain"),
    [
        ("autoconfig.example.org", "", "example.org"),
        ("example.net", "", "example.net"),
        ("autoconfig.example.org", "alice@example.net", "example.net"),
        # Thunderbird asks at the MX, too.
        ("autoconfig.mail.example.org", "bob@EXAMPLE.net", "example.net"),
        ("mail.example.org", "bob@example.net", "example.net"),
        ("mail.example.org", "", None),
        ("autoconfig.example.org", "eve@example.com", None),
        ("autoconfig.example.org", "<x>@example.com", None),
    ],
)
def test_the_file_is_for_the_domain_that_is_asked_about(
    host: str, address: str, domain: str | None, secure: bool
) -> None:
    for path in (MOZILLA, WELL_KNOWN):
        response = answered(host, path, secure=secure, emailaddress=address)
        if domain is None:
            assert response.status == 404
        else:
            assert ET.fromstring(response.content).findtext("*/domain") == domain
            assert response.type == "application/xml; charset=utf-8"


def servers(content: bytes) -> list[tuple[str, ...]]:
    provider = ET.fromstring(content)[0]
    wanted = ("hostname", "port", "socketType", "username", "authentication")
    return [
        (child.tag, child.attrib["type"], *(str(child.findtext(name)) for name in wanted))
        for child in provider
        if "type" in child.attrib
    ]


@pytest.mark.parametrize("pop3", ["no", "yes"])
def test_the_file_has_the_ports_that_are_served(pop3: str) -> None:
    of = site(ENABLE_POP3=pop3)
    content = answered("example.org", MOZILLA, of=of).content
    rest = ("%EMAILADDRESS%", "password-cleartext")
    imap, smtp, host = "incomingServer", "outgoingServer", "mail.example.org"
    assert servers(content) == [
        (imap, "imap", host, "993", "SSL", *rest),
        (imap, "imap", host, "143", "STARTTLS", *rest),
        *([(imap, "pop3", host, "995", "SSL", *rest)] if pop3 == "yes" else []),
        (smtp, "smtp", host, "465", "SSL", *rest),
        (smtp, "smtp", host, "587", "STARTTLS", *rest),
    ]


# -- Microsoft ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [MICROSOFT, "/Autodiscover/Autodiscover.xml"])
@pytest.mark.parametrize("host", ["example.org", "autodiscover.example.org", "mail.example.org"])
def test_outlook_gets_one_server_of_each_kind(host: str, path: str) -> None:
    of = site(ENABLE_POP3="yes")
    response = answered(host, path, "POST", of, body=question(" Alice@Example.ORG "))
    root = ET.fromstring(response.content)
    account = root.find(f"{OF_2006A}Response/{OF_2006A}Account")
    assert root.tag == f"{OF_2006}Autodiscover"
    assert account is not None
    assert account.findtext(f"{OF_2006A}Action") == "settings"
    found = [
        {child.tag.removeprefix(OF_2006A): child.text for child in protocol}
        for protocol in account.iter(f"{OF_2006A}Protocol")
    ]
    told = [(each["Type"], each["Port"], each["Encryption"], each["SSL"]) for each in found]
    assert told == [
        ("IMAP", "993", "SSL", "on"),
        ("POP3", "995", "SSL", "on"),
        ("SMTP", "465", "SSL", "on"),
    ]
    assert {each["Server"] for each in found} == {"mail.example.org"}
    assert {each["LoginName"] for each in found} == {"alice@example.org"}


NEST = b"<a>" * 6 + question("alice@example.org")[38:] + b"</a>" * 6
BOMB = b'<!DOCTYPE a [<!ENTITY b "cc"><!ENTITY d "&b;&b;">]>' + question("&d;@example.org")[38:]
FILE = b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>' + question("&b;")[38:]
TWICE = question("a@example.org</EMailAddress><EMailAddress>b@example.org")
UTF_7 = question("alice@example.org").replace(b'"utf-8"', b'"utf-7"')


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"alice@example.org",
        b"<a/>",
        NEST,
        BOMB,
        FILE,
        TWICE,
        b"\xff\xfe<\x00a\x00/\x00>\x00",
        question(""),
        question("alice"),
        question("&lt;a&gt;@example.org"),
        question("a b@example.org"),
        question("&nbsp;@example.org"),
        question("a" * 65 + "@example.org"),
        question("a@b" * 2000),
        question("x</EMailAddress><EMailAddress xmlns=''>alice@example.org"),
        b"<a>" + b"<b/>" * 64 + question("alice@example.org")[38:] + b"</a>",
        question("alice@example.org", f"{OUTLOOK}/mobilesync/requestschema/2006"),
        question("alice@example.org")[:-1],
        question("alice@example.org") + b"<b/>",
    ],
)
def test_a_hostile_question_is_refused(body: bytes) -> None:
    assert answered("example.org", MICROSOFT, "POST", body=body).status == 400


def test_a_document_type_is_refused_though_nothing_of_it_is_used() -> None:
    harmless = b"<!DOCTYPE Autodiscover>" + question("alice@example.org")[38:]
    assert answered("example.org", MICROSOFT, "POST", body=harmless).status == 400
    assert answered("example.org", MICROSOFT, "POST", body=UTF_7).status == 200


def test_outlook_learns_nothing_of_other_domains() -> None:
    asked = question("alice@example.com")
    assert answered("example.org", MICROSOFT, "POST", body=asked).status == 404


def test_in_clear_outlook_is_sent_to_the_name_of_the_certificate() -> None:
    to = ("Location", f"https://mail.example.org{MICROSOFT}")
    response = answered("autodiscover.example.org", MICROSOFT, secure=False)
    assert (response.status, response.fields) == (302, (to,))
    asked = question("alice@example.org")
    assert answered("example.org", MICROSOFT, "POST", body=asked, secure=False).status == 404
    assert answered("autodiscover.example.org", MICROSOFT).status == 405


def test_whatever_stands_in_xml_is_escaped() -> None:
    made = document(branch("a", leaf("b", "<c>&amp;"), d="\"'<>&"))
    root = ET.fromstring(made)
    assert (root.attrib["d"], root.findtext("b")) == ("\"'<>&", "<c>&amp;")
    assert [child.tag for child in root] == ["b"]


# -- Apple ----------------------------------------------------------------------------------


def test_apples_profile_has_one_account() -> None:
    response = answered("mail.example.org", "/apple.mobileconfig", email="Alice@example.org")
    assert response.type == "application/x-apple-aspen-config"
    profile = plistlib.loads(response.content)
    (account,) = profile["PayloadContent"]
    assert profile["PayloadType"] == "Configuration"
    assert account["PayloadType"] == "com.apple.mail.managed"
    assert account["EmailAccountType"] == "EmailTypeIMAP"
    assert account["EmailAddress"] == "alice@example.org"
    for way, port in (("Incoming", 993), ("Outgoing", 465)):
        assert account[f"{way}MailServerHostName"] == "mail.example.org"
        assert account[f"{way}MailServerPortNumber"] == port
        assert account[f"{way}MailServerUseSSL"] is True
        assert account[f"{way}MailServerUsername"] == "alice@example.org"
        assert account[f"{way}MailServerAuthentication"] == "EmailAuthPassword"
    assert account["PayloadUUID"] != profile["PayloadUUID"]
    assert account["EmailAccountName"] == "alice"
    again = answered("example.org", "/apple.mobileconfig", email="alice@example.org")
    assert again.content == response.content


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("", 400),
        ("alice", 400),
        ("<dict/>@example.org", 400),
        ("a&b@example.org", 400),
        ("a\nb@example.org", 400),
        ("alice@example.org\r\nX: y", 400),
        ("alice@<x>", 400),
        ("é@example.org", 400),
        ("alice@example.com", 404),
    ],
)
def test_a_profile_is_for_a_plain_address_here_only(address: str, status: int) -> None:
    response = answered("example.org", "/apple.mobileconfig", email=address)
    assert response.status == status
    assert re.fullmatch(rb"[A-Za-z0-9 ,.\n]+", response.content)


def test_an_unsigned_profile_does_not_go_in_clear() -> None:
    of = {"email": "alice@example.org"}
    assert answered("example.org", "/apple.mobileconfig", secure=False, **of).status == 404


# -- MTA-STS and ACME -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "text", "age"),
    [
        ("testing", "testing", 86_400),
        ("enforce", "enforce", 1_209_600),
        ("withdraw", "none", 86_400),
    ],
)
def test_the_policy(mode: str, text: str, age: int) -> None:
    response = answered("mta-sts.example.net", POLICY, of=site(MTA_STS=mode))
    assert response.type.startswith("text/plain")
    assert response.content.decode().splitlines() == [
        "version: STSv1",
        f"mode: {text}",
        "mx: mail.example.org",
        f"max_age: {age}",
    ]


@pytest.mark.parametrize(
    ("host", "secure", "mode"),
    [
        ("example.org", True, "enforce"),
        ("mta-sts.example.com", True, "enforce"),
        ("mta-sts.example.org", False, "enforce"),
        ("mta-sts.example.org", True, "no"),
    ],
)
def test_the_policy_is_nowhere_else(host: str, secure: bool, mode: str) -> None:
    assert answered(host, POLICY, of=site(MTA_STS=mode), secure=secure).status == 404


def test_a_challenge_is_answered_under_any_name() -> None:
    for host in ("mail.example.org", "anything.test", ""):
        response = answered(host, CHALLENGE + "t_-0", secure=False)
        assert (response.status, response.content) == (200, b"t_-0.thumbprint")
