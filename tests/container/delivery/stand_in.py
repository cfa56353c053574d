"""Runs inside the image: smtpd's parent and dispatcher, and Dovecot's LMTP, as a test wants them.

    python stand_in.py DELIVERY <MESSAGE

DELIVERY is a JSON object, see `Delivery`. What came of it is printed as JSON: the agent's exit
status, what it wrote, and the messages that were stored, in base64. It runs `deliver` as smtpd
does: the parent forks the dispatcher and the agent, and the dispatcher alone has the pipe.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import itertools
import json
import os
import pwd
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from verdicts import ASKED, SILENT, Verdicts

FEEDER = "smtpd: dispatcher"
LMTP = Path("/run/dovecot/lmtp")
MAILBOXES = Path("/run/signpost/mailboxes")
KEY = Path("/run/signpost/marks/vmail")
MAILDIR = Path("/data/mail/example.org/alice/Maildir")
MESSAGE, STORED, COMMANDS = Path("/tmp/message"), Path("/tmp/stored"), Path("/tmp/commands")
PR_SET_CHILD_SUBREAPER = 36


class Delivery:
    """feed: what becomes of the dispatcher, see `feed`. The rest is said where it is used."""

    def __init__(self, given: dict[str, object]) -> None:
        self.feed = str(given.get("feed", "whole"))
        self.rounds = int(str(given.get("rounds", 1)))
        self.recipient = str(given.get("recipient", "alice@example.org"))
        # As smtpd's RCPT was, before aliases.
        self.original = str(given.get("original", self.recipient))
        # The key of the marks; the files in the mailbox, by their paths in the Maildir.
        self.key = given.get("key")
        self.mailbox = dict(given.get("mailbox", {}))  # type: ignore[call-overload]
        self.links = int(str(given.get("links", 0)))  # how many more of each, with other names
        self.sender = str(given.get("sender", "someone@outside.test"))
        self.delimiter = str(given.get("delimiter", "+"))
        self.maildir = bool(given.get("maildir"))
        self.mailboxes = given.get("mailboxes", "alice@example.org\n-x@example.org\n")
        # What the junk filter does at each question, see verdicts.py; none: nobody listens. Whether
        # it begins anew before each round, and how many seconds ago it was found silent.
        self.junk: list[str] | None = given.get("junk")  # type: ignore[assignment]
        self.judged = bool(given.get("judged", self.junk is not None))
        self.anew = bool(given.get("anew"))
        self.silent: float | None = given.get("silent")  # type: ignore[assignment]
        # What LMTP answers, from the greeting on; null closes the connection, "" is silence.
        self.answers = given.get("answers", [])


# -- Dovecot ---------------------------------------------------------------------------------


def serve_lmtp(listener: socket.socket, usual: list[str | None]) -> None:
    """Answers 2xx and 354, or what it was given; what came with its last dot becomes a file."""
    for number in itertools.count():
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            talk(connection, list(usual), STORED / str(number))


def talk(connection: socket.socket, answers: list[str | None], stored: Path) -> None:
    stream = connection.makefile("rb")

    def answer(usual: str) -> bool:
        text = answers.pop(0) if answers else usual
        if text == "":
            stream.read()
        if not text:
            return False
        connection.sendall(text.encode() + b"\r\n")
        return text.startswith(("2", "3"))

    if not answer("220 ready"):
        return
    while line := stream.readline():
        with COMMANDS.open("ab") as said:
            said.write(line)
        if line.startswith(b"DATA"):
            if not answer("354 go on"):
                return
            lines = []
            while (line := stream.readline()) not in (b".\r\n", b""):
                lines.append(line)
            if not line:
                return
            stored.write_bytes(b"".join(lines))
        if not answer("250 fine"):
            return


def start_lmtp(answers: list[str | None]) -> int:
    LMTP.parent.mkdir(parents=True, exist_ok=True)
    LMTP.unlink(missing_ok=True)
    shutil.rmtree(STORED, ignore_errors=True)
    STORED.mkdir()
    COMMANDS.write_bytes(b"")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(LMTP))
    LMTP.chmod(0o666)
    listener.listen()
    pid = os.fork()
    if pid == 0:
        serve_lmtp(listener, answers)
    listener.close()
    return pid


# -- smtpd -----------------------------------------------------------------------------------


def half_of(message: bytes) -> bytes:
    return message[: len(message) // 2]


def write(pipe: int, message: bytes) -> None:
    while message:
        message = message[os.write(pipe, message) :]


def feed(how: str, pipe: int, message: bytes) -> None:
    """The dispatcher, with the only other end of the agent's pipe.

    killed, slow: half, then it waits for its death; "slow" has much open behind the pipe, so that
    the pipe ends long before the process is gone. exits: half. silent: nothing, and it goes on.
    gone: all, and it dies as soon as the junk filter is asked.
    """
    if how == "slow":
        for _ in range(4000):
            os.dup(os.open("/dev/null", os.O_RDONLY))
    if how == "silent":
        message = b""
    elif how not in ("whole", "gone"):
        message = half_of(message)
    write(pipe, message)
    if how == "exits":
        os._exit(1)
    if how in ("killed", "slow"):
        os.kill(os.getpid(), signal.SIGKILL)
    os.close(pipe)
    while how == "gone":
        if any(asked.stat().st_size for asked in ASKED.iterdir()):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.001)
    signal.pause()


def start_dispatcher(how: str, pipe: int, name: str) -> int:
    pid = os.fork()
    if pid == 0:
        rename("python")
        os.set_inheritable(pipe, True)
        os.execv(sys.executable, [name, __file__, "--feed", how, str(pipe)])
    return pid


def rename(name: str) -> None:
    """Take the name that the kernel has for this process."""
    Path("/proc/self/comm").write_text(name)


def wait_for_title(pid: int) -> None:
    process = Path(f"/proc/{pid}")
    while not (process / "cmdline").read_bytes().startswith(b"smtpd: "):
        time.sleep(0.001)
    while (process / "comm").read_text() != "smtpd\n":
        time.sleep(0.001)


def start_agent(delivery: Delivery, pipe: int, output: int) -> int:
    pid = os.fork()
    if pid == 0:
        be_agent(delivery, pipe, output)
    return pid


def be_agent(delivery: Delivery, pipe: int, output: int) -> None:
    vmail = pwd.getpwnam("vmail")
    os.setgroups([vmail.pw_gid])
    os.setresgid(*3 * (vmail.pw_gid,))
    os.setresuid(*3 * (vmail.pw_uid,))
    os.dup2(pipe, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.setsid()
    signal.alarm(300)
    command = ["/usr/local/libexec/deliver", delivery.delimiter]
    if delivery.judged:
        command.insert(1, "--junk-filter")
    if delivery.maildir:
        command += ["/data/mail", "/usr/libexec/opensmtpd/mail.maildir", "-j", str(MAILDIR)]
    environment = {
        "RECIPIENT": delivery.recipient,
        "ORIGINAL_RECIPIENT": delivery.original,
        "SENDER": delivery.sender,
        "HOME": "/data",
    }
    os.execve(command[0], command, environment)


def smtpd(delivery: Delivery, output: int, tell: int) -> None:
    """The parent process; it lives until it is killed."""
    rename("smtpd")
    theirs, ours = os.pipe()
    how = delivery.feed
    names = {"none": ["smtpd: lookup"], "two": [FEEDER, FEEDER]}.get(how, [FEEDER])
    # What the pipe does not take is written when the agent reads, and knows its feeder.
    for name in names:
        wait_for_title(
            start_dispatcher("silent" if how in ("parent", "orphan") else how, ours, name)
        )
    agent = start_agent(delivery, theirs, output)
    os.close(theirs)
    os.write(tell, str(agent).encode())
    os.close(tell)
    if how == "orphan":
        os.write(ours, b"Delivered-To: x\n")
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "parent":
        # It dies with the pipe's end in its hands; the dispatcher does not.
        write(ours, half_of(MESSAGE.read_bytes()))
        os.kill(os.getpid(), signal.SIGKILL)
    os.close(ours)
    signal.pause()


def once(delivery: Delivery) -> tuple[int, str]:
    """The agent's exit status and what it wrote."""
    output = os.open("/tmp/output", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    told, tell = os.pipe()
    parent = os.fork()
    if parent == 0:
        os.close(told)
        try:
            smtpd(delivery, output, tell)
        finally:
            os._exit(1)
    os.close(tell)
    agent = int(os.read(told, 20))
    os.close(told)
    while state(agent) != "Z":
        time.sleep(0.001)
    # Whoever has lost its parent becomes ours.
    theirs = children(parent)
    os.kill(parent, signal.SIGKILL)
    status = None
    for pid in (parent, *theirs, agent):
        with contextlib.suppress(ChildProcessError, ProcessLookupError):
            if pid != agent:
                os.kill(pid, signal.SIGKILL)
            ended = os.waitpid(pid, 0)[1]
            status = ended if pid == agent else status
    written = Path("/tmp/output").read_text(errors="backslashreplace")
    os.close(output)
    assert status is not None, "the agent's end was not seen"
    return os.waitstatus_to_exitcode(status), written


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def children(parent: int) -> list[int]:
    listed = Path(f"/proc/{parent}/task/{parent}/children")
    return [int(pid) for pid in listed.read_text().split()]


def main() -> None:
    if sys.argv[1] == "--feed":
        rename("smtpd")
        feed(sys.argv[2], int(sys.argv[3]), MESSAGE.read_bytes())
        return
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    resource.setrlimit(resource.RLIMIT_NOFILE, (16384, 16384))
    delivery = Delivery(json.loads(sys.argv[1]))
    MESSAGE.write_bytes(sys.stdin.buffer.read())
    MAILBOXES.parent.mkdir(exist_ok=True)
    MAILBOXES.unlink(missing_ok=True)
    if delivery.mailboxes is not None:
        MAILBOXES.write_text(str(delivery.mailboxes))
    shutil.rmtree("/data/mail", ignore_errors=True)
    subprocess.run(["install", "-d", "-o", "vmail", "-g", "vmail", "-m", "700", "/data/mail"])
    KEY.unlink(missing_ok=True)
    if delivery.key is not None:
        KEY.parent.mkdir(exist_ok=True)
        KEY.write_text(str(delivery.key))
        KEY.chmod(0o444)
    for name, content in delivery.mailbox.items():
        file = MAILDIR / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        for number in range(delivery.links):
            os.link(file, file.with_name(f"{file.name}{number}"))
    if delivery.mailbox:
        subprocess.run(["chown", "-R", "vmail:vmail", "/data/mail"])
    lmtp = start_lmtp(list(delivery.answers))  # type: ignore[call-overload]
    junk = Verdicts(delivery.junk, delivery.silent)
    ended, took = [], []
    for number in range(delivery.rounds):
        if number and delivery.anew:
            junk.begin()
        began = time.monotonic()
        ended.append(once(delivery))
        took.append(time.monotonic() - began)
    junk.end()
    os.kill(lmtp, signal.SIGKILL)
    stored = [(STORED / str(each)).read_bytes() for each in range(len(list(STORED.iterdir())))]
    if delivery.maildir:
        there = (MAILDIR / name for name in delivery.mailbox)
        files = {file for file in MAILDIR.rglob("*") if file.is_file()} - set(there)
        stored += [file.read_bytes() for file in files]
    print(
        json.dumps(
            {
                "statuses": [status for status, _ in ended],
                "written": ended[-1][1],
                "took": took,
                "silent": SILENT.exists(),
                "asked": [
                    base64.b64encode(each.read_bytes()).decode() for each in sorted(ASKED.iterdir())
                ],
                "commands": COMMANDS.read_text("latin-1").splitlines(),
                "stored": [base64.b64encode(each).decode() for each in stored],
            }
        )
    )


if __name__ == "__main__":
    main()
