"""MODE=test: the image as a target for tests of others' programs (docs/testing.md)."""

from __future__ import annotations

import imaplib
import poplib
import re
import smtplib
import socket
import ssl
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from entrypoint.tls.self_signed import self_signed
from tests.entrypoint.test_target.page.browser import chromium, tab

from .harness.shell import attempt, fresh, run, wait_until
from .harness.signpost import IMAGE
from .harness.target import HOST, PORTS, SMTP, TestTarget

WATCHED = b"From: a@sender.example\r\nTo: b@there.example\r\nSubject: watched\r\n\r\nhi\r\n"
MESSAGE = b"From: a@sender.example\r\nTo: b@there.example\r\nSubject: hello\r\n\r\nhi\r\n"

# Seconds to each greeting, of a client that only DNS has a name for.
_GREETING = """
import socket, sys, time
for _ in range(int(sys.argv[1])):
    begin = time.monotonic()
    with socket.create_connection(("127.0.0.1", 25), 30, ("127.0.0.2", 0)) as link:
        assert link.recv(512).startswith(b"220 ")
        print(time.monotonic() - begin)
"""
# Mail to and from outside domains, a bounce, names to look up, links to follow, a message to pass
# on: over the container's own loopback, so that nothing on its network is the clients'.
_EVERY_WAY_OUT = """
import json, smtplib, socket, ssl, urllib.error, urllib.request
context = ssl._create_unverified_context()
signed = ("DKIM-Signature: v=1; a=rsa-sha256; d=outside.example; s=key; h=From; bh=AAAA; "
    "b=AAAA\\r\\n"
    "From: a@outside.example\\r\\nDisposition-Notification-To: a@outside.example\\r\\n"
    "Return-Receipt-To: a@outside.example\\r\\nSubject: out\\r\\n\\r\\n"
    "http://192.0.2.7/x http://outside.example/\\r\\n")
for port in (25, 587, 1025):
    for sender in ("a@outside.example", ""):
        with smtplib.SMTP("127.0.0.1", port, "helo.outside.example", timeout=30) as smtp:
            if port == 587:
                smtp.starttls(context=context)
            if port != 25:
                smtp.login("a", "b")
            smtp.sendmail(sender, ["b@far.example", "postmaster@outside.example"], signed)
try:
    socket.getaddrinfo("outside.example", 25)
except OSError:
    pass
def ask(path, body=None):
    try:
        url = "http://127.0.0.1:8025/api/v1/" + path
        return urllib.request.urlopen(urllib.request.Request(url, body), timeout=30).read()
    except urllib.error.HTTPError as error:
        return error.read()
one = json.loads(ask("message/latest"))["ID"]
for path in ("info", f"message/{one}/link-check?follow=true", f"message/{one}/html-check"):
    ask(path)
ask(f"message/{one}/release", json.dumps({"To": ["b@far.example"]}).encode())
"""
_ONE_PACKET = """
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 9))
"""
# Where each packet goes that leaves the container: not what answers a client of a port.
_SNIFFER = """
import ipaddress, socket, sys
ports = {int(each) for each in sys.argv[1:]}
everything = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.ntohs(3))
print("ready", flush=True)
while True:
    packet, (name, kind, direction, *_) = everything.recvfrom(65535)
    if name == "lo" or direction != socket.PACKET_OUTGOING or kind not in (0x0800, 0x86DD):
        continue
    six = kind == 0x86DD
    protocol = packet[6] if six else packet[9]
    target = ipaddress.ip_address(packet[24:40] if six else packet[16:20])
    begin = 40 if six else (packet[0] & 15) * 4
    answers = protocol == 6 and int.from_bytes(packet[begin:begin + 2], "big") in ports
    if not answers and not target.is_multicast and protocol not in (2, 58):  # IGMP, ICMPv6
        print(target, flush=True)
"""
_PROCESSES = """
import os, pathlib, signal, sys
for entry in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        comm, line = (entry / "comm").read_text().strip(), (entry / "cmdline").read_bytes()
        user = entry.stat().st_uid
    except OSError:
        continue
    if sys.argv[1] == "smtpd" and comm == "smtpd" and user == 0:
        print(entry.name)
    if sys.argv[1] == "target" and b"until_eof\\0entrypoint.test_target" in line and user:
        os.kill(int(entry.name), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def volumes() -> Iterator[dict[str, str]]:
    """Names of the volumes of the shared target."""
    names = {
        "/data": fresh("signpost-test-target"),
        "/var/spool/smtpd": fresh("signpost-test-target"),
    }
    yield names
    attempt("docker", "volume", "rm", "--force", *names.values())


@pytest.fixture(scope="module")
def target(target_image: None, volumes: dict[str, str]) -> Iterator[TestTarget]:
    """With nothing set but MODE."""
    with TestTarget(volumes=volumes) as target:
        yield target


def anything() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def submission(target: TestTarget, port: int) -> smtplib.SMTP:
    """Connected with TLS."""
    if port == 465:
        return smtplib.SMTP_SSL(
            HOST, target.port(465), "client.example", timeout=30, context=anything()
        )
    smtp = target.smtp(port)
    smtp.starttls(context=anything())
    return smtp


class _Sniffer:
    """A container in the network of the target's, which sees what leaves it."""

    def __init__(self, target: TestTarget) -> None:
        self._container = fresh("signpost-test-sniffer")
        self._network = f"container:{target.container}"

    def __enter__(self) -> _Sniffer:
        run(
            *("docker", "run", "--detach", "--name", self._container, "--network", self._network),
            *("--cap-add", "NET_RAW", "--entrypoint", "/opt/signpost/bin/python", IMAGE),
            *("-c", _SNIFFER, *map(str, PORTS)),
        )
        wait_until(lambda: self._said()[:1] == ["ready"], "the sniffer")
        return self

    def __exit__(self, *exception: object) -> None:
        attempt("docker", "rm", "--force", self._container)

    def seen(self) -> list[str]:
        """The addresses that packets have gone to."""
        return self._said()[1:]

    def _said(self) -> list[str]:
        return run("docker", "logs", self._container).decode().split()


