"""Would smtpd take what was rendered? Asked without a start: nothing of it goes to its place."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from entrypoint import paths, render
from entrypoint.tls.self_signed import self_signed


def check_rendered(files: Iterable[render.RenderedFile], hostname: str) -> None:
    """Raises ConfigurationError with smtpd's own words."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder)
        # smtpd -n opens the tables and the key pair, so all of it stands in a folder of its own.
        moved = [
            replace(file, content=file.content.replace(str(paths.RUN), folder)) for file in files
        ]
        render.write(moved, run)
        render.write_certificate(run, *self_signed(hostname))
        render.check_syntax(run / "smtpd.conf")
