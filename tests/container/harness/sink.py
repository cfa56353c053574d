"""An SMTP server in a peer's container that changes no byte. Knows nothing of Signpost."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .shell import attempt, fresh, run, wait_until


@dataclass(frozen=True)
class OnTheWire:
    """A message as the sink got it: the commands from MAIL on, and the data, still dot-stuffed."""

    commands: tuple[bytes, ...]
    data: bytes

    @property
    def sender(self) -> bytes:
        """The envelope sender."""
        return self.commands[0].partition(b"<")[2].partition(b">")[0]


class Sink:
    """What has arrived on a port of a container."""

    def __init__(self, container: str, folder: str) -> None:
        self._container = container
        self._folder = folder

    def received(self) -> list[OnTheWire]:
        """All messages so far, oldest first."""
        # It fails where a message arrives meanwhile, and has the others all the same.
        archive = attempt("docker", "exec", self._container, "tar", "-C", self._folder, "-c", ".")
        found: dict[int, OnTheWire] = {}
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            for member in files:
                name = member.name.removeprefix("./")
                content = files.extractfile(member) if name.isdigit() else None
                if content is not None:
                    commands, _, data = content.read().partition(b"\r\n\r\n")
                    found[int(name)] = OnTheWire(tuple(commands.split(b"\r\n")), data)
        return [found[number] for number in sorted(found)]

    def wait_for(self, token: str, timeout: float = 20) -> OnTheWire:
        """The first message that has `token` in a command or in its data."""

        def look() -> OnTheWire | None:
            for mail in self.received():
                if token.encode() in b"\r\n".join([*mail.commands, mail.data]):
                    return mail
            return None

        found = wait_until(look, f"a message with {token!r} at the sink", timeout)
        assert found is not None
        return found


@contextmanager
def sink(container: str, port: int) -> Iterator[Sink]:
    """Inside, it listens on this port of the container."""
    folder = f"/tmp/{fresh('sink')}"
    run("docker", "exec", "--detach", container, "sink", str(port), folder)
    listens = ("sh", "-c", f"ss -ltn | grep -q ':{port} '")
    wait_until(lambda: attempt("docker", "exec", container, *listens).returncode == 0, "the sink")
    try:
        yield Sink(container, folder)
    finally:
        attempt("docker", "exec", container, "pkill", "--full", f"sink {port} {folder}")