def _scheduled(target: TestTarget, what: str = "envelope") -> int:
    """How many envelopes smtpd's scheduler knows; or how often it has tried to deliver one."""
    shown = target.exec("smtpctl", "show", "stats")
    found = re.search(rf"^scheduler\.{re.escape(what)}=(\d+)", shown, re.MULTILINE)
    return int(found[1]) if found else 0


def _accepts(target: TestTarget, address: str) -> bool:
    try:
        with target.smtp(25) as smtp:
            return not smtp.sendmail("a@sender.example", [address], MESSAGE)
    except (OSError, smtplib.SMTPException):
        return False


class TestMail:
    def test_the_log_begins_with_test(self, target: TestTarget) -> None:
        assert " TEST target mail.test: " in target.logs().splitlines()[0]

    @pytest.mark.parametrize("port", [25, 587, SMTP])
    def test_the_greeting_says_test(self, target: TestTarget, port: int) -> None:
        with socket.create_connection((HOST, target.port(port)), 30) as link:
            assert link.recv(512).startswith(b"220 mail.test ESMTP TEST ")

    @pytest.mark.parametrize("port", [25, SMTP])
    def test_any_address_without_a_login(self, target: TestTarget, port: int) -> None:
        address = f"port{port}@nobody-has.example"
        with target.smtp(port) as smtp:
            assert not smtp.sendmail("", [address], MESSAGE)
        (found,) = target.messages(f"addressed-exactly:{address}")
        assert found["Extra"]["Envelope"] == {"From": "", "To": [address]}

    @pytest.mark.parametrize("port", [465, 587])
    def test_any_login_over_tls(self, target: TestTarget, port: int) -> None:
        address = f"login{port}@nobody-has.example"
        with submission(target, port) as smtp:
            smtp.login("whoever", "what-ever")
            assert not smtp.sendmail("a@sender.example", [address], MESSAGE)
        (found,) = target.messages(f"addressed-exactly:{address}")
        assert found["Extra"]["Login"] == "whoever"
        assert found["Extra"]["TLS"]["Version"].startswith("TLSv1")

    def test_a_login_without_tls(self, target: TestTarget) -> None:
        with target.smtp() as smtp:
            smtp.login("whoever", "what-ever")
            # nodemailer and others would begin it, and refuse a self-signed certificate.
            assert not smtp.has_extn("starttls")
            assert not smtp.sendmail("a@sender.example", ["plain@nobody-has.example"], MESSAGE)
        (found,) = target.messages("addressed-exactly:plain@nobody-has.example")
        assert (found["Extra"]["Login"], found["Extra"]["TLS"]) == ("whoever", None)

    def test_health_check_and_render(self, target: TestTarget) -> None:
        assert target.exec("signpost", "health").startswith("healthy: ")
        assert "the test target mail.test" in target.exec("signpost", "check")
        shown = target.exec("signpost", "render")
        assert "==> /run/signpost/target.json" in shown
        assert "relay" not in shown

    def test_imap_and_pop3_greet_everybody(self, target: TestTarget) -> None:
        with imaplib.IMAP4(HOST, target.port(143), timeout=30) as imap:
            imap.login("new@nobody-has.example", "what-ever")
            assert imap.select()[0] == "OK"
        pop = poplib.POP3_SSL(HOST, target.port(995), timeout=30, context=anything())
        pop.user("new@nobody-has.example")
        assert pop.pass_("what-ever").startswith(b"+OK")
        pop.quit()

    def test_the_page_shows_what_comes_with_its_verdict(self, target: TestTarget) -> None:
        with chromium() as browser, tab(browser, target) as one:
            page = one.open("/?q=subject:watched")
            with target.smtp() as smtp:
                smtp.sendmail("a@sender.example", ["b@there.example"], WATCHED)
            page.locator(".row", has_text="watched").click()
            page.get_by_role("tab", name="Verdict").click()
            spf = page.locator(".line[data-method=SPF]")
            expect(spf).to_contain_text("MAIL FROM a@sender.example")
            expect(spf.locator(".records li").first).to_contain_text("sender.example")
            page.get_by_role("tab", name="Session").click()
            expect(page.get_by_text("client.example")).to_be_visible()

    def test_one_line_a_thing_in_the_log(self, target: TestTarget) -> None:
        with target.smtp(25) as smtp:
            smtp.sendmail("a@sender.example", ["quiet@nobody-has.example"], MESSAGE)
        target.wait_for_log(r"smtp envelope .* to=<quiet@nobody-has\.example>")
        log = target.logs()
        assert not re.search(r"failed to load envelope|mda delivery|parent_forward_open", log)
        assert not re.search(r"^\S+ error ", log, re.MULTILINE)


