"""smtpd counts its open files by one stat(): right, and with no other answer than without it.

An smtpd of the image by itself, with few descriptors and a filter: once with the library, and once
as it counts by itself.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import pytest

from .harness.container import Container
from .harness.shell import attempt, fresh, run, wait_until
from .harness.signpost import IMAGE, ROOT

LIBRARY = "/usr/local/libexec/open_files.so"
# Dispatcher needs three descriptors for a session in DATA, lookup one: so it is lookup that is full
# only if it has fewer. smtpd then reads nothing there, not even what would close some of them.
DESCRIPTORS, SESSIONS = 298, 130
LOOKUP_DESCRIPTORS = 90
CONFIGURATION = """
table mailboxes { "@" = "vmail" }
filter "f" proc-exec "/opt/signpost/bin/python /programs/echo.py" user nobody group nogroup
listen on 127.0.0.1 port 25 hostname "mx.here.test" filter "f"
action "keep" maildir "/mail/Maildir" user vmail virtual <mailboxes>
match from any for domain "here.test" action "keep"
"""
START = f"""
mkdir -p /data /mail /run/signpost && echo mx.here.test >/run/signpost/mailname
install -d -m 711 /var/spool/smtpd && chown vmail /mail
install -m 600 /programs/smtpd.conf /smtpd.conf
ulimit -n {DESCRIPTORS} && exec /usr/local/libexec/start-smtpd -dF -f /smtpd.conf
"""
# By its title, which smtpd writes over its command line.
PROCESSES = r"""
import json, pathlib
found = {}
for folder in pathlib.Path("/proc").glob("[0-9]*"):
    name = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")[0].strip()
    if name.startswith("smtpd: ") or name == "/usr/sbin/smtpd":
        found[folder.name] = name
print(json.dumps(found))
"""
LIMIT = f"import resource; resource.prlimit({{}}, resource.RLIMIT_NOFILE, ({{}}, {DESCRIPTORS}))"
# In a process that is called smtpd: what glob says, beside the files that are open, as one more and
# one more is opened, up to the limit; and what it leaves alone.
ASK = r"""
import ctypes, json, os, resource

class Found(ctypes.Structure):
    _fields_ = [("count", ctypes.c_size_t), ("paths", ctypes.c_void_p), ("_", ctypes.c_char * 256)]

libc = ctypes.CDLL(None)

def ask(pattern, flags=0):
    found = Found()
    ctypes.memset(ctypes.byref(found), 0xAA, ctypes.sizeof(found))
    result = libc.glob(pattern.encode(), flags, None, ctypes.byref(found))
    fast = result == 0 and found.paths is None
    count = found.count if result == 0 else 0
    libc.globfree(ctypes.byref(found))
    return [count, fast]

own = f"/proc/{os.getpid()}/fd/*"
resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
others = {"first": ask(own), "/etc": ask("/etc/*"), "parent": ask(f"/proc/{os.getppid()}/fd/*"),
          "mark": ask(own, 2), "there": ask(own)}
rows, files = [], []
while True:
    # The list has the descriptor that it was read by, and so has glob's.
    try:
        listed = len(os.listdir("/proc/self/fd"))
    except OSError:
        listed = 0
    rows.append([listed, *ask(own)])
    try:
        files.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        break
print(json.dumps({"others": others, "rows": rows}))
"""


class SmallSmtpd(Container):
    """smtpd with few descriptors; `environment` is start-smtpd's."""

    def __init__(self, **environment: str) -> None:
        self.container = fresh("signpost-test-open-files")
        self._environment = environment
        self._folder = tempfile.TemporaryDirectory(prefix="signpost-test-")

    def __enter__(self) -> Self:
        programs = Path(self._folder.name)
        programs.chmod(0o755)
        (programs / "smtpd.conf").write_text(CONFIGURATION)
        for file in ("filters/echo.py", "clients/in_data.py"):
            source = ROOT / "tests/container" / file
            (programs / source.name).write_text(source.read_text("utf-8"), "utf-8")
        words = [word for pair in self._environment.items() for word in ("-e", "=".join(pair))]
        run(
            *("docker", "run", "--detach", "--name", self.container, "--network", "none"),
            *("--cap-add", "SYS_PTRACE"),  # to read what is loaded into others
            *("-v", f"{programs}:/programs:ro", *words),
            *("--entrypoint", "sh", IMAGE, "-c", START),
        )
        try:
            self.wait_for_log("OpenSMTPD .* starting")
            wait_until(lambda: len(self.processes()) == 8, "smtpd's processes")
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()

    def remove(self) -> None:
        attempt("docker", "rm", "--force", "--volumes", self.container)
        self._folder.cleanup()

    def processes(self) -> dict[str, str]:
        """smtpd's, by their ids."""
        found: dict[str, str] = json.loads(self.exec("python3", "-c", PROCESSES))
        return found

    def limit_lookup(self, descriptors: int) -> None:
        """As its own user: root may not without CAP_SYS_RESOURCE."""
        (lookup,) = (pid for pid, name in self.processes().items() if "lookup" in name)
        self.exec("python3", "-c", LIMIT.format(lookup, descriptors), user="opensmtpd")

    def sessions(self, count: int, then: str) -> dict[str, Any]:
        """What becomes of so many at once."""
        command = ("python3", "/programs/in_data.py", "25", str(count), then)
        found: dict[str, Any] = json.loads(self.exec(*command))
        return found

    def delivered(self) -> int:
        done = self.attempt("sh", "-c", "ls /mail/Maildir/new | wc -l")
        return int(done.stdout)

    def wait_for_mail(self, count: int) -> None:
        wait_until(lambda: self.delivered() == count, f"{count} messages in the mailbox")


