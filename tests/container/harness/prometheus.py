"""Debian's Prometheus in a container of its own, which scrapes one server."""

from __future__ import annotations

import json
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from .container import Container
from .shell import attempt, fresh, run
from .signpost import CHECKOUT, ROOT

IMAGE = f"signpost-test-prometheus-{CHECKOUT}"
DOCS = ROOT / "docs/metrics"
CONFIGURATION = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [/metrics/alerts.yml]
scrape_configs: [{{job_name: signpost, static_configs: [{{targets: ["{target}"]}}]}}]
"""


def build_prometheus() -> None:
    """Build its image."""
    folder = Path(__file__).parents[1] / "prometheus"
    run("docker", "build", "--quiet", "--tag", IMAGE, str(folder))


class Prometheus(Container):
    """Runs as a context; target: `ADDRESS:PORT`."""

    def __init__(self, network: str, target: str) -> None:
        self.container = fresh("signpost-test-prometheus")
        self._network, self._target = network, target
        self.address = ""

    def __enter__(self) -> Prometheus:
        text = CONFIGURATION.format(target=self._target)
        start = (
            'printf %s "$1" >/tmp/scrape.yml; exec prometheus --config.file=/tmp/scrape.yml '
            "--storage.tsdb.path=/tmp/data --web.listen-address=:9090"
        )
        run(
            *("docker", "run", "--detach", "--name", self.container, "--network", self._network),
            *("--volume", f"{DOCS}:/metrics:ro", "--entrypoint", "sh", IMAGE, "-c", start),
            *("sh", text),
        )
        template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        self.address = self.inspect(template)
        return self

    def __exit__(self, *exception: object) -> None:
        attempt("docker", "rm", "--force", "--volumes", self.container)

    def query(self, expression: str) -> list[Any]:
        """The series that an expression gives now."""
        found: list[Any] = self._get("query", query=expression)["result"]
        return found

    def rules(self) -> list[Any]:
        """The alerting rules, as it has evaluated them."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def promtool(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run promtool; docs/metrics is /metrics there."""
        return self.attempt("promtool", *arguments, stdin=stdin)

    def _get(self, what: str, **parameters: str) -> Any:
        asked = urllib.parse.urlencode(parameters)
        url = f"http://{self.address}:9090/api/v1/{what}?{asked}"
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                content = json.load(response)
        except (OSError, ValueError):  # it has just begun
            return {"result": [], "groups": []}
        assert content["status"] == "success", content
        return content["data"]
