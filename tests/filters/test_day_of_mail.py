"""Memory stays flat over many messages, though nothing collects reference cycles meanwhile.

The long form is in tests/container/reliability.
"""

import subprocess
import sys


def test_five_thousand_messages() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.filters.day_of_mail", "5000"],
        capture_output=True,
        check=True,
        timeout=120,
    )
    memory = [int(line) for line in done.stdout.split()]
    # Once the caches are full: half a KB for each message would be a leak.
    assert memory[-1] - memory[len(memory) // 5] < 2_000, memory
