"""The network of the container tests: the peers, and a place for each Signpost."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from .peers import AcmeServer, NameServer, Outside
from .shell import CommandError, fresh, run
from .signpost import COMPOSE, PEERS, Place, Signpost, build
from .swaks import Swaks

PEERS_FILE = Path(__file__).parents[1] / "peers" / "compose.yaml"


class World:
    """Name servers, outside mail server and client in a network of their own.

    `ns2` is the second server of rotate.test; nothing else asks it.

    `allowed` and `stranger` are client addresses (IPv4, IPv6) that the zones' SPF records allow
    and do not know; `client` is the client's plain address.
    """

    def __init__(self) -> None:
        self._project = fresh("signpost-peers")
        self._prefix: tuple[str, str] = ("", "")
        self._taken: set[int] = set()
        # Nothing of a developer's own settings reaches the containers.
        self._base = {
            name: os.environ[name]
            for name in ("PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT")
            if name in os.environ
        }

    def __enter__(self) -> World:
        try:
            self._up()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()

    def _up(self) -> None:
        self._compose("build", "--quiet", "ns")
        for number in random.sample(range(256), 16):
            self._prefix = (f"10.89.{number}", f"fd5a:9e37:{number:x}::")
            try:
                self._compose("up", "--detach", "--no-build")
                break
            except CommandError as error:
                # Somebody else's network has these addresses.
                if "overlap" not in str(error):
                    raise
        self.ns = NameServer(f"{self._project}-ns-1")
        self.ns2 = NameServer(f"{self._project}-ns2-1")
        self.acme = AcmeServer(f"{self._project}-acme-1")
        self.outside = Outside(f"{self._project}-outside-1")
        self.swaks = Swaks(f"{self._project}-client-1")
        self.client = self.address(10)
        self.allowed = self.address(11)
        self.stranger = self.address(12)
        self.outside.wait_until_ready()

    def build_image(self) -> None:
        """Build the image under test, as compose.yaml says."""
        build(self._place(100), self._base)

    def address(self, last: int) -> tuple[str, str]:
        """An IPv4 and an IPv6 address in the network."""
        return f"{self._prefix[0]}.{last}", f"{self._prefix[1]}{last}"

    def exec_client(self, *command: str, stdin: bytes = b"", timeout: float = 600) -> bytes:
        """What a command in the client's container prints; it must succeed."""
        container = self.swaks.container
        return run("docker", "exec", "-i", container, *command, stdin=stdin, timeout=timeout)

    def publish_keys(self, signpost: Signpost, *domains: str) -> None:
        """Publish the DKIM records of its domains, just as it prints them.

        Each server's have selectors of their own: of two keys under one name (RFC 6376 §3.6.2.2:
        undefined) Mail::DKIM tries both and libopendkim none.
        """
        for domain in domains:
            records = signpost.dkim_records(domain)
            assert records, f"`signpost dns {domain}` prints no DKIM record"
            for name in (record.split()[0] for record in records):
                assert not self.ns.ask(name, "TXT"), f"{name} is published; set DKIM_SELECTOR"
            self.ns.publish(".".join(domain.split(".")[-2:]), *records)

    def verify(self, message: bytes) -> list[tuple[str, str, str, str]]:
        """What Mail::DKIM says of each signature: domain, selector, algorithm, result."""
        lines = self.exec_client("dkim-verify", stdin=message).decode().splitlines()
        return [(d, s, a, r) for d, s, a, r in (line.split(" ", 3) for line in lines)]

    def verify_arc(self, message: bytes) -> str:
        """What Mail::DKIM says of the message's ARC chain."""
        return self.exec_client("arc-verify", stdin=message).decode().strip()

    def sign(self, message: bytes, domain: str, selector: str, private: bytes) -> bytes:
        """The message with a signature by Mail::DKIM in front."""
        self.exec_client("sh", "-c", "cat > /tmp/key.pem", stdin=private)
        return self.exec_client("dkim-sign", domain, selector, "/tmp/key.pem", stdin=message)

    def signpost(
        self,
        environment: Mapping[str, str],
        *,
        place: int = 101,
        mounts: Mapping[str, Path] | None = None,
        dns: str | None = None,
    ) -> Signpost:
        """A Signpost that is not started yet.

        Place 100 is the one that the MX records of its domains lead to. dns: whom the engine's
        own name server asks for it, in place of the peers'.
        """
        found = self._place(place)
        if dns is not None:
            found = replace(found, dns=dns)
        return Signpost(found, self._base, environment, mounts)

    def remove(self) -> None:
        """All of it."""
        self._compose("down", "--volumes", "--timeout", "1")

    def _place(self, last: int) -> Place:
        v4, v6 = self.address(last)
        return Place(f"{self._project}_mail", v4, v6, self.address(53)[0])

    def _compose(self, *command: str) -> None:
        environ = {
            **self._base,
            "PEERS_IMAGE": PEERS,
            "V4": self._prefix[0],
            "V6": self._prefix[1],
            "RELAY_USER": Outside.user,
            "RELAY_PASSWORD": Outside.password,
        }
        run(*COMPOSE, "-p", self._project, "-f", str(PEERS_FILE), *command, environ=environ)
