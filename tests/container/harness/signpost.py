"""One Signpost, started from the project's own compose.yaml: what a test can do with it."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .container import Container
from .shell import CommandError, attempt, fresh, run, wait_until
from .swaks import Conversation, Swaks

ROOT = Path(__file__).parents[3]
COMPOSE = ("docker", "compose", "--env-file", "/dev/null", "--progress", "quiet")
FILES = ("-f", str(ROOT / "compose.yaml"), "-f", str(ROOT / "tests/container/compose.test.yaml"))
# Named by the checkout's own place: what another one builds meanwhile is not what is tested here.
CHECKOUT = hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
IMAGE = f"signpost-test-{CHECKOUT}"
PEERS = f"signpost-test-peers-{CHECKOUT}"
READY = r"signpost ready"
# A file that goes to another name while the engine copies a folder ends the archive there.
_MOST_COPIES = 5


@dataclass(frozen=True)
class Place:
    """Where a Signpost is in the tests' network."""

    network: str
    v4: str
    v6: str
    dns: str

    def environ(self) -> dict[str, str]:
        """What compose.test.yaml's variables stand for."""
        return {
            "SIGNPOST_IMAGE": IMAGE,
            "SIGNPOST_NETWORK": self.network,
            "SIGNPOST_V4": self.v4,
            "SIGNPOST_V6": self.v6,
            "SIGNPOST_DNS": self.dns,
        }


def build(place: Place, base: Mapping[str, str]) -> None:
    """Build the image as compose.yaml says."""
    run(*COMPOSE, *FILES, "build", "signpost", environ={**base, **place.environ()})


