"""What the watchdog runs: `python -m entrypoint.health SECONDS`, and reads its one line of JSON.

    {"conclusive": true, "silent": {"smtpd": "smtpd's queue does not answer …"}}

conclusive: whether silence says anything; not where this process itself was held up.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

from entrypoint.health.examine import examine
from entrypoint.health.judge import judge


def main() -> None:
    """Ask, print, end."""
    try:
        seen = asyncio.run(examine(float(sys.argv[1]), unneeded_too=True))
    except (OSError, ValueError) as error:
        print(json.dumps({"conclusive": False, "silent": {}, "why": str(error)}), flush=True)
        os._exit(1)
    silent: dict[str, str] = {}
    for fault in judge(seen):
        if fault.program:
            silent.setdefault(fault.program, fault.text)
    print(json.dumps({"conclusive": seen.answers.conclusive, "silent": silent}), flush=True)
    # Nothing that still runs is worth waiting for.
    os._exit(0)


if __name__ == "__main__":
    main()
