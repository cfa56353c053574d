"""getdtablecount() globs /proc/PID/fd at each imsg_read(): lookup's cost of a message grows with
the sessions in DATA behind a filter."""

import resource

from plain import CONF, Client, pid, result, start

FILTER = 'filter "f" proc-exec "/usr/bin/python3 /tmp/echo.py" user nobody group nogroup\n'
start(FILTER + CONF.replace('"mx.here.test"', '"mx.here.test" filter "f"'), limit="4096:4096")
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
lookup = pid("lookup")


def milliseconds():
    with open(f"/proc/{lookup}/schedstat") as file:
        return int(file.read().split()[0]) / 1e6


def cost(messages=50):
    client, before = Client(), milliseconds()
    for _ in range(messages):
        client.send()
    return (milliseconds() - before) / messages


idle = cost()
waiting = [Client() for _ in range(1000)]
for one in waiting:
    one.begin()
result(
    "lookup's processor time for a message does not depend on other sessions",
    f"{idle:.2f} ms alone, {cost():.2f} ms beside 1,000 sessions in DATA",
)
