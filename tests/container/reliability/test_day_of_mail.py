"""A day's worth of mail through both filters with the image's Python: memory stays flat."""

from pathlib import Path

import pytest

from ..harness.shell import run
from ..harness.signpost import IMAGE

SCRIPT = Path(__file__).parents[2] / "filters" / "day_of_mail.py"


@pytest.mark.reliability
def test_a_hundred_thousand_messages(target_image: None) -> None:
    command = ["docker", "run", "--rm", "-i", "--network", "none", "--entrypoint", "python", IMAGE]
    said = run(*command, "-", "100000", stdin=SCRIPT.read_bytes(), timeout=1_200)
    memory = [int(line) for line in said.split()]
    assert len(memory) == 50
    assert max(memory) - memory[5] < 4_000, memory
