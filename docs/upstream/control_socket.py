"""control.c gives smtpd's control socket to everybody (0666): any user hands in mail by it as
anybody, and a message of a bad type ends smtpd."""

import os
import pwd
import socket
import struct
import subprocess

from plain import result, start, wait_for

process = start()
result(
    "srw-rw----",
    subprocess.check_output(["stat", "-c", "%A %U:%G", "/run/smtpd.sock"], text=True).strip(),
)
if os.fork() == 0:
    nobody = pwd.getpwnam("nobody")
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)
    link = socket.socket(socket.AF_UNIX)
    link.connect("/run/smtpd.sock")
    # struct imsg_hdr: type, len, flags, peerid, pid
    link.sendall(struct.pack("=IHHII", 0xFFFF, 16, 0, 0, 0))
    link.close()
    os._exit(0)
os.wait()
ended = wait_for(lambda: process.poll() is not None, 5)
result("smtpd goes on", f"it ended with {process.returncode}" if ended else "it goes on")
