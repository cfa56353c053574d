"""One thing that is wrong."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """program: what supervisor restarts to cure it; empty where a restart is no cure."""

    text: str
    program: str = ""
