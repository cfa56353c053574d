"""The server under test as compose.yaml has it, on small disks, between a name server and an
outside that does what it is told. What is where in the end is read from here.
"""

from __future__ import annotations

import hashlib
import json
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..container.harness.certificates import put_pair
from ..container.harness.imap import any_certificate, mailbox
from ..container.harness.managesieve import ManageSieve
from ..container.harness.shell import attempt, run, wait_until
from ..container.harness.signpost import ROOT, Signpost
from ..container.harness.small_disk import SmallDisk
from ..container.harness.world import World
from ..entrypoint.certificates import Authority
from .ledger import Found, Ledger
from .numbered import compose
from .routes import (
    ACCOUNTS,
    ALIASES,
    APPENDED,
    DOMAIN,
    FILED,
    FILING,
    PROBE,
    SCRIPTS,
    SECRET,
    SENDER,
    USERS,
    ZONE,
)

HOST = f"mail.{DOMAIN}"
PLACE = 150
PROGRAMS = ("__init__", "numbered", "outside", "stored")
ENVIRONMENT = {
    "MAIL_HOSTNAME": HOST,
    "DOMAINS": DOMAIN,
    "ACCOUNTS": "\n".join(f"{address}:{SECRET}" for address in ACCOUNTS),
    "ALIASES": "\n".join(f"{address}: {target}" for address, target in ALIASES.items()),
    "MESSAGE_RATELIMIT": "no",
    "JUNK_FILTER": "yes",
    "LOG_FORMAT": "json",
    "TRACE_DAYS": "1",
    "SSL_TYPE": "manual",
    "SSL_CERT_PATH": "/tls/cert.pem",
    "SSL_KEY_PATH": "/tls/key.pem",
}


class Outside:
    """The outside's MX, in the client's container; hears a word, and tells what it got."""

    def __init__(self, run_: str, container: str) -> None:
        self._run, self._container = run_, container
        self._folder = f"/tmp/{run_}"

    def start(self) -> None:
        copy_programs(self._container)
        self._sh(f"mkdir {self._folder}; : >{self._folder}/received")
        self._say("accept")
        command = f"cd /soak && exec python3 -m tests.soak.outside {self._run} {self._folder}"
        run("docker", "exec", "--detach", self._container, "sh", "-c", command)
        wait_until(
            lambda: b":25 " in run("docker", "exec", self._container, "ss", "-ltn"), "the MX"
        )

    def stop(self) -> None:
        pattern = f"tests.soak.outside {self._run}"
        attempt("docker", "exec", self._container, "pkill", "-f", pattern)

    @contextmanager
    def mode(self, word: str) -> Iterator[None]:
        """Inside, it does so: defer, hang, reject."""
        self._say(word)
        try:
            yield
        finally:
            self._say("accept")

    def received(self) -> list[Found]:
        """What it answered 250 or 550 at the end of the data."""
        lines = run("docker", "exec", self._container, "cat", f"{self._folder}/received")
        return [Found(*json.loads(line)) for line in lines.splitlines()]

    def has(self, number: int) -> bool:
        """Whether something of a number has come."""
        path = f"{self._folder}/received"
        found = attempt("docker", "exec", self._container, "grep", "-q", rf"^\[{number}, ", path)
        return found.returncode == 0

    def _say(self, word: str) -> None:
        # The file is never seen empty.
        self._sh(f"echo {word} >{self._folder}/new; mv {self._folder}/new {self._folder}/mode")

    def _sh(self, script: str) -> None:
        run("docker", "exec", self._container, "sh", "-c", script)


