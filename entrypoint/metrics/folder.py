"""/run/signpost/metrics: who may read and write what in it. Made at each start; root."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path

from entrypoint.files import numbers, own_folder, write_file
from entrypoint.metrics import PORT
from entrypoint.metrics.event_pipe import EVENTS
from entrypoint.metrics.observations import FILTERS
from entrypoint.metrics.own_names import NAMES, OwnNames
from entrypoint.paths import DKIM_KEYS, METRICS, RUN

READER = "metrics"


def make_metrics(port: int | None) -> None:
    """Have the folder as a start needs it. Raises OSError."""
    shutil.rmtree(METRICS, ignore_errors=True)
    if port is None:
        return
    own_folder(METRICS, "root", "root", 0o711)
    for path in FILTERS.values():
        # The folder is named for the filter's user.
        own_folder(path.parent, path.parent.name, READER, 0o750)
    with contextlib.suppress(FileExistsError):
        os.mkfifo(EVENTS, 0o600)
    os.chown(EVENTS, *numbers("root", READER))
    EVENTS.chmod(0o640)
    publish(RUN / PORT, f"{port}\n")
    write_names()


def write_names(run: Path = RUN) -> None:
    """Our domains and keys, from what the filters read. Raises OSError or ValueError."""
    domains = json.loads((run / "addresses.json").read_text("utf-8"))["domains"]
    keys = [
        (domain, selector)
        for line in (run / DKIM_KEYS).read_text("utf-8").splitlines()
        if line.strip() and not line.startswith("#")
        for domain, selector, _ in [line.split(":", 2)]
    ]
    own = OwnNames.of([*domains, *(domain for domain, _ in keys)], keys)
    publish(NAMES, own.to_json())


def publish(path: Path, content: str) -> None:
    """Replace a file that only the metrics' program reads. Raises OSError."""
    write_file(path, content.encode("utf-8"), "root", READER, 0o640)
