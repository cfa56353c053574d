"""Asks for the metrics many times at once, and never reads an answer.

    python3 scrapers.py HOST PORT COUNT

Prints how many connected, and ends when its standard input does.
"""

import resource
import socket
import sys

HOST, PORT, COUNT = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_NOFILE, (COUNT + 100, COUNT + 100))
connections = []
for _ in range(COUNT):
    link = socket.socket()
    link.settimeout(10)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    try:
        link.connect((HOST, PORT))
        link.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        connections.append(link)
    except OSError:
        pass
print(len(connections), flush=True)
sys.stdin.read()
