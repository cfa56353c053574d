"""Containers of this bench: started, looked at, removed. It must not know what is measured."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

_LONGEST = 600  # seconds of any command
_PSS = re.compile(r"^Pss: +(\d+) kB$", re.MULTILINE)


def docker(*arguments: str) -> str:
    """What it prints. Raises RuntimeError with what it says where it fails."""
    result = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, timeout=_LONGEST
    )
    if result.returncode != 0:
        raise RuntimeError(f"docker {' '.join(arguments)}: {result.stderr.strip()}")
    return result.stdout.strip()


@dataclass(frozen=True)
class Container:
    """ports: of the container → of this machine. ready: seconds from `docker run`."""

    name: str
    image: str
    ports: dict[int, int]
    ready: float

    def pss(self) -> int:
        """Bytes of all its processes: what is shared counts once. Another container looks: a
        process of this one may not look at those of other users.
        """
        text = docker(
            *("run", "--rm", "--name", f"{self.name}-pss", "--pid", f"container:{self.name}"),
            *("--cap-add", "SYS_PTRACE", "--entrypoint", "sh", self.image, "-c"),
            "cat /proc/[0-9]*/smaps_rollup 2>/dev/null || true",
        )
        return sum(int(size) for size in _PSS.findall(text)) * 1024

    def cpu(self) -> float:
        """Seconds of processor time so far, as cgroups count it: version 2, else version 1."""
        script = (
            "sed -n 's/^usage_usec //p' /sys/fs/cgroup/cpu.stat 2>/dev/null | grep . ||"
            " sed 's/...$//' /sys/fs/cgroup/cpuacct/cpuacct.usage"
        )
        return int(docker("exec", "--user", "0", self.name, "sh", "-c", script)) / 1e6


@contextmanager
def running(
    name: str,
    image: str,
    arguments: Sequence[str],
    ports: Sequence[int],
    is_ready: Callable[[dict[int, int]], bool],
    command: Sequence[str] = (),
) -> Iterator[Container]:
    """Until the end of the block, its anonymous volumes with it."""
    subprocess.run(["docker", "rm", "-f", "-v", name], capture_output=True)
    published = [f"--publish=127.0.0.1::{port}" for port in ports]
    begin = time.perf_counter()
    docker("run", "--detach", "--name", name, *published, *arguments, image, *command)
    try:
        found = _ports(name, ports)
        while not is_ready(found):
            if time.perf_counter() - begin > 60:
                raise RuntimeError(f"{name} is not ready: {_log(name)}")
            time.sleep(0.005)
        yield Container(name, image, found, time.perf_counter() - begin)
    finally:
        subprocess.run(["docker", "rm", "-f", "-v", name], capture_output=True)


def _ports(name: str, ports: Sequence[int]) -> dict[int, int]:
    text = docker("inspect", "--format", "{{json .NetworkSettings.Ports}}", name)
    known = json.loads(text)
    if not known:
        raise RuntimeError(f"{name} has ended: {_log(name)}")
    return {port: int(known[f"{port}/tcp"][0]["HostPort"]) for port in ports}


def _log(name: str) -> str:
    """The last of it, for an error."""
    result = subprocess.run(
        ["docker", "logs", "--tail", "20", name], capture_output=True, text=True
    )
    return result.stdout + result.stderr
