"""The web service of the real image: client set-up, the MTA-STS policy, ACME's challenges."""

from __future__ import annotations

import plistlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ..entrypoint.certificates import Authority
from .conftest import ALICE, STANDARD
from .harness.signpost import Signpost
from .harness.world import World

SCHEMA = Path(__file__).parent / "autoconfig-1.1.rng"
HOST = "mail.example.org"
DOMAINS = ("example.org", "example.net", "sub.example.org")
MORE = tuple(f"{prefix}.{domain}" for prefix in ("autoconfig", "mta-sts") for domain in DOMAINS)
QUESTION = (
    '<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/'
    'requestschema/2006"><Request><EMailAddress>{}</EMailAddress></Request></Autodiscover>'
)
RENEW = """
from pathlib import Path
from entrypoint import paths, render
render.write_certificate(
    paths.RUN, Path("/new/cert.pem").read_bytes(), Path("/new/key.pem").read_bytes()
)
"""


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes


@dataclass(frozen=True)
class Browser:
    """curl in the client's container, which trusts the tests' authority."""

    world: World
    address: str

    def __call__(self, url: str, *options: str, stdin: bytes = b"") -> Reply:
        scheme, _, rest = url.partition("://")
        host = re.split("[/?]", rest)[0]
        port = 443 if scheme == "https" else 80
        out = self.world.exec_client(
            *(
                "curl",
                "--silent",
                "--show-error",
                "--max-time",
                "20",
                "--cacert",
                "/tmp/web-ca.pem",
            ),
            *(
                "--connect-to",
                f"{host}:{port}:{self.address}:{port}",
                "--write-out",
                "\n%{http_code}",
            ),
            *(*options, url),
            stdin=stdin,
        )
        body, _, status = out.rpartition(b"\n")
        return Reply(int(status), body)

    def serial(self) -> bytes:
        """The serial number of the certificate on port 443."""
        script = f"openssl s_client -connect {self.address}:443 </dev/null 2>/dev/null"
        return self.world.exec_client("sh", "-c", f"{script} | openssl x509 -noout -serial")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def web(world: World, image: None, authority: Authority) -> Iterator[Signpost]:
    """One with everything on, and a certificate whose authority it trusts itself."""
    mounts = {"/ca.pem": authority.folder / "ca.pem"}
    for folder in ("old", "new"):
        pair = authority.pair(HOST, datetime.now(UTC) + timedelta(days=90), more=MORE)
        for name, content in zip(("cert.pem", "key.pem"), pair, strict=True):
            mounts[f"/{folder}/{name}"] = authority.folder / f"{folder}-{name}"
            mounts[f"/{folder}/{name}"].write_bytes(content)
    world.exec_client(
        "sh", "-c", "cat > /tmp/web-ca.pem", stdin=(authority.folder / "ca.pem").read_bytes()
    )
    settings = STANDARD | {
        "ENABLE_AUTOCONFIG": "yes",
        "MTA_STS": "testing",
        "SSL_TYPE": "manual",
        "SSL_CERT_PATH": "/old/cert.pem",
        "SSL_KEY_PATH": "/old/key.pem",
        "SSL_CERT_FILE": "/ca.pem",
    }
    with world.signpost(settings, place=118, mounts=mounts) as signpost:
        yield signpost


@pytest.fixture(params=["IPv4", "IPv6"])
def browser(request: pytest.FixtureRequest, world: World, web: Signpost) -> Browser:
    return Browser(world, web.v4 if request.param == "IPv4" else f"[{web.v6}]")


@pytest.fixture
def browser_v4(world: World, web: Signpost) -> Browser:
    return Browser(world, web.v4)


def test_by_default_nothing_listens(world: World, signpost: Signpost) -> None:
    for scheme in ("http", "https"):
        script = f"curl --silent --max-time 20 {scheme}://{signpost.v4}/; echo $?"
        assert world.exec_client("sh", "-c", script) == b"7\n"  # curl(1): failed to connect
    assert "entrypoint.web" not in signpost.processes("ps", "-eo", "args").decode()
    assert signpost.attempt("test", "-e", "/run/signpost/web").returncode
    assert "autoconfig" not in signpost.exec("signpost", "dns")


@pytest.mark.parametrize(
    "url",
    [
        "https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress=alice%40example.org",
        "http://autoconfig.example.net/mail/config-v1.1.xml",
        "https://mail.example.org/.well-known/autoconfig/mail/config-v1.1.xml"
        "?emailaddress=carol%40sub.example.org",
    ],
)
def test_the_schema_takes_mozillas_file(world: World, browser: Browser, url: str) -> None:
    world.exec_client("sh", "-c", "cat > /tmp/autoconfig.rng", stdin=SCHEMA.read_bytes())
    found = browser(url)
    assert found.status == 200
    world.exec_client(
        "xmllint", "--noout", "--relaxng", "/tmp/autoconfig.rng", "-", stdin=found.body
    )


