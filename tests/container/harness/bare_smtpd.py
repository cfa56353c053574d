"""An OpenSMTPD of a Debian release with one filter program, and a client that says raw bytes.

Knows nothing of Signpost's image; the filter library is mounted as it is in the repository.
"""

from __future__ import annotations

import io
import json
import re
import socket
import ssl
import tarfile
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from entrypoint.config.passwords import hash_password

from .shell import attempt, fresh, run, wait_until
from .signpost import CHECKOUT, ROOT

USER, PASSWORD = "someone", "a secret of someone"
PORTS = {"plain": 25, "twice": 2525, "tls": 465}

# here.test lives here; mail to gone.test is taken, and then refused by this very server.
CONFIGURATION = """
pki "here" cert "/tls/cert.pem"
pki "here" key "/tls/key.pem"
table mailboxes {{ "@" = "vault" }}
table logins {{ "{user}" = "{hash}" }}
proc "p" "/usr/bin/python3 /programs/{program}" user nobody group nogroup
filter "f" proc "p"
filter "g" proc "p"
filter "twice" chain {{ "f", "g" }}
listen on socket filter "f"
listen on 0.0.0.0 port 25 hostname "mx.here.test" filter "f"
listen on 0.0.0.0 port 2525 hostname "mx.here.test" filter "twice"
listen on 0.0.0.0 port 465 smtps pki "here" auth <logins> hostname "mx.here.test" filter "f"
action "keep" maildir "/mail/Maildir" user vault virtual <mailboxes>
action "out" relay host "smtp://127.0.0.1:25" filter "f"
match from local for domain "gone.test" reject
match from any for domain "here.test" action "keep"
match from any for domain "gone.test" action "out"
"""

MEMORY = r"""
import json, pathlib, re
found = {}
for folder in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        name = (folder / "cmdline").read_bytes().decode().replace("\0", " ").strip()
        size = re.search(r"VmRSS:\s+(\d+)", (folder / "status").read_text())
    except OSError:
        continue
    if size:
        found[name] = int(size[1])
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Reply:
    """A whole reply; code 0 is the end of the connection."""

    code: int
    text: str


class Client:
    """A connection to the server; nothing is added to what is said."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._stream = connection.makefile("rb")

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()
        self.socket.close()

    def send(self, raw: bytes) -> None:
        """Bytes, as they are."""
        self.socket.sendall(raw)

    def reply(self) -> Reply:
        """The next reply."""
        lines: list[str] = []
        while True:
            try:
                line = self._stream.readline().decode("ascii", "backslashreplace")
            except ConnectionError:
                line = ""
            if not line:
                return Reply(0, "\n".join(lines))
            lines.append(line[4:].rstrip("\r\n"))
            if line[3:4] != "-":
                return Reply(int(line[:3]), "\n".join(lines))

    def say(self, command: bytes) -> Reply:
        """A command and its reply."""
        self.send(command + b"\r\n")
        return self.reply()

    def begin(self, sender: bytes = b"out@side.test", to: bytes = b"x@here.test") -> None:
        """MAIL, RCPT and DATA, each of them accepted."""
        for command in (b"MAIL FROM:<" + sender + b">", b"RCPT TO:<" + to + b">", b"DATA"):
            reply = self.say(command)
            assert reply.code in {250, 354}, (command, reply)

    def mail(self, stuffed: bytes, sender: bytes = b"out@side.test") -> Reply:
        """A whole transaction; `stuffed` is what goes over the wire before the last dot."""
        self.begin(sender)
        self.send(stuffed + b".\r\n")
        return self.reply()