class TestLimits:
    def test_a_thousand_messages_in_one_session(self, target: TestTarget) -> None:
        with target.smtp(25) as smtp:
            for number in range(1000):
                smtp.sendmail("a@sender.example", [f"n{number}@many.example"], MESSAGE)
        assert len(target.messages("addressed-exactly:n999@many.example")) == 1

    @pytest.mark.parametrize("port", [25, SMTP])
    def test_two_hundred_connections_at_once(self, target: TestTarget, port: int) -> None:
        begin = time.monotonic()
        links = [socket.create_connection((HOST, target.port(port)), 10) for _ in range(200)]
        assert all(link.recv(512).startswith(b"220 ") for link in links)
        assert time.monotonic() - begin < 5  # 0.2 s where nothing else runs
        for link in links:
            link.close()

    def test_the_greeting_comes_at_once_though_the_zone_lets_every_name_time_out(
        self, target: TestTarget
    ) -> None:
        status, said = target.request("PUT", "/api/v1/dns", {"2.0.0.127.in-addr.arpa": "TIMEOUT"})
        assert status == 200, said
        waits = [float(wait) for wait in target.python(_GREETING, "20").split()]
        assert sorted(waits)[10] < 0.5  # a name that times out takes seconds
        assert target.request("DELETE", "/api/v1/dns")[0] == 200