def test_outlook_and_apple_are_served_by_tls(browser: Browser) -> None:
    post = ("--data-binary", "@-", "--header", "Content-Type: text/xml")
    url = f"https://{HOST}/autodiscover/autodiscover.xml"
    told = browser(url, *post, stdin=QUESTION.format(ALICE[0]).encode())
    assert (told.status, told.body.count(b"<Protocol>")) == (200, 2)
    bomb = b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>'
    assert browser(url, *post, stdin=bomb + QUESTION.format("&b;").encode()).status == 400
    # As the page's form asks for it.
    profile = browser(f"https://{HOST}/apple.mobileconfig?email={ALICE[0]}&name=Alice+Liddell")
    (account,) = plistlib.loads(profile.body)["PayloadContent"]
    assert account["IncomingMailServerHostName"] == HOST
    assert account["EmailAccountName"] == "Alice Liddell"


def test_a_person_gets_a_page(browser: Browser) -> None:
    page = browser(f"https://{HOST}/", "--include")
    head, _, content = page.body.partition(b"\r\n\r\n")
    assert page.status == 200
    assert b"\r\nContent-Security-Policy: default-src 'none'; style-src 'sha256-" in head
    assert content.startswith(b"<!DOCTYPE html>")
    assert content.count(f"<code>{HOST}</code>".encode()) == 2  # IMAP and SMTP
    assert browser(f"https://{HOST}/", "--head").body.startswith(b"HTTP/1.1 200 OK\r\n")
    plain = browser(f"http://{HOST}/", "--header", "X-Forwarded-Host: evil.example", "--include")
    assert plain.status == 302
    assert f"\r\nLocation: https://{HOST}/\r\n".encode() in plain.body
    # Whatever a client calls the server, it is not led there.
    for host in ("evil.example", f"{HOST}.evil.example", f"{HOST}@evil.example", '"><script>'):
        for scheme in ("http", "https"):
            found = browser(f"{scheme}://{HOST}/", "--header", f"Host: {host}", "--include")
            assert found.status in (400, 404)
            assert host.encode() not in found.body


def test_everything_else_is_404(browser: Browser) -> None:
    for scheme in ("http", "https"):
        for path in ("index.html", ".git/config", "..%2f..%2fetc/passwd", "a" * 2000):
            assert browser(f"{scheme}://{HOST}/{path}", "--path-as-is").status == 404
        traversal = f"{scheme}://{HOST}/.well-known/acme-challenge/../../site.json"
        assert browser(traversal, "--path-as-is").status == 404


def test_the_policy_and_its_records(web: Signpost, browser: Browser) -> None:
    found = browser("https://mta-sts.example.net/.well-known/mta-sts.txt")
    assert (found.status, found.body.splitlines()[1:3]) == (
        200,
        [b"mode: testing", f"mx: {HOST}".encode()],
    )
    printed = web.exec("signpost", "dns")
    for domain in DOMAINS:
        assert re.search(rf'^_mta-sts\.{domain}\. IN TXT "v=STSv1; id=\w+"$', printed, re.M)
        assert (
            f'\n_smtp._tls.{domain}. IN TXT "v=TLSRPTv1; rua=mailto:postmaster@{domain}"' in printed
        )


def test_no_record_while_the_world_does_not_trust_the_certificate(web: Signpost) -> None:
    done = web.attempt("env", "-u", "SSL_CERT_FILE", "signpost", "dns")
    assert b"v=STSv1" not in done.stdout
    assert b"v=TLSRPTv1" not in done.stdout
    assert b"mta-sts.example.org. IN CNAME" in done.stdout
    assert b"example.org: no MTA-STS record yet: mail.example.org: " in done.stderr


def test_port_80_answers_a_challenge(web: Signpost, browser: Browser) -> None:
    folder = "/run/signpost/acme/.well-known/acme-challenge"
    web.exec("sh", "-c", f"umask 022; mkdir -p {folder}; echo token.print > {folder}/token")
    found = browser(f"http://{HOST}/.well-known/acme-challenge/token")
    assert (found.status, found.body) == (200, b"token.print\n")


def test_it_runs_as_a_user_with_nothing_but_its_copy(web: Signpost) -> None:
    user = web.exec("id", "-u", "web").strip()
    listed = web.processes("ps", "-eo", "pid,uid,args").decode()
    (pid,) = re.findall(rf"(\d+) +{user} .*entrypoint\.web", listed)
    status = web.processes("cat", f"/proc/{pid}/status").decode()
    assert re.search(r"^CapEff:\t0+$", status, re.M)
    assert re.search(r"^NoNewPrivs:\t1$", status, re.M)
    assert re.search(r"^Groups:\t\d* ?$", status, re.M)
    modes = web.exec(
        "stat", "-c", "%a %U:%G", "/run/signpost/web/pair.pem", "/run/signpost/tls/key.pem"
    )
    assert modes.splitlines() == ["640 root:web", "600 root:root"]
    for path in ("tls/key.pem", "environment.json", "logins.json"):
        assert web.attempt("cat", f"/run/signpost/{path}", user="web").returncode


def test_a_renewed_certificate_is_served_at_once(web: Signpost, browser_v4: Browser) -> None:
    first = browser_v4.serial()
    web.exec("python", "-c", RENEW)
    assert browser_v4.serial() != first


def test_the_log_names_nobody(web: Signpost, browser_v4: Browser) -> None:
    browser_v4(f"https://{HOST}/apple.mobileconfig?email={ALICE[0]}")
    assert not [line for line in web.logs().splitlines() if " web: " in line]
