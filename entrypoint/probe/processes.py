"""The server's processes as the kernel shows them: which is stopped, which waits for a disk.

A process that is stopped (SIGSTOP), or that waits for a disk, is seen here even where no question
needs it at once.
"""

from __future__ import annotations

import contextlib
import pwd
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from entrypoint.paths import RUN

PROC = Path("/proc")
_DOVECOT = re.compile(r"dovecot/([a-z0-9-]+)")
_FILTER = re.compile(r"-m filters\.(inbound|submission)\b")
_LOG = re.compile(
    r"-m entrypoint\.supervise\.logpipe .*?(?<=\s)(smtpd|dovecot|logins|web|metrics|junk)\s"
)
# One client's own process.
_SESSIONS = frozenset({"imap", "pop3", "managesieve"})


@dataclass(frozen=True)
class Process:
    """program: as supervisor calls it, "" for none that is restarted. state: as in proc(5).

    waits: how often it has begun to wait for something (voluntary context switches).
    """

    program: str
    title: str
    state: str
    number: int
    waits: int = 0


def processes(proc: Path = PROC, supervisor: int | None = None) -> list[Process]:
    """Everything that supervisor runs, and itself. Never raises."""
    root = _supervisor() if supervisor is None else supervisor
    table = dict(_table(proc))
    found = []
    for number in table:
        if (chain := _chain(table, number, root)) is None:
            continue
        command = _command(proc, number)
        owner = next((name for each in chain if (name := _program(_command(proc, each)))), "")
        program, title = _named(owner, command, _user(proc, number))
        if title:
            state = table[number][0]
            found.append(Process(program, title, state, number, _waits(proc, number)))
    return found


def since(before: Sequence[Process], after: Sequence[Process]) -> list[Process]:
    """The later list, with what each process has done since the earlier one."""
    waits = {each.number: each.waits for each in before}
    return [replace(each, waits=each.waits - waits.get(each.number, each.waits)) for each in after]


def _waits(proc: Path, number: int) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        status = (proc / str(number) / "status").read_text("utf-8", "replace")
        return int(status.partition("\nvoluntary_ctxt_switches:")[2].split(None, 1)[0])
    return 0


def _supervisor(run: Path = RUN) -> int:
    with contextlib.suppress(OSError, ValueError):
        return int((run / "supervisord.pid").read_text("ascii"))
    return 1


def _table(proc: Path) -> Iterator[tuple[int, tuple[str, int]]]:
    """Each process's state and parent."""
    for folder in proc.iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                state, parent = (
                    (folder / "stat").read_text("utf-8", "replace").rpartition(") ")[2].split()[:2]
                )
                yield int(folder.name), (state, int(parent))


def _chain(table: dict[int, tuple[str, int]], number: int, root: int) -> list[int] | None:
    """The process and what it descends from, up to supervisor; None for a stranger's."""
    chain: list[int] = []
    while number in table and len(chain) < 64:
        chain.append(number)
        if number == root:
            return chain
        number = table[number][1]
    return None


def _command(proc: Path, number: int) -> str:
    try:
        raw = (proc / str(number) / "cmdline").read_bytes()[:4096]
    except OSError:
        return ""
    return raw.replace(b"\0", b" ").decode("utf-8", "backslashreplace")


def _user(proc: Path, number: int) -> str:
    try:
        return pwd.getpwuid((proc / str(number)).stat().st_uid).pw_name
    except (OSError, KeyError):
        return ""


def _program(command: str) -> str:
    """The program of a process that supervisor itself has started."""
    if found := _LOG.search(command):
        return found[1]
    return "maintenance" if "-m entrypoint.maintenance " in f"{command} " else ""


def _named(program: str, command: str, user: str) -> tuple[str, str]:
    """The program, and what a mail administrator calls the process; no title: of no interest."""
    if "-m entrypoint.supervise " in command:
        return "", "supervisor"
    if _LOG.search(command):
        return program, f"the log of {program}"
    if program == "smtpd":
        return _of_smtpd(command, user)
    if program == "dovecot":
        if found := _DOVECOT.match(command):
            name = "auth-worker" if " -w" in command else found[1]
            return "" if name in _SESSIONS else program, f"Dovecot's {name}"
        return program, "Dovecot's master" if command.startswith("/usr/sbin/dovecot ") else ""
    if program == "junk":
        # It bounds itself what it asks bogofilter.
        return program, "the junk filter" if " entrypoint.junk" in command else ""
    return program, program


def _of_smtpd(command: str, user: str) -> tuple[str, str]:
    if command.startswith("smtpd: "):
        return "smtpd", f"smtpd's {command[7:].strip()}"
    if command.startswith("/usr/sbin/smtpd "):
        # Those of another user only wait for their filter to end.
        return "smtpd", "smtpd's parent" if user == "root" else ""
    if found := _FILTER.search(command):
        return "smtpd", f"the {found[1]} filter"
    if user == "vmail":
        # A restart of smtpd would not end it, and the message is tried again only after that.
        return "", "a delivery"
    return "smtpd", f"the extra filter {command.strip()[:80]}"
