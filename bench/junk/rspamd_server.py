"""Debian's rspamd with its default rules and Bayes in valkey; no check that needs a network.

What such checks would have found can be given to it by the symbols that they set (`informed`), with
the weights of its own defaults.
"""

from __future__ import annotations

import http.client
import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from bench.end_to_end import cost
from bench.junk.contender import Cost
from bench.junk.listed import Listed
from bench.junk.name_server import name_server
from bench.server import RUN, Server

SCANNER, CONTROLLER, VALKEY = 11333, 11334, 6379
SYMBOLS = {
    "spf": {
        "pass": "R_SPF_ALLOW",
        "fail": "R_SPF_FAIL",
        "softfail": "R_SPF_SOFTFAIL",
        "neutral": "R_SPF_NEUTRAL",
        "none": "R_SPF_NA",
    },
    "dkim": {"pass": "R_DKIM_ALLOW", "fail": "R_DKIM_REJECT", "none": "R_DKIM_NA"},
}
DMARC_FAILED = {
    "none": "DMARC_POLICY_SOFTFAIL",
    "quarantine": "DMARC_POLICY_QUARANTINE",
    "reject": "DMARC_POLICY_REJECT",
}


def symbols(facts: dict[str, object]) -> list[str]:
    """What rspamd's own modules would have set."""
    found = [names[str(facts[fact])] for fact, names in SYMBOLS.items()]
    if facts["dmarc"] == "pass":
        found.append("DMARC_POLICY_ALLOW")
    elif facts["dmarc"] == "fail":
        found.append(DMARC_FAILED[str(facts["dmarc_policy"])])
    else:
        found.append("DMARC_NA")
    return [*found, *["RBL_SPAMHAUS_XBL"] * bool(facts["dnsbl"])]


class Rspamd:
    """Scanner, controller and database in this container."""

    threshold = 6.0  # its action "add header"

    def __init__(self, *, informed: bool) -> None:
        self.name = "rspamd, given SPF, DKIM, DMARC, DNSBL" if informed else "rspamd"
        self._informed = informed

    @contextmanager
    def session(self) -> Iterator[None]:
        RUN.mkdir(mode=0o755, exist_ok=True)
        with name_server(), _Database(), _Scanner():
            yield

    def train(self, lessons: Sequence[Listed]) -> None:
        # In the order in which they came, as people file them.
        for one in lessons:
            self._teach(one)

    def _teach(self, one: Listed) -> None:
        status, said = _post(CONTROLLER, "/learnspam" if one.spam else "/learnham", one.path, {})
        # 204, 208: it is sure of that class already, and learns no more of it.
        if status not in {200, 204, 208}:
            raise RuntimeError(f"rspamd does not learn {one.path}: {status} {said!r}")

    def score(self, messages: Sequence[Listed]) -> list[float]:
        with ThreadPoolExecutor(3) as pool:
            return list(pool.map(self._score, messages))

    def _score(self, one: Listed) -> float:
        status, said = _post(SCANNER, "/checkv2", one.path, self._envelope(one.facts))
        if status != 200:
            raise RuntimeError(f"rspamd does not scan {one.path}: {status} {said!r}")
        return float(json.loads(said)["score"])

    def _envelope(self, facts: dict[str, object]) -> dict[str, str]:
        if not facts:
            return {}
        fields = {
            "IP": str(facts["client_address"]),
            "Helo": str(facts["helo_name"]),
            "Hostname": str(facts["rdns_name"]) or "unknown",
            "From": str(facts["mail_from"]),
        }
        if self._informed:
            fields["Settings"] = json.dumps({"symbols": symbols(facts)})
        return fields

    def cost(self, lessons: Sequence[Listed], messages: Sequence[Listed]) -> Cost:
        verdicts = [_seconds(lambda one=one: self._score(one)) for one in messages]
        taught = [_seconds(lambda one=one: self._teach(one)) for one in lessons]
        held = cost.memory()
        database = held[_Database.program]
        return Cost(
            statistics.median(taught),
            statistics.median(verdicts),
            held[_Scanner.program] + database,
            database,
        )


class _Database(Server):
    program = "valkey-server"

    def __init__(self) -> None:
        super().__init__(self.program, [self.program, "--save", "", "--dir", "/tmp"])

    def ready(self) -> bool:
        return _answers(VALKEY)


class _Scanner(Server):
    program = "rspamd"
    patience = 180.0  # it may compile its expressions

    def __init__(self) -> None:
        super().__init__(self.program, [self.program, "-f", "-u", "_rspamd", "-g", "_rspamd"])

    def ready(self) -> bool:
        return _answers(SCANNER)


def _answers(port: int) -> bool:
    """Whether a server answers, not only listens: rspamd's parent listens before it can scan."""
    try:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        client.request("GET", "/ping")
        return client.getresponse().status == 200
    except http.client.BadStatusLine:
        return True  # valkey's way to say that this is no HTTP
    except (OSError, http.client.HTTPException):
        return False


def _post(port: int, path: str, message: Path, fields: dict[str, str]) -> tuple[int, bytes]:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        client.request("POST", path, message.read_bytes(), fields)
        response = client.getresponse()
        return response.status, response.read()
    finally:
        client.close()


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
