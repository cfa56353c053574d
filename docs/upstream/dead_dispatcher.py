"""mda.c: the pipe to the delivery agent ends alike at the end of the message and when dispatcher
dies: the agent stores a part as if it were all."""

import os
import pathlib
import signal
import time

from plain import CONF, Client, pid, result, start, wait_for

AGENT = "/tmp/agent"
pathlib.Path(AGENT).write_text(
    "#!/bin/sh\ntouch /tmp/begun; sleep 3; cat >/tmp/stored; echo $? >/tmp/status\n"
)
os.chmod(AGENT, 0o755)
os.chmod("/tmp", 0o1777)
start(CONF.replace("maildir", f'mda "{AGENT}"'))
text = "Subject: x\r\n\r\n" + ("y" * 76 + "\r\n") * 20_000
print(Client().send(text))
wait_for(lambda: os.path.exists("/tmp/begun"))
time.sleep(0.5)
os.kill(pid("dispatcher"), signal.SIGKILL)
wait_for(lambda: os.path.exists("/tmp/status"), 10)
size = os.path.getsize("/tmp/stored") if os.path.exists("/tmp/stored") else None
status = pathlib.Path("/tmp/status").read_text().strip() if os.path.exists("/tmp/status") else None
result(
    f"the agent knows that the message (of {len(text)} bytes) is not whole",
    f"it read {size} bytes, then EOF, and exits {status}",
)