class Signpost(Container):
    """A compose project with one Signpost in it, and volumes of its own."""

    def __init__(
        self,
        place: Place,
        base: Mapping[str, str],
        environment: Mapping[str, str],
        mounts: Mapping[str, Path] | None = None,
    ) -> None:
        """`environment` is the container's; `mounts` are files, by their path in the container."""
        self.place = place
        self.v4, self.v6 = place.v4, place.v6
        # No test connects to anybody outside.
        outside = {"DOCTOR_PROBE_DOMAIN": "no"} if "DOMAINS" in environment else {}
        self.environment = {**outside, **environment}
        self.mounts = dict(mounts or {})
        self.image = IMAGE
        # More of compose's own settings.
        self.service: dict[str, object] = {}
        # Files of compose's, for more than this service; they have the last word.
        self.laid_over: list[Path] = []
        # Seconds until it is ready: four, and many more on a machine that is busy.
        self.patience = 60.0
        self._environ = {**base, **place.environ()}
        self._project = fresh("signpost-test")
        self._folder = tempfile.TemporaryDirectory(prefix="signpost-test-")
        self.container = f"{self._project}-signpost-1"
        self._inside = f"{self._project}-inside"

    # -- its life ---------------------------------------------------------------------------

    def start(self) -> Signpost:
        """Create the container anew (the volumes stay) and wait until it is ready."""
        self.launch()
        self.wait_for_log(READY, timeout=self.patience)
        self._wait_for_maintenance()
        return self

    def launch(self) -> None:
        """Create the container anew; do not wait."""
        self._compose("up", "--detach", "--no-build", "--force-recreate")

    def build(self, service: str) -> None:
        """Build one of the services of `laid_over`."""
        self._compose("build", "--quiet", service)

    def restore(self, volumes: bytes) -> None:
        """Create the container, not started yet; its volumes hold this tar and nothing else."""
        self._compose("create", "--no-build")
        folders = "/data /var/spool/smtpd"
        run(
            *("docker", "run", "--rm", "-i", *self.volumes()),
            *("--entrypoint", "sh", PEERS, "-ec"),
            f"find {folders} -mindepth 1 -delete; tar -C / -xp --numeric-owner",
            stdin=volumes,
        )

    def once(
        self, *command: str, files: Mapping[str, Path] | None = None, entrypoint: str = ""
    ) -> subprocess.CompletedProcess[bytes]:
        """`docker compose run --rm`: a command with these volumes, while no server runs there.

        files: by the path that they have in the container. entrypoint: another program.
        """
        other = ("--entrypoint", entrypoint) if entrypoint else ()
        mounts = [word for path, file in (files or {}).items() for word in ("-v", f"{file}:{path}")]
        return self._attempt("run", "--rm", "-T", *other, *mounts, "signpost", *command)

    def stop(self) -> float:
        """SIGTERM, as `docker stop` sends it; the seconds that it took."""
        begin = time.monotonic()
        run("docker", "stop", "--time", "30", self.container)
        return time.monotonic() - begin

    def restart(self) -> None:
        """Stop the container and start the same one again; back when it is ready."""
        lines = len(self.logs().splitlines())
        run("docker", "restart", "--time", "30", self.container)
        wait_until(
            lambda: re.search(READY, "\n".join(self.logs().splitlines()[lines:])),
            "Signpost to be ready again",
            self.patience,
        )
        self._wait_for_maintenance()

    def _wait_for_maintenance(self) -> None:
        """What begins last, when mail moves already: commands and health ask it."""
        listens = ("test", "-S", "/run/signpost/maintenance.socket")
        wait_until(lambda: not self.attempt(*listens).returncode, "maintenance", self.patience)

    def remove(self) -> None:
        """Container, volumes, all."""
        attempt("docker", "rm", "--force", self._inside)
        self._compose("down", "--volumes", "--timeout", "3")
        self._folder.cleanup()

    def __enter__(self) -> Signpost:
        try:
            return self.start()
        except BaseException:
            self.remove()
            raise

    def __exit__(self, *exception: object) -> None:
        self.remove()

    # -- what it says -----------------------------------------------------------------------

    def exit_code(self) -> int:
        """The container's exit status, when it has ended."""
        return int(self.inspect("{{.State.ExitCode}}"))

    # -- mail -------------------------------------------------------------------------------

    def submit(
        self,
        swaks: Swaks,
        login: tuple[str, str],
        *,
        to: str,
        message: bytes | None = None,
        sender: str | None = None,
    ) -> Conversation:
        """Hand in mail as a user does: port 587, STARTTLS, AUTH."""
        return swaks(
            self.v4,
            port=587,
            security="starttls",
            login=login,
            sender=login[0] if sender is None else sender,
            to=to,
            message=message,
        )

    def read_mail(self, address: str, folder: str = "Maildir") -> list[bytes]:
        """The messages in an address's Maildir, or in one of its folders such as Maildir/.Junk,
        as the files are (lines end in LF).
        """
        local, _, domain = address.partition("@")
        # The engine copies it: nothing in the container needs the right to read every file.
        path = f"{self.container}:/data/mail/{domain}/{local}/Maildir"
        for _ in range(_MOST_COPIES):
            archive = attempt("docker", "cp", path, "-")
            if archive.returncode:
                return []
            with suppress(tarfile.ReadError):
                return self._messages_in(archive.stdout, folder)
        raise AssertionError(f"{path}: no copy of it is whole")

    @staticmethod
    def _messages_in(archive: bytes, folder: str) -> list[bytes]:
        found = []
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            for member in sorted(files, key=lambda member: member.mtime):
                if member.isfile() and re.match(rf"{re.escape(folder)}/(new|cur)/", member.name):
                    content = files.extractfile(member)
                    assert content is not None
                    found.append(content.read())
        return found

    def wait_for_mail(
        self, address: str, token: str, timeout: float = 20, folder: str = "Maildir"
    ) -> bytes:
        """The message in an address's Maildir that has `token` in it, when it has come."""

        def look() -> bytes | None:
            return next((m for m in self.read_mail(address, folder) if token.encode() in m), None)

        try:
            message = wait_until(look, f"mail for {address} with {token} in it", timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}\nthe log:\n{self.logs()}") from None
        assert message is not None
        return message

    def dkim_records(self, domain: str) -> list[str]:
        """The zone file lines that `signpost dns` prints for the domain's DKIM keys."""
        printed = self.exec("signpost", "dns", domain)
        return [
            line
            for line in printed.splitlines()
            if "._domainkey" in line and not line.lstrip().startswith(";")
        ]

    def inside(self) -> Swaks:
        """swaks in this container's own network: it comes from 127.0.0.1 or from its address."""
        if attempt("docker", "inspect", self._inside).returncode:
            run(
                *("docker", "run", "--detach", "--rm", "--init", "--name", self._inside),
                *("--network", f"container:{self.container}", "--entrypoint", "sleep"),
                *(PEERS, "infinity"),
            )
        return Swaks(self._inside)

    # -- what it is made of -----------------------------------------------------------------

    def processes(self, *command: str) -> bytes:
        """What a command prints that sees the container's processes, with its own environment."""
        return run(
            *("docker", "run", "--rm", "--pid", f"container:{self.container}"),
            *("--cap-add", "SYS_PTRACE", "--entrypoint", command[0], PEERS, *command[1:]),
        )

    def files(self, *command: str) -> str:
        """What a command prints that may read every file of the volumes."""
        return run(
            *("docker", "run", "--rm", *self.volumes()),
            *("--entrypoint", command[0], PEERS, *command[1:]),
        ).decode()

    # -- how --------------------------------------------------------------------------------

    def volumes(self) -> list[str]:
        """What gives a container the same; --volumes-from cannot where one is a tmpfs."""
        mounts = json.loads(self.inspect("{{json .Mounts}}"))
        return [
            f"--volume={each.get('Name') or each['Source']}:{each['Destination']}"
            f":{'rw' if each['RW'] else 'ro'}"
            for each in mounts
            if each["Type"] != "tmpfs"
        ]

    def _compose(self, *command: str) -> None:
        done = self._attempt(*command)
        if done.returncode:
            printed = (done.stdout + done.stderr).decode(errors="replace")
            raise CommandError(f"compose {' '.join(command)}: exit {done.returncode}\n{printed}")

    def _attempt(self, *command: str) -> subprocess.CompletedProcess[bytes]:
        service = dict(self.service)
        if self.mounts:
            service["volumes"] = [f"{file}:{path}:ro" for path, file in self.mounts.items()]
        # JSON is YAML; a dollar would be compose's own variable.
        settings = json.dumps(self.environment).replace("$", "$$")
        extra = Path(self._folder.name) / "environment.yaml"
        rest = "".join(f"    {key}: {json.dumps(value)}\n" for key, value in service.items())
        extra.write_text(f"services:\n  signpost:\n    environment: !override {settings}\n{rest}")
        files = [word for file in (extra, *self.laid_over) for word in ("-f", str(file))]
        return attempt(
            *(*COMPOSE, "-p", self._project, *FILES, *files, *command),
            environ={**self._environ, "SIGNPOST_IMAGE": self.image},
        )
