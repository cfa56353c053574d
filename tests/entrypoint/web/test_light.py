"""The web service stays in memory: it loads h11, and of all else the standard library only."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
PROGRAM = """
import sys
before = set(sys.modules)
import entrypoint.web.__main__
tops = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(tops - sys.stdlib_module_names))
"""


def test_only_the_standard_library_and_h11_are_loaded() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, check=True, text=True
    )
    assert done.stdout.split() == ["entrypoint", "filters", "h11"]
