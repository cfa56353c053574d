"""Nothing is synced before the 250 to a message: a crash of the machine loses mail that was
accepted."""

import time

from plain import Client, result, start

trace = [
    "strace",
    "-qq",
    "-f",
    "-o",
    "/tmp/trace",
    "-e",
    "trace=fsync,fdatasync,sync_file_range,syncfs,sync,openat,rename",
]
start(before=trace, arguments=("-P", "mda"))
print(Client().send())
time.sleep(1)
with open("/tmp/trace") as file:
    lines = file.read().splitlines()
opened = [line for line in lines if "O_SYNC" in line or "O_DSYNC" in line]
synced = [line for line in lines if "sync(" in line or "sync_" in line]
moved = [line for line in lines if "rename(" in line and "queue" in line]
result(
    "an fsync of the message, or its envelope, before it is moved into the queue",
    f"{synced + opened}; moved: {moved}",
)