@pytest.fixture(scope="module")
def both(target_image: None) -> Iterator[tuple[SmallSmtpd, SmallSmtpd]]:
    """With the library and without."""
    with SmallSmtpd() as fast, SmallSmtpd(SIGNPOST_SLOW_FILE_COUNT="1") as slow:
        yield fast, slow


def outcome(server: SmallSmtpd) -> list[dict[str, Any]]:
    """More sessions than fit, for dispatcher first, then for lookup; and one message at the end."""
    before = server.processes()
    full = server.sessions(SESSIONS, "end")
    server.wait_for_mail(full["replies"]["250"])
    server.limit_lookup(LOOKUP_DESCRIPTORS)
    lookup_full = server.sessions(SESSIONS, "leave")
    server.limit_lookup(DESCRIPTORS)
    after = server.sessions(1, "end")
    server.wait_for_mail(full["replies"]["250"] + 1)
    assert server.processes() == before
    return [full, lookup_full, after]


def test_a_full_table_is_answered_as_smtpd_does(both: tuple[SmallSmtpd, SmallSmtpd]) -> None:
    with ThreadPoolExecutor() as pool:
        fast, slow = pool.map(outcome, both)
    assert fast == slow
    full, lookup_full, after = fast
    # Who was refused is told so, and of the others nothing is lost.
    assert full["in_data"] > 50
    assert full["refused"]
    assert set(full["refused"]) <= {"DATA: 421", "connect: nothing"}
    assert full["replies"] == {"250": full["in_data"]}
    assert 20 < lookup_full["in_data"] < LOOKUP_DESCRIPTORS
    assert sum(lookup_full["refused"].values()) == 1
    assert after == {"in_data": 1, "refused": {}, "replies": {"250": 1}}


def test_only_smtpd_has_it(both: tuple[SmallSmtpd, SmallSmtpd]) -> None:
    fast, slow = both
    assert LIBRARY in _maps(fast, "smtpd: lookup")
    assert LIBRARY not in _maps(slow, "smtpd: lookup")
    for server in both:
        of_filter = "cat /proc/$(pgrep -o -u nobody)/environ"
        environment = server.exec("sh", "-c", of_filter)
        assert "HOME=" in environment or "PATH=" in environment
        assert "SIGNPOST_SLOW_FILE_COUNT" not in environment


def _maps(server: SmallSmtpd, title: str) -> str:
    pid = next(pid for pid, name in server.processes().items() if name == title)
    return server.exec("cat", f"/proc/{pid}/maps")


def test_it_counts_what_glob_counts(target_image: None) -> None:
    script = f'exec env LD_PRELOAD={LIBRARY} bash -c \'exec -a "$0" python3 -c "$1"\' "$@"'

    def ask(name: str) -> dict[str, Any]:
        command = ("docker", "run", "--rm", "--network", "none", "--entrypoint", "sh", IMAGE)
        found: dict[str, Any] = json.loads(run(*command, "-c", script, "sh", name, ASK))
        return found

    as_smtpd, as_another = ask("smtpd"), ask("python3")
    assert not any(fast for _, fast in as_another["others"].values())
    assert not any(fast for *_, fast in as_another["rows"])
    counts = {name: count for name, (count, _) in as_smtpd["others"].items()}
    assert counts == {name: count for name, (count, _) in as_another["others"].items()}
    assert {name for name, (_, fast) in as_smtpd["others"].items() if fast} == {"there"}
    for rows in (as_smtpd["rows"], as_another["rows"]):
        assert len(rows) > 150
        assert all(listed == count for listed, count, _ in rows), rows
    # Close to the limit, and where the table is full, it is glob itself.
    kinds = [fast for *_, fast in as_smtpd["rows"]]
    assert kinds == sorted(kinds, reverse=True)
    assert 100 < kinds.count(True) < 150
