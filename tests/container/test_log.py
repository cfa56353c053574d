"""What smtpd logs is whole: many of its processes write to one pipe."""

from __future__ import annotations

import json

from .harness.signpost import Signpost

# Each write to a socket of datagrams is one of them.
WRITES = """
import json, os, socket, subprocess, tempfile
ours, stderr = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
ours.settimeout(10)
with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
    file.write('listen on socket filter "%s"\\n' % ("x" * 3000))
    file.flush()
    environ = os.environ | {"LD_PRELOAD": "/usr/local/libexec/whole_lines.so"}
    subprocess.run(["/usr/sbin/smtpd", "-n", "-f", file.name], stderr=stderr, env=environ)
stderr.send(b"")
written = list(iter(lambda: ours.recv(65536).decode(), ""))
print(json.dumps(written))
"""


def test_a_log_line_is_one_write(signpost: Signpost) -> None:
    written = json.loads(signpost.exec("python3", "-c", WRITES))
    assert any("x" * 3000 in line for line in written)
    assert all(line.endswith("\n") and line.count("\n") == 1 for line in written)


def test_each_of_smtpds_processes_writes_so(signpost: Signpost) -> None:
    loaded = "grep -l whole_lines.so $(pgrep -x smtpd | sed 's:.*:/proc/&/maps:')"
    count = "pgrep -cx smtpd"
    assert len(signpost.processes("sh", "-c", loaded).splitlines()) == int(
        signpost.processes("sh", "-c", count)
    )


def test_every_program_writes_to_the_containers_log_itself(signpost: Signpost) -> None:
    found = r"pgrep -f -- '-m [e]ntrypoint\.(supervise\.logpipe|maintenance) '"
    logs = f"readlink /proc/1/fd/2 $({found} | sed 's:.*:/proc/&/fd/2:')"
    shown = signpost.processes("sh", "-c", logs).decode().split()
    # supervisor's own process, the one that applies changes, and three logpipes at least.
    assert len(shown) >= 5
    assert len(set(shown)) == 1
