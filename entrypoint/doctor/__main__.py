"""One look from a file of settings, for `watch`: prints the findings as JSON.

    python -m entrypoint.doctor /run/signpost/settings.json

`signpost start` leaves that file, without secrets: the environment is gone by then.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from entrypoint.config.settings import Settings
from entrypoint.doctor.examine import examine

if __name__ == "__main__":
    settings = Settings.model_validate_json(Path(sys.argv[1]).read_bytes())
    print(json.dumps([finding.as_json() for finding in examine(settings)]))
