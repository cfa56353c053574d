"""What a start of a test target would do: for `signpost check` and `signpost render`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

from entrypoint.config.host import host_facts
from entrypoint.render import RenderedFile
from entrypoint.test_mode.passwords import hashed
from entrypoint.test_mode.reading import load
from entrypoint.test_mode.render import render, render_masked
from entrypoint.test_mode.settings import TestSettings
from entrypoint.tls.rendered import check_rendered


def checked(environ: Mapping[str, str]) -> tuple[TestSettings, list[str]]:
    """The settings, and what is without effect. Raises ConfigurationError."""
    settings, warnings = load(environ, host_facts())
    check_rendered(render(hashed(settings), version("signpost")), settings.mail_hostname)
    return settings, warnings


def masked_files(environ: Mapping[str, str]) -> list[RenderedFile]:
    """Raises ConfigurationError."""
    settings, _ = load(environ, host_facts())
    return render_masked(hashed(settings), version("signpost"))
