"""Programs in bogofilter's place: slow ones, and such as fail."""

from __future__ import annotations

from pathlib import Path


def stand_in(folder: Path, script: str) -> str:
    """The path of one that runs this script."""
    program = folder / "stand-in"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)
