"""Is the server well, and if not, which part of it is not?

`examine` looks (entrypoint.probe), `judge` says what the answers mean, `signpost health` prints it,
and the watchdog restarts what does not answer. It must not know settings.
"""

from __future__ import annotations

from entrypoint import junk, metrics

# Mail goes on without them: nothing is unhealthy for one, nor does the container end with it.
UNNEEDED = frozenset({junk.PROGRAM, metrics.PROGRAM})
