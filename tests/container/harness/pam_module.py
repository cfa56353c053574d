"""The PAM module as the image's build stage compiles it. Nothing of it is on this machine."""

from __future__ import annotations

from pathlib import Path

from .shell import attempt, fresh, run
from .signpost import IMAGE, ROOT

STAGE = f"{IMAGE}-pam"  # gcc and libpam's headers are in it; the module is under /out


def build() -> None:
    """The stage, as an image."""
    run("docker", "build", "-q", "--target", "programs", "-t", STAGE, str(ROOT))


def copy_to(folder: Path) -> dict[Path, str]:
    """The built module, copied into a folder: that file, and its place in a Debian."""
    container = fresh("signpost-test-pam")
    run("docker", "create", "--name", container, STAGE)
    try:
        run("docker", "cp", f"{container}:/out", str(folder))
    finally:
        attempt("docker", "rm", "--force", container)
    found = [path for path in folder.glob("out/**/*") if path.is_file()]
    return {path: f"/{path.relative_to(folder / 'out')}" for path in found}
