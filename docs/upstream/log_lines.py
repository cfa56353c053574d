"""vlog() writes to an unbuffered stderr: the C library hands a line to the kernel in pieces of
128 bytes, and other processes' lines get in between."""

import re
import subprocess

from plain import Client, pid, result, start

start()
with subprocess.Popen(
    [
        "strace",
        "-qq",
        "-e",
        "trace=write",
        "-e",
        "write=2",
        "-s",
        "300",
        "-p",
        str(pid("dispatcher")),
    ],
    stderr=subprocess.PIPE,
    text=True,
) as tracer:
    import time

    time.sleep(1)
    Client().send(to="someone@here.test", sender="a-long-name-of-a-sender-" * 2 + "@client.test")
    time.sleep(1)
    tracer.terminate()
    lines = [line for line in tracer.stderr if line.startswith("write(2")]
pieces = [line for line in lines if not re.search(r'\\n"', line)]
result(
    "each write(2, …) has a whole line",
    f"{len(pieces)} of {len(lines)} have none, such as:\n{pieces[0] if pieces else ''}",
)
