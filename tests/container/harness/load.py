"""Logins and messages at the same time, and what became of each of them."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .shell import fresh, wait_until
from .signpost import Signpost
from .world import World

CLIENTS = Path(__file__).parents[1] / "clients"

# Every message of a run: its number, when it was sent, when its file got its name.
DELIVERED = """
import json, os, pathlib, sys
found = []
for folder in ("new", "cur"):
    for path in pathlib.Path(sys.argv[1], folder).glob("*"):
        try:
            head = path.read_text("latin-1").split("\\n\\n")[0]
            changed = path.stat().st_ctime
        except FileNotFoundError:
            continue
        for line in head.splitlines():
            if line.startswith(f"X-Load: {sys.argv[2]} "):
                number, sent = line.split()[2:]
                found.append((int(number), float(sent), changed))
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Load:
    """What a run saw. `rcpt` and `delivery` are seconds, of each message."""

    logins: Counter[str]
    accepted: list[int]
    refused: list[int]
    delivered: list[int]
    rcpt: list[float]
    delivery: list[float]

    def __str__(self) -> str:
        """The figures, for a report."""
        return (
            f"logins {dict(self.logins)}, messages {len(self.accepted)} accepted, "
            f"{len(self.refused)} refused {dict(Counter(self.refused))}, "
            f"{len(self.delivered)} delivered; RCPT p50 {percentile(self.rcpt, 50):.3f} s, "
            f"p99 {percentile(self.rcpt, 99):.3f} s, most {max(self.rcpt):.3f} s; delivery p50 "
            f"{percentile(self.delivery, 50):.3f} s, p99 {percentile(self.delivery, 99):.3f} s, "
            f"most {max(self.delivery, default=0.0):.3f} s"
        )


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent do not exceed; 0 of nothing."""
    if not values:
        return 0.0
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def load(
    world: World,
    signpost: Signpost,
    login: tuple[str, str],
    *,
    loops: int,
    rate: float,
    seconds: float,
    patience: float = 20,
) -> Load:
    """`loops` logins at a time beside `rate` messages a second; back when all is delivered, or
    when what is not has not come in `patience` seconds.
    """
    run = fresh("run")
    secret = json.dumps([*login, login[0], run])
    command = ("python3", "-", signpost.v4, str(loops), str(rate), str(seconds), secret)
    program = (CLIENTS / "load.py").read_bytes()
    said = json.loads(world.exec_client(*command, stdin=program, timeout=seconds + 120))
    accepted = [number for number, code, _, _ in said["messages"] if code == 250]
    refused = [code for _, code, _, _ in said["messages"] if code != 250]
    with suppress(AssertionError):  # it is in what is returned
        wait_until(lambda: len(_delivered(signpost, login[0], run)) >= len(accepted), "", patience)
    found = _delivered(signpost, login[0], run)
    return Load(
        Counter(said["logins"]),
        sorted(accepted),
        refused,
        sorted(number for number, _, _ in found),
        [waited for _, _, waited, _ in said["messages"]],
        [changed - sent for _, sent, changed in found],
    )


def _delivered(signpost: Signpost, address: str, run: str) -> list[tuple[int, float, float]]:
    name, _, domain = address.partition("@")
    folder = f"/data/mail/{domain}/{name}/Maildir"
    found: list[tuple[int, float, float]] = json.loads(
        signpost.exec("python3", "-c", DELIVERED, folder, run, user="vmail")
    )
    return found


def running_agents(signpost: Signpost) -> int:
    """How many delivery agents smtpd believes to run."""
    lines = signpost.exec("smtpctl", "show", "stats").splitlines()
    (found,) = (line for line in lines if line.startswith("mda.running="))
    return int(found.partition("=")[2])


def zombies(signpost: Signpost) -> list[str]:
    """The processes that have ended and that nobody has asked for, by their names."""
    listing = signpost.exec("sh", "-c", "cat /proc/[0-9]*/stat 2>/dev/null || true")
    fields = [line.rpartition(")") for line in listing.splitlines()]
    return [name for name, _, rest in fields if rest.split()[:1] == ["Z"]]
