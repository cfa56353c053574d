"""Who asks over smtpd's control socket and is killed before the answer does not end smtpd."""

from __future__ import annotations

from .harness.interruptions import smtpctl
from .harness.signpost import Signpost

PYTHON = "/opt/signpost/bin/python"
# struct imsg_hdr: type, length, flags, version, pid. A version that there is not is answered.
LEAVE = """
import select, socket, struct
for _ in range(20):
    with socket.socket(socket.AF_UNIX) as link:
        link.connect("/run/smtpd.sock")
        link.sendall(struct.pack("=IHHII", 2, 16, 0, 0, 0))
        assert select.select([link], [], [], 10)[0]
"""


def test_a_client_that_leaves_before_it_has_read_its_answer(signpost: Signpost) -> None:
    before = signpost.exec("pgrep", "-f", "^smtpd: control")
    signpost.exec(PYTHON, "-c", LEAVE)
    smtpctl(signpost, "show", "status")
    assert signpost.exec("pgrep", "-f", "^smtpd: control") == before