class TestNothingLeaves:
    def test_not_one_packet(self, target: TestTarget) -> None:
        before = _scheduled(target)
        with _Sniffer(target) as sniffer:
            target.python(_EVERY_WAY_OUT)
            # smtpd would now deliver what it has accepted.
            wait_until(lambda: _scheduled(target) >= before + 12, "smtpd to have scheduled it all")
            assert _scheduled(target, "delivery.tempfail") == 0
            assert sniffer.seen() == []
            # The sniffer would see one.
            target.python(_ONE_PACKET)
            wait_until(lambda: sniffer.seen() == ["192.0.2.1"], "the packet that is ours")

    def test_nobody_else_is_asked(self, target: TestTarget) -> None:
        assert target.exec("cat", "/etc/resolv.conf") == "nameserver 127.0.0.1\n"


class TestLife:
    def test_a_target_that_dies_comes_back_and_smtpd_stays(self, target: TestTarget) -> None:
        smtpd = target.python(_PROCESSES, "smtpd")
        before = target.messages("addressed-exactly:port25@nobody-has.example")
        target.python(_PROCESSES, "target")
        wait_until(lambda: _accepts(target, "after@death.example"), "mail to be accepted again")
        found = target.messages("addressed-exactly:after@death.example")
        assert len(found) == 1
        assert target.messages("addressed-exactly:port25@nobody-has.example") == before
        assert smtpd
        assert target.python(_PROCESSES, "smtpd") == smtpd

    def test_it_ends_soon_and_its_volumes_are_no_mail_server_s(
        self, target: TestTarget, volumes: dict[str, str]
    ) -> None:
        assert target.stop() < 10
        assert "stopped before all was finished" not in target.logs()
        production = TestTarget({"MODE": "production"}, volumes=volumes)
        try:
            production.launch()
            assert production.wait_until_ended() == 2
            log = production.logs()
        finally:
            production.remove()
        for folder in volumes:
            assert f"error: {folder} is a test target's (MODE=test has written it); give " in log


class TestRefusals:
    def refused(self, *, volumes: dict[str, str] | None = None, **environment: str) -> str:
        target = TestTarget(environment, volumes=volumes)
        try:
            target.launch()
            assert target.wait_until_ended() == 2
            return target.logs()
        finally:
            target.remove()

    def test_whatever_would_ask_outside_all_at_once(self, target_image: None) -> None:
        log = self.refused(
            SSL_TYPE="acme",
            RELAY_HOST="relay.example",
            DNS_SERVERS="192.0.2.53",
            DNSBL="bl.example",
            MP_SMTP_RELAY_HOST="relay.example",
            TEST_ACEPT="any",
        )
        for name in ("SSL_TYPE", "RELAY_HOST", "DNS_SERVERS", "DNSBL", "MP_SMTP_RELAY_HOST"):
            assert f"error: {name}: the test target " in log
        assert "error: TEST_ACEPT: unknown variable; did you mean TEST_ACCEPT?" in log
        assert "TEST target" not in log

    def test_a_mail_server_s_volumes_with_a_mark_and_without(self, target_image: None) -> None:
        names = {
            "/data": fresh("signpost-test-target"),
            "/var/spool/smtpd": fresh("signpost-test-target"),
        }
        try:
            run(
                *("docker", "run", "--rm", "--entrypoint", "sh"),
                *(part for path, name in names.items() for part in ("--volume", f"{name}:{path}")),
                *(IMAGE, "-c", "mkdir /data/mail; echo production > /var/spool/smtpd/MODE"),
            )
            log = self.refused(volumes=names)
        finally:
            attempt("docker", "volume", "rm", "--force", *names.values())
        for folder in names:
            assert f"error: MODE=test: {folder} is a mail server's, and a test target would " in log

    def test_nowhere_to_name_its_own_name_server(self, target_image: None) -> None:
        options = ("--read-only", "--tmpfs", "/tmp", "--dns", "192.0.2.53")
        target = TestTarget(options=(*options, "--tmpfs", "/data", "--tmpfs", "/var/spool/smtpd"))
        try:
            target.launch()
            assert target.wait_until_ended() == 2
            assert "start it with --dns 127.0.0.1, or with --tmpfs /run" in target.logs()
        finally:
            target.remove()


