"""Where the running server has its files: for programs that must not load the renderer."""

from __future__ import annotations

from pathlib import Path

RUN = Path("/run/signpost")
WEB = RUN / "web"  # there only if the web service is to run
PORTS = "ports"
