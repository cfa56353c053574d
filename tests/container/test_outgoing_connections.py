"""What smtpd says to another server goes out at once: nothing waits for an acknowledgement."""

from __future__ import annotations

import json

from .harness.signpost import Signpost

# What a program of this name gets when it connects: over TCP, and to a name server.
CONNECTS = """
import json, os, socket, sys
if sys.argv[1:]:
    found = []
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as server, socket.socket(family) as client:
            try:
                server.bind((host, 0))
            except OSError:  # no IPv6 here
                continue
            server.listen()
            client.connect(server.getsockname())
            found.append(client.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as question:
        question.connect(("127.0.0.1", 53))
    print(json.dumps(found))
else:
    environ = os.environ | {"LD_PRELOAD": "/usr/local/libexec/outgoing.so"}
    os.execve(sys.executable, ["NAME", "-c", os.environ["CODE"], "connect"], environ)
"""


def no_delay(signpost: Signpost, name: str) -> set[int]:
    code = CONNECTS.replace("NAME", name)
    answer = signpost.exec("env", f"CODE={code}", "python3", "-c", code)
    return set(json.loads(answer))


def test_smtpd_holds_nothing_back(signpost: Signpost) -> None:
    assert no_delay(signpost, "smtpd") == {1}


def test_another_program_is_left_alone(signpost: Signpost) -> None:
    assert no_delay(signpost, "filter") == {0}


def test_each_of_smtpds_processes_has_it(signpost: Signpost) -> None:
    loaded = "grep -l outgoing.so $(pgrep -x smtpd | sed 's:.*:/proc/&/maps:')"
    count = "pgrep -cx smtpd"
    assert len(signpost.processes("sh", "-c", loaded).splitlines()) == int(
        signpost.processes("sh", "-c", count)
    )