def test_accounts_alone(target_image: None) -> None:
    """In a container with the rights that compose.yaml leaves it, and a read-only disk."""
    rights = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID", "SYS_CHROOT")
    folders = ("/run", "/tmp", "/data", "/var/spool/smtpd")
    # Nobody is at that address, and nobody is asked there.
    options = ["--read-only", "--dns", "192.0.2.53", "--cap-drop", "ALL"]
    options += [part for right in rights for part in ("--cap-add", right)]
    options += [part for folder in folders for part in ("--tmpfs", folder)]
    environment = {"TEST_ACCEPT": "accounts", "ACCOUNTS": "alice@one.example:alice-secret"}
    with TestTarget(environment, options=options) as target:
        with target.smtp(25) as smtp:
            smtp.ehlo()
            smtp.mail("a@sender.example")
            assert smtp.rcpt("Alice+tag@one.example")[0] == 250
            assert smtp.rcpt("bob@one.example") == (
                550,
                b"5.1.1 <bob@one.example>: no such user here",
            )
            assert smtp.rcpt("x@two.example")[0] == 550
        for smtp in (submission(target, 587), target.smtp()):
            with smtp:
                with pytest.raises(smtplib.SMTPAuthenticationError):
                    smtp.login("alice@one.example", "another")
                smtp.login("alice@one.example", "alice-secret")
        with imaplib.IMAP4(HOST, target.port(143), timeout=30) as imap:
            with pytest.raises(imaplib.IMAP4.error):
                imap.login("alice@one.example", "another")
            imap.login("alice@one.example", "alice-secret")
        assert target.exec("signpost", "health").startswith("healthy: ")
        assert target.exec("cat", "/run/signpost/resolv.conf") == "nameserver 127.0.0.1\n"


def test_what_mailpit_s_containers_set(
    target_image: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """As testcontainers' MailpitContainer and pytest-mailpit set it, with users and TLS."""
    folder = tmp_path_factory.mktemp("pair")
    cert, key = folder / "cert.pem", folder / "key.pem"
    for path, content in zip((cert, key), self_signed("mydomain.com"), strict=True):
        path.write_bytes(content)
    environment = {
        "MP_SMTP_AUTH": "jane:secret ron:pass2",
        "MP_SMTP_AUTH_ACCEPT_ANY": "0",
        "MP_SMTP_REQUIRE_TLS": "1",
        "MP_SMTP_TLS_CERT": "/cert.pem",
        "MP_SMTP_TLS_KEY": "/key.pem",
        "MP_SMTP_DISABLE_RDNS": "true",
        "MP_ENABLE_CHAOS": "true",
        "MP_DISABLE_VERSION_CHECK": "true",
        "MP_UI_AUTH": "page:word",
        "MP_MAX_MESSAGES": "500",
        "ENABLE_IMAP": "no",
    }
    with TestTarget(environment, mounts={"/cert.pem": cert, "/key.pem": key}) as target:
        assert "warning signpost: MP_MAX_MESSAGES: without effect; " in target.logs()
        place = (HOST, target.port(SMTP), "client.example")
        with smtplib.SMTP_SSL(*place, timeout=30, context=anything()) as smtp:
            assert smtp.mail("a@sender.example")[0] == 530
            with pytest.raises(smtplib.SMTPAuthenticationError):
                smtp.login("jane", "pass2")
            smtp.login("jane", "secret")
            assert not smtp.sendmail("a@sender.example", ["b@there.example"], MESSAGE)
        with submission(target, 587) as smtp:
            with pytest.raises(smtplib.SMTPAuthenticationError):
                smtp.login("jane", "pass2")
            smtp.login("ron", "pass2")
        assert target.request("GET", "/api/v1/messages")[0] == 401
        basic = {"Authorization": "Basic cGFnZTp3b3Jk"}
        assert target.request("GET", "/api/v1/messages", headers=basic)[0] == 200
        mail = {"From": {"Email": "a@sender.example"}, "To": [{"Email": "b@there.example"}]}
        assert target.request("POST", "/api/v1/send", mail, headers=basic)[0] == 200
