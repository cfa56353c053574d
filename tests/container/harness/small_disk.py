"""A small disk for a Signpost's folders: filled, emptied, made read-only, while it runs or not."""

from __future__ import annotations

from typing import Literal

from .shell import attempt, fresh, run
from .signpost import PEERS

Kind = Literal["blocks", "inodes", "read-only"]


class SmallDisk:
    """A tmpfs in a volume. A container of its own keeps it mounted, so that it outlasts others."""

    def __init__(self, *folders: str, size: str = "40m", inodes: int = 3000) -> None:
        self._folders = folders
        self._options = f"size={size},nr_inodes={inodes}"
        self.container = fresh("signpost-test-disk")

    def __enter__(self) -> SmallDisk:
        try:
            options = ("type=tmpfs", "device=tmpfs", f"o={self._options}")
            run(
                *("docker", "volume", "create", "--driver", "local"),
                *(word for option in options for word in ("--opt", option)),
                self.container,
            )
            run(
                *("docker", "run", "--detach", "--rm", "--init", "--name", self.container),
                *("--network", "none", "--volume", f"{self.container}:/disk"),
                *("--entrypoint", "sleep", PEERS, "infinity"),
            )
            self._sh(*(f"mkdir /disk/{folder}" for folder in self._folders))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        attempt("docker", "rm", "--force", self.container)
        attempt("docker", "volume", "rm", "--force", self.container)

    def mount(self, folder: str, target: str) -> dict[str, object]:
        """One of its folders as compose mounts it."""
        template = "{{.Mountpoint}}"
        place = run("docker", "volume", "inspect", "--format", template, self.container).decode()
        return {"type": "bind", "source": f"{place.strip()}/{folder}", "target": target}

    def fill(self, kind: Kind = "blocks", leaving: int = 0) -> None:
        """Leave no room; or, of bytes, so much."""
        if kind == "read-only":
            self._remount("ro")
        elif kind == "inodes":
            self._sh(
                "mkdir -p /disk/filled; i=0",
                "while touch $(seq -f /disk/filled/%.0f $i $((i + 499))) 2>/dev/null; "
                "do i=$((i + 500)); done",
            )
        else:
            # What is to stay free is taken first, and given back.
            if leaving:
                self._sh(f"fallocate -l {leaving} /disk/left")
            self._sh(
                "dd if=/dev/zero of=/disk/filled.$$ bs=64k 2>/dev/null",
                "dd if=/dev/zero of=/disk/rest.$$ bs=512 2>/dev/null; rm -f /disk/left",
            )

    def clear(self, kind: Kind = "blocks") -> None:
        """Give back what was filled."""
        if kind == "read-only":
            self._remount("rw")
        else:
            self._sh("rm -rf /disk/filled* /disk/rest.*")

    def _sh(self, *lines: str) -> None:
        run("docker", "exec", self.container, "sh", "-c", "\n".join((*lines, "true")))

    def _remount(self, how: str) -> None:
        run(
            *("docker", "run", "--rm", "--network", "none", "--cap-add", "SYS_ADMIN"),
            *("--security-opt", "apparmor=unconfined", "--security-opt", "seccomp=unconfined"),
            *("--volume", f"{self.container}:/disk", "--entrypoint", "mount", PEERS),
            *("-o", f"remount,{how}", "/disk"),
        )