class Scene:
    """All of it, up; `server` answers."""

    def __init__(self, world: World, run_: str, messages: int, ledger: Ledger) -> None:
        self.run, self.ledger = run_, ledger
        # Of each: whether it is whole, how many numbers it must have, those that it lacks, what was
        # said.
        self.backups: list[tuple[bool, int, set[int], str]] = []
        self.world = world
        self._stack = ExitStack()
        # A full one has to be filled, so it is not larger than the messages need.
        self.data = SmallDisk("data", size=f"{200 + messages // 50}m", inodes=20_000 + 3 * messages)
        self.queue = SmallDisk("queue", size=f"{100 + messages // 250}m", inodes=60_000)
        self.outside = Outside(run_, world.swaks.container)
        self.tls = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-tls-")))
        (self.tls / "ca").mkdir()
        self._authority = Authority.make(self.tls / "ca")
        self.new_certificate()
        self.server: Signpost = world.signpost(ENVIRONMENT, place=PLACE)
        self.server.laid_over = [Path(__file__).with_name("compose.soak.yaml")]
        # For whom a program begins in its container, and who pauses this: with version 1 of cgroups
        # runc and the pause may wait for each other for ever.
        self.entering = threading.Lock()

    def __enter__(self) -> Scene:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        enter = self._stack.enter_context
        for disk in (self.data, self.queue):
            enter(disk)
            copy_programs(disk.container)
        self._publish()
        self._stack.callback(self.outside.stop)
        self.outside.start()
        self.tls.chmod(0o755)
        self.server.service["volumes"] = [
            self.data.mount("data", "/data"),
            self.queue.mount("queue", "/var/spool/smtpd"),
            {"type": "bind", "source": str(self.tls), "target": "/tls", "read_only": True},
        ]
        # As compose.yaml has it.
        self.server.service["restart"] = "unless-stopped"
        self.server.patience = 60
        enter(self.server)
        for account, script in SCRIPTS.items():
            with ManageSieve(self.server.v4) as sieve:
                sieve.start_tls(any_certificate()).login(account, SECRET).activate(script)
        for account, folder in [(FILING, FILED), *((user, APPENDED) for user in USERS)]:
            with mailbox(self.server.v4, (account, SECRET)) as box:
                box.session.create(folder)
        self._train()

    def _train(self) -> None:
        """Every account has learned enough of both classes, so that the words of each message are
        looked at; what is sent here is ham by them.
        """
        local, _, domain = PROBE.partition("@")
        trained = ("signpost", "junk", "train", PROBE)
        for cls, letters in (("ham", _ham()), ("spam", _spam())):
            self.server.exec(*trained, cls, "-", stdin=b"".join(letters))
        homes = f"/disk/data/mail/{domain}"
        for account in ACCOUNTS:
            if account != PROBE:
                home = f"{homes}/{account.partition('@')[0]}"
                script = f"mkdir -p {home} && cp -a {homes}/{local}/junk {home}/"
                run("docker", "exec", self.data.container, "sh", "-c", script)

    def _publish(self) -> None:
        address = self.world.client[0]
        self.world.ns.publish(
            "far.test",
            f"mx.{ZONE}. 1 IN A {address}",
            *(f"{name}.{ZONE}. 1 IN MX 10 mx.{ZONE}." for name in ("people", "senders")),
        )

    def new_certificate(self) -> bytes:
        """Where the server looks for it."""
        return put_pair(self.tls, self._authority, HOST)

    def shown(self) -> str | None:
        """The certificate of port 465, by its SHA-256."""
        try:
            with (
                socket.create_connection((self.server.v4, 465), 5) as plain,
                any_certificate().wrap_socket(plain) as session,
            ):
                der = session.getpeercert(binary_form=True)
        except OSError:
            return None
        return hashlib.sha256(der or b"").hexdigest()

    def stored(self) -> list[Found]:
        """What is on the server's volumes, be it up or down: mailboxes and queue."""
        found = []
        for disk, what in ((self.data, "mailboxes /disk/data"), (self.queue, "queue /disk/queue")):
            command = f"cd /soak && exec python3 -m tests.soak.stored {self.run} {what}"
            lines = run("docker", "exec", disk.container, "sh", "-c", command)
            found += [Found(*json.loads(line)) for line in lines.splitlines()]
        return found

    def delivered(self, number: int, address: str) -> bool:
        """Whether a number is in an account's INBOX."""
        name, _, domain = address.partition("@")
        maildir = f"/disk/data/mail/{domain}/{name}/Maildir"
        pattern = f"^X-Soak: {self.run} {number} "
        command = ("grep", "-rqs", pattern, f"{maildir}/new", f"{maildir}/cur")
        return attempt("docker", "exec", self.data.container, *command).returncode == 0

    def waiting(self) -> int:
        """How many messages are in the queue."""
        script = "find /disk/queue/queue /disk/queue/incoming -name message | wc -l"
        return int(run("docker", "exec", self.queue.container, "sh", "-c", script))


_MBOX = b"From - Thu Nov 26 04:00:00 2026\n"


def _ham() -> Iterator[bytes]:
    for number in range(101):
        letter = compose("trained", number, SENDER, PROBE).replace(b"\r\n", b"\n")
        yield _MBOX + letter.replace(b"\nFrom ", b"\n>From ") + b"\n"


def _spam() -> Iterator[bytes]:
    for number in range(51):
        yield _MBOX + (
            b"From: <winner%d@prize.invalid>\nSubject: you won a prize\n\n"
            b"casino lottery million claim urgent %d\n\n"
        ) % (number, number)


def copy_programs(container: str) -> None:
    """Those modules that run where there is nothing but Python."""
    folder = "/soak/tests/soak"
    run("docker", "exec", container, "mkdir", "-p", folder)
    for name in PROGRAMS:
        run("docker", "cp", "-q", str(ROOT / f"tests/soak/{name}.py"), f"{container}:{folder}/")
