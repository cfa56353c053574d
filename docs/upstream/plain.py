"""A plain OpenSMTPD, a client that says bytes, and a server that keeps what it is told."""

import contextlib
import pathlib
import re
import socket
import subprocess
import threading
import time

LOG = pathlib.Path("/tmp/smtpd.log")
SPOOL = pathlib.Path("/var/spool/smtpd")
MAILBOX = pathlib.Path("/home/vault/Maildir/new")
# here.test lives here; mail for away.test goes on to a server at 127.0.0.1:2525.
CONF = """
listen on 127.0.0.1 port 25 hostname "mx.here.test"
table mailboxes { "someone" = "vault" }
action "keep" maildir virtual <mailboxes>
match from any for domain "here.test" action "keep"
"""
ECHO = r"""
import sys
for line in sys.stdin:
    if line == "config|ready\n":
        print("register|filter|smtp-in|data-line\nregister|ready", flush=True)
    elif line.startswith("filter|"):
        session, token, text = line.split("|", 7)[5:]
        print("filter-dataline", session, token, text, sep="|", end="", flush=True)
"""


def start(conf=CONF, *, before=(), arguments=(), limit=None, resolv="lookup file"):
    """smtpd in the foreground, ready; `before` is what it is started by."""
    pathlib.Path("/tmp/smtpd.conf").write_text(conf)
    pathlib.Path("/tmp/smtpd.conf").chmod(0o600)
    pathlib.Path("/tmp/echo.py").write_text(ECHO)
    pathlib.Path("/etc/resolv.conf").write_text(resolv + "\n")
    command = ["/usr/sbin/smtpd", "-dF", *arguments, "-f", "/tmp/smtpd.conf"]
    if limit:
        command = ["prlimit", f"--nofile={limit}", *command]
    with LOG.open("wb") as log:
        process = subprocess.Popen([*before, *command], stdout=log, stderr=log)
    for _ in range(100):
        time.sleep(0.1)
        try:
            with socket.create_connection(("127.0.0.1", 25), 90) as link:
                link.recv(100)
                return process
        except OSError:
            continue
    raise SystemExit(f"smtpd does not start:\n{LOG.read_text()}")


def pid(title):
    """The id of one of its processes."""
    return int(subprocess.check_output(["pgrep", "-f", f"^smtpd: {title}"]).split()[0])


class Client:
    def __init__(self, port=25, wait=20):
        self.link = socket.create_connection(("127.0.0.1", port), wait)
        self.stream = self.link.makefile("rb")
        self.reply()
        self.say("EHLO client.test")

    def reply(self):
        line = b""
        try:
            while (line := self.stream.readline())[3:4] == b"-":
                pass
        except OSError as error:
            # What has timed out once says so of itself the next time.
            return "no answer" if "timed out" in str(error) else "the end of the connection"
        return line.decode().strip() or "the end of the connection"

    def say(self, line):
        self.link.sendall(line.encode() + b"\r\n")
        return self.reply()

    def close(self):
        self.stream.close()
        self.link.close()

    def begin(self, to="someone@here.test", sender="sender@client.test"):
        self.say(f"MAIL FROM:<{sender}>")
        self.say(f"RCPT TO:<{to}>")
        return self.say("DATA")

    def send(self, text="Subject: x\r\n\r\ntext\r\n", **envelope):
        self.begin(**envelope)
        self.link.sendall(text.encode())
        return self.say(".")


class Server(threading.Thread):
    """Takes mail at 127.0.0.1; `said` has every line that a client says."""

    def __init__(self, port=2525):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", port))
        self.said = []
        self.start()

    def run(self):
        while True:
            threading.Thread(
                target=self.serve, args=self.listener.accept()[:1], daemon=True
            ).start()

    def serve(self, link):
        link.sendall(b"220 away.test\r\n")
        data = False
        with contextlib.suppress(OSError):
            for line in link.makefile("rb"):
                line = line.rstrip(b"\r\n")
                self.said.append(line)
                if data and line != b".":
                    continue
                data = line == b"DATA"
                link.sendall(b"354 go on\r\n" if data else b"250 ok\r\n")


def wait_for(condition, seconds=20):
    """Its value as soon as it is true, or its last."""
    for _ in range(10 * seconds):
        if value := condition():
            return value
        time.sleep(0.1)
    return condition()


def logged(pattern):
    return re.findall(pattern, LOG.read_text(errors="backslashreplace"))


def result(expected, seen):
    print(f"expected: {expected}\nseen:     {seen}", flush=True)