class BareSmtpd:
    """One server in a container of its own, with a filter `program` of tests/container/filters."""

    def __init__(self, suite: str, program: str) -> None:
        self.suite, self.program = suite, program
        self.container = fresh("signpost-test-smtpd")
        self._ports: dict[str, int] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="signpost-test-")

    @staticmethod
    def build(suite: str) -> None:
        """The image of a Debian release."""
        run(str(ROOT / "tests/engine.sh"), "base", suite)
        context = ROOT / "tests/container/smtpds"
        base = f"BASE=debian:{suite}-slim"
        run("docker", "build", "-q", "--build-arg", base, "-t", _image(suite), str(context))

    def __enter__(self) -> Self:
        configuration = Path(self._folder.name) / "smtpd.conf"
        configuration.write_text(self.configuration())
        # smtpd looks for a client's name before it greets: in /etc/hosts, and on no name server.
        names = Path(self._folder.name) / "resolv.conf"
        names.write_text("lookup file\n")
        mounts = {
            ROOT / "filters": "/signpost/filters",
            ROOT / "tests/container/filters": "/programs",
            configuration: "/etc/smtpd-test.conf",
            names: "/etc/resolv.conf",
            **self.more_mounts(),
        }
        try:
            run(
                *("docker", "run", "--detach", "--name", self.container),
                *(word for port in PORTS.values() for word in ("-p", f"127.0.0.1::{port}")),
                *(w for file, at in mounts.items() for w in ("-v", f"{file}:{at}:ro")),
                _image(self.suite),
            )
            self._ports = {name: self._published(port) for name, port in PORTS.items()}
            wait_until(self._answers, "smtpd to greet")
        except BaseException:
            self.remove()
            raise
        return self

    def configuration(self) -> str:
        """smtpd.conf; a subclass may have another."""
        return CONFIGURATION.format(program=self.program, user=USER, hash=hash_password(PASSWORD))

    def more_mounts(self) -> dict[Path, str]:
        """Files of this machine by their place in the container; a subclass may add some."""
        return {}

    def __exit__(self, *exception: object) -> None:
        self.remove()

    def remove(self) -> None:
        """The container and all that is in it."""
        attempt("docker", "rm", "--force", "--volumes", self.container)
        self._folder.cleanup()

    def _answers(self) -> bool:
        running = run("docker", "inspect", "-f", "{{.State.Running}}", self.container)
        assert running.strip() == b"true", self.logs()
        try:
            with self.connect() as client:
                return client.say(b"NOOP").code == 250
        except (AssertionError, OSError):
            return False

    def connect(self, listener: str = "plain") -> Client:
        """A client that has said EHLO."""
        with ExitStack() as undo:
            connection = socket.create_connection(("127.0.0.1", self._ports[listener]), timeout=30)
            undo.callback(connection.close)
            if listener == "tls":
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                connection = context.wrap_socket(connection)
            client = undo.enter_context(Client(connection))
            greeting = client.reply()
            assert greeting.code == 220, greeting
            assert client.say(b"EHLO client.test").code == 250
            undo.pop_all()
        return client

    def _published(self, port: int) -> int:
        found = run("docker", "port", self.container, f"{port}/tcp").decode()
        return int(found.split()[0].rpartition(":")[2])

    def logs(self) -> str:
        """smtpd's log, and the filter's."""
        done = attempt("docker", "logs", self.container)
        return (done.stdout + done.stderr).decode(errors="replace")

    def mailbox(self) -> list[bytes]:
        """Every message that was delivered; lines end in LF."""
        archive = attempt("docker", "cp", f"{self.container}:/mail/Maildir/new", "-")
        if archive.returncode:
            return []
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            contents = [files.extractfile(member) for member in files if member.isfile()]
            return [content.read() for content in contents if content is not None]

    def wait_for_mail(self, word: bytes) -> bytes:
        """The message that has `word` in it, as soon as it is delivered."""

        def look() -> bytes | None:
            return next((message for message in self.mailbox() if word in message), None)

        found = wait_until(look, f"mail with {word!r} in it\n{self.logs()[-3000:]}")
        assert found is not None
        return found

    def memory(self) -> dict[str, int]:
        """Kilobytes of resident memory: of the `filter`, and of all of `smtpd`'s processes."""
        done = run("docker", "exec", self.container, "python3", "-c", MEMORY)
        by_command: dict[str, int] = json.loads(done)
        (own,) = (size for name, size in by_command.items() if self.program in name)
        others = [size for name, size in by_command.items() if re.search("smtpd", name)]
        return {"filter": own, "smtpd": sum(others)}


def _image(suite: str) -> str:
    return f"signpost-test-smtpd-{CHECKOUT}:{suite}"
