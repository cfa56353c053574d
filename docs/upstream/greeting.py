"""The greeting waits for the client's name: 35 to 75 seconds where name servers are silent."""

import pathlib
import socket
import time

import plain

silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
silent.bind(("127.0.0.53", 53))
plain.start()
pathlib.Path("/etc/resolv.conf").write_text("nameserver 127.0.0.53\n")
time.sleep(1)
began = time.monotonic()
with socket.create_connection(("127.0.0.1", 25), 120) as link:
    link.recv(100)
plain.result("a greeting within five seconds", f"after {time.monotonic() - began:.0f} s")
