"""The name servers, the ACME server, the outside world's mail server. Knows nothing of Signpost."""

from __future__ import annotations

import io
import re
import tarfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from .shell import attempt, run, wait_until
from .swaks import Swaks


@contextmanager
def paused(container: str) -> Iterator[None]:
    """Inside, the container's programs do nothing: who connects gets no answer, and no refusal."""
    run("docker", "pause", container)
    try:
        yield
    finally:
        run("docker", "unpause", container)


class NameServer:
    """nsd, authoritative for every name; records can be added to its zones."""

    def __init__(self, container: str) -> None:
        self._container = container
        self._added: dict[str, list[str]] = defaultdict(list)
        self._version = 0

    def publish(self, zone: str, *records: str) -> None:
        """Add zone file lines to a zone; back when they are served.

        A line whose owner name and type stand in an earlier addition does not replace that one.
        """
        self.replace(zone, *self._added[zone], *records)

    def replace(self, zone: str, *records: str) -> None:
        """Have these lines in a zone and no others beside its own; back when they are served."""
        self._added[zone] = list(records)
        self._version += 1
        count = str(self._version)
        # The count tells when nsd has this version and not the one before.
        lines = [*self._added[zone], f'_version.{zone}. 1 IN TXT "{count}"', ""]
        run("docker", "exec", "-i", self._container, "zone", zone, stdin="\n".join(lines).encode())
        run(
            *("docker", "exec", self._container),
            *("nsd-control", "-c", "/etc/nsd/nsd.conf", "reload", zone),
        )
        wait_until(
            lambda: self.ask(f"_version.{zone}", "TXT") == [f'"{count}"'],
            f"nsd to serve the new {zone}",
        )

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Inside, it answers nothing."""
        with paused(self._container):
            yield

    def ask(self, name: str, rdtype: str) -> list[str]:
        """The answers to a question, as dig prints them."""
        dig = run("docker", "exec", self._container, "dig", "@127.0.0.1", "+short", name, rdtype)
        return dig.decode().splitlines()


class AcmeServer:
    """pebble, at the name acme.test. Each start begins with no account and no certificate."""

    long = "https://acme.test:14000/dir"
    short = "https://acme.test:14001/dir"  # what it issues lasts a minute

    def __init__(self, container: str) -> None:
        self._container = container

    def authority(self) -> bytes:
        """The authority that signed its own certificate, PEM."""
        return run("docker", "exec", self._container, "cat", "/tls/ca.pem")

    def root(self) -> bytes:
        """The root of what the long-lasting ones are signed with, PEM; another one each start."""
        url = "https://127.0.0.1:15000/roots/0"  # its certificate is for acme.test
        return run("docker", "exec", self._container, "curl", "--silent", "--insecure", url)

    def issued(self) -> int:
        """How many certificates it has issued so far."""
        return self.logs().count("Issued certificate serial")

    def logs(self) -> str:
        """pebble's log."""
        done = attempt("docker", "logs", self._container)
        return (done.stdout + done.stderr).decode(errors="replace")

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Inside, it answers nothing."""
        with paused(self._container):
            yield

    @contextmanager
    def down(self) -> Iterator[None]:
        """Inside, nothing listens."""
        run("docker", "stop", "--time", "1", self._container)
        try:
            yield
        finally:
            starts = self.logs().count("Listening on")
            run("docker", "start", self._container)
            wait_until(lambda: self.logs().count("Listening on") >= starts + 2, "pebble to listen")


@dataclass(frozen=True)
class Received:
    """A message as postfix got it: the envelope sender ("" = null) and bytes with CRLF."""

    sender: str
    message: bytes


class Outside:
    """postfix, the MX of every foreign domain and a relay host.

    `nobody@` is refused at RCPT; `later@` is accepted and bounced; everything else is kept.
    Ports: 25, 587 and 465 (SASL, a certificate for relay.outside.test signed by `authority`),
    2587 (the same with a certificate that nobody signed), 2525 (SASL, no TLS), 2526 (no TLS).
    """

    user = "relayuser"
    password = "right:pass@word"

    def __init__(self, container: str) -> None:
        self._container = container

    def authority(self) -> bytes:
        """The certificate authority that signed postfix's certificate, PEM."""
        return run("docker", "exec", self._container, "cat", "/tls/ca.pem")

    def received(self, address: str) -> list[Received]:
        """The messages for an address so far, oldest first."""
        folder = "./" + address.lower().replace("/", "_")
        archive = attempt("docker", "exec", self._container, "tar", "-C", "/mail", "-c", folder)
        if archive.returncode:
            return []
        found = []
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            for member in sorted(files, key=lambda member: member.name):
                content = files.extractfile(member)
                if content is None or "/.new" in member.name:
                    continue
                sender, _, message = content.read().partition(b"\n")
                found.append(Received(sender.decode()[1:-1], message.replace(b"\n", b"\r\n")))
        return found

    def all_received(self, token: str) -> list[str]:
        """Who has got messages with the token in them, as often as that is so."""
        found = attempt("docker", "exec", self._container, "grep", "-rlaF", token, "/mail")
        return [path.split("/")[2] for path in found.stdout.decode().splitlines()]

    def wait_for_mail(self, address: str, token: str = "", timeout: float = 20) -> Received:
        """The first message for an address that has `token` in it, envelope sender included."""

        def look() -> Received | None:
            for mail in self.received(address):
                if token in mail.sender or token.encode() in mail.message:
                    return mail
            return None

        found = wait_until(look, f"mail for {address} with {token!r} in it", timeout)
        assert found is not None
        return found

    def logs(self) -> str:
        """postfix's log."""
        done = attempt("docker", "logs", self._container)
        return (done.stdout + done.stderr).decode(errors="replace")

    def wait_until_ready(self) -> None:
        """Back when it takes mail."""
        wait_until(lambda: self._answer() == 250, "postfix to take mail")

    @contextmanager
    def deferring(self) -> Iterator[None]:
        """Inside, every recipient is answered 450."""
        self._restrict("smtpd_client_restrictions=defer", 450)
        try:
            yield
        finally:
            self._restrict("smtpd_client_restrictions=", 250)

    @contextmanager
    def forwarding(self, addresses: Mapping[str, str], domain: str, host: str) -> Iterator[None]:
        """Inside, it forwards mail for these addresses of its own, as aliases do, each to what is
        named with it; mail to `domain`, and to what is below it, goes to `host`.
        """
        lines = [f"{address} {target}" for address, target in addresses.items()]
        self._write("/etc/postfix/forwards", "\n".join(lines))
        self._write("/etc/postfix/own", f"/[@.]{re.escape(domain)}$/ smtp:[{host}]")
        usual = "regexp:/etc/postfix/transport"
        self._set("virtual_alias_maps=texthash:/etc/postfix/forwards")
        self._set(f"transport_maps=regexp:/etc/postfix/own {usual}")
        try:
            yield
        finally:
            self._set("virtual_alias_maps=")
            self._set(f"transport_maps={usual}")

    def wait_until_idle(self, timeout: float = 20) -> None:
        """Back when nothing waits in its queue."""
        wait_until(
            lambda: b"is empty" in run("docker", "exec", self._container, "mailq"),
            "postfix's queue to be empty",
            timeout,
        )

    def _write(self, path: str, text: str) -> None:
        command = ("docker", "exec", "-i", self._container, "sh", "-c", f"cat >{path}")
        run(*command, stdin=f"{text}\n".encode())

    def _set(self, setting: str) -> None:
        run("docker", "exec", self._container, "postconf", "-e", setting)
        run("docker", "exec", self._container, "postfix", "reload")

    def _restrict(self, setting: str, answer: int) -> None:
        run("docker", "exec", self._container, "postconf", "-e", setting)
        run("docker", "exec", self._container, "postfix", "reload")
        wait_until(lambda: self._answer() == answer, f"postfix to answer {answer}")

    def _answer(self) -> int:
        asked = Swaks(self._container)("127.0.0.1", to="x@far.test", quit_after="RCPT")
        return asked.code if asked.replies else 0
