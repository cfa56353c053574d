"""Runs inside the image, as root: how a process named smtpd starts its delivery agent.

    python starts.py <COMMANDS

COMMANDS is a JSON list; each is given to execle() as smtpd gives it, once with delivery_agent.so
loaded and once without. The agent is one that says how it was started. For each command both
answers are printed, as JSON.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

LIBRARY = "/usr/local/libexec/delivery_agent.so"
AGENT = Path("/usr/local/libexec/deliver")
# And what the kernel says of it: before it starts anything itself, which blocks signals meanwhile.
SAYS = r"""#!/bin/sh
while read -r line; do
    case "$line" in Umask:*|[UG]id:*|Groups:*|Sig[BIC]*|Cap*|NoNewPrivs:*) echo "$line" ;; esac
done </proc/$$/status
ls /proc/$$/fd
readlink /proc/$$/cwd
cut -d ' ' -f 6 /proc/$$/stat | grep -cx $$
tr '\0' '\n' </proc/$$/environ
echo WORDS
printf '%s\n' "$#" "$0" "$@"
exit 69
"""
ENVIRONMENT = (b"PATH=/usr/bin:/bin", b"HOME=/data", b"RECIPIENT=a@b", b"SENDER=", b"SHELL=/bin/sh")


def execle(path: bytes, words: list[bytes]) -> None:
    c = ctypes.CDLL(None)
    environment = (ctypes.c_char_p * (len(ENVIRONMENT) + 1))(*ENVIRONMENT, None)
    c.execle(path, *words, None, environment)


def start(words: list[bytes]) -> list[object]:
    """As forkmda does: status, and what it wrote."""
    with tempfile.TemporaryFile() as output:
        pid = os.fork()
        if pid == 0:
            os.chdir("/usr/local")
            os.umask(0o22)
            os.setgroups([1])
            os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            os.closerange(3, 64)
            os.setsid()
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            signal.alarm(300)
            execle(b"/bin/sh", words)
            os._exit(1)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        output.seek(0)
        return [status, output.read().decode("latin-1")]


def main() -> None:
    if len(sys.argv) == 1:
        AGENT.write_text(SAYS)
        AGENT.chmod(0o755)
        commands = sys.stdin.read()
        both = []
        for preload in ({"LD_PRELOAD": LIBRARY}, {}):
            done = subprocess.run(
                ["smtpd", "-S", __file__, "start"],
                executable=sys.executable,
                env={"PYTHONHOME": "/usr"} | preload,
                input=commands.encode(),
                stdout=subprocess.PIPE,
                check=True,
            )
            both.append(json.loads(done.stdout))
        print(json.dumps(list(zip(*both, strict=True))))
        return
    started = []
    for command in json.load(sys.stdin):
        words = command if isinstance(command, list) else ["/bin/sh", "-c", command]
        started.append(start([word.encode("latin-1") for word in words]))
    print(json.dumps(started))


if __name__ == "__main__":
    main()
