"""Without METRICS_PORT there is nothing of it; with it, who reads the log says so, and no more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from entrypoint import render
from entrypoint.completion import preview
from entrypoint.config import environ
from entrypoint.config.settings import HostFacts
from entrypoint.metrics import folder

SETTINGS = {"DOMAINS": "example.org", "ACCOUNTS": "alice@example.org:secret"}


def rendered(**more: str) -> dict[str, str]:
    settings = environ.load({**SETTINGS, **more}, host=HostFacts(ipv6=False))
    return {file.path.name: file.content for file in render.render_masked(preview(settings))}


def test_nothing_of_it_is_rendered_unless_it_is_asked_for() -> None:
    assert not [name for name, text in rendered().items() if "metrics" in text]
    found = rendered(METRICS_PORT="9154", ENABLE_AUTOCONFIG="yes", JUNK_FILTER="yes")
    # smtpd, Dovecot, logins, web, the junk filter; and its own program.
    assert found["supervisord.conf"].count(" --metrics ") == 5
    assert "entrypoint.metrics 9154" in found["supervisord.conf"]
    assert found["smtpd.conf"].count(" --statistics /run/signpost/metrics/") == 2


@pytest.mark.parametrize(
    "module", ["supervise.logpipe", "supervise.__main__", "maintenance.__main__"]
)
def test_nothing_of_it_is_loaded_by_what_runs_all_the_time(module: str) -> None:
    look = (
        f"import sys, entrypoint.{module}\n"
        "print([name for name in sys.modules if name.startswith(('entrypoint.metrics.', "
        "'prometheus'))])"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, check=True)
    assert done.stdout == b"[]\n"


def test_the_sender_needs_the_standard_library_only() -> None:
    look = (
        "import sys, entrypoint.metrics.event_pipe\n"
        "tops = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted({'prometheus_client', 'pydantic', 'h11', 'ssl', 'asyncio'} & tops))"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, check=True)
    assert done.stdout == b"[]\n"


def test_what_an_earlier_start_had_is_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "METRICS", tmp_path / "metrics")
    (tmp_path / "metrics/verifier").mkdir(parents=True)
    folder.make_metrics(None)
    assert not (tmp_path / "metrics").exists()
