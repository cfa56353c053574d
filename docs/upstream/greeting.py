"""The greeting waits for the client's name: 35 to 75 seconds where name servers are silent."""

import socket
import time

import plain

silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
silent.bind(("127.0.0.53", 53))
began = time.monotonic()
plain.start(resolv="nameserver 127.0.0.53")  # waits for the greeting
plain.result("a greeting within five seconds", f"after {time.monotonic() - began:.0f} s")
