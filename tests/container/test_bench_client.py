"""The bench's client is a stranger to the server: else what it proves is not what mail meets."""

from __future__ import annotations

import ipaddress
import json

import pytest

from .harness.shell import run
from .harness.signpost import IMAGE, ROOT

# Who the server sees, in the container that bench/run gives to a run, and who is unknown to it.
SEEN = """
import json, socket, threading
from bench.end_to_end import client, scene
from entrypoint.config.host import host_facts

scene.prepare()
seen = []

def greet():
    link, address = server.accept()
    seen.append(address[0])
    with link:
        for answer in (b"220 here\\r\\n", b"250 here\\r\\n"):
            link.sendall(answer)
            link.recv(1_000)

with socket.create_server((scene.ADDRESS, 25)) as server:
    threading.Thread(target=greet, daemon=True).start()
    client.Connection()
print(json.dumps({"seen": seen, "server": scene.ADDRESS, "shared": host_facts().shared}))
"""


@pytest.mark.usefixtures("target_image")
def test_its_address_is_none_at_which_anyone_may_appear() -> None:
    printed = run(
        *("docker", "run", "--rm", "--init", "--network", "none", "--cap-add", "NET_ADMIN"),
        *("--tmpfs", "/run:mode=755", "--volume", f"{ROOT}/bench:/srv/bench:ro"),
        *("--workdir", "/srv", "--entrypoint", "python", IMAGE, "-c", SEEN),
        timeout=60,
    )
    found = json.loads(printed)
    assert found["server"] in found["shared"]
    (address,) = found["seen"]
    assert address not in found["shared"]
    assert not ipaddress.ip_address(address).is_loopback
