"""What Prometheus asks for, with `METRICS_PORT`: what happened, and how things are.

What the log says becomes samples of closed words where the lines are read (`samples`,
`event_pipe`), so that the program that answers HTTP (`__main__`) sees no address. How things are is
looked at now and then by who may (`looks`), and lies in small files (`observations`). Nothing that
serves mail waits for any of it, and without the variable none of it is loaded.
"""

from __future__ import annotations

# As supervisor and health name it. Mail goes on without it: the container does not end with it, nor
# is it unhealthy for it.
PROGRAM = "metrics"
# Where it answers, below /run/signpost.
PORT = "metrics/port"
